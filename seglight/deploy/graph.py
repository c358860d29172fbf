"""What is changed in an ONNX graph once torch has written it: norms folded, pools that every runtime computes alike."""

from __future__ import annotations

from typing import Any

import numpy as np


def fold_norms(graph: Any) -> None:
    """Folds the norms after transposed convolutions into their kernels; those after other ones torch has folded."""
    from onnx import numpy_helper

    def constant(name: str) -> Any:
        while name not in values:  # torch writes equal tensors once, the others as identities of it
            name = makers[name].input[0]
        return numpy_helper.to_array(values[name])

    values = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        conv = makers.get(norm.input[0])
        if conv is None or conv.op_type != "ConvTranspose" or readers[norm.input[0]] > 1:
            continue
        gamma, beta, mean, variance = map(constant, norm.input[1:5])
        options = {attribute.name: attribute for attribute in [*norm.attribute, *conv.attribute]}
        scale = gamma / np.sqrt(variance + (options["epsilon"].f if "epsilon" in options else 1e-5))
        groups = options["group"].i if "group" in options else 1
        kernel = constant(conv.input[1])  # [in, out / groups, k, k]
        grouped = kernel.reshape(groups, -1, *kernel.shape[1:]) * scale.reshape(groups, 1, -1, 1, 1)
        before = constant(conv.input[2]) if len(conv.input) > 2 else 0.0
        bias = (before - mean) * scale + beta
        names = [f"{norm.output[0]}_kernel", f"{norm.output[0]}_bias"]
        for name, value in zip(names, (grouped.reshape(kernel.shape), bias), strict=True):
            graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
        conv.input[:] = [conv.input[0], *names]
        conv.output[0] = norm.output[0]
        graph.node.remove(norm)
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def plain_pools(graph: Any) -> None:
    """Pools that keep the last row of odd maps, said by padding: OpenVINO gives nothing for a map below the window."""
    for node in graph.node:
        options = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "MaxPool" and "ceil_mode" in options and options["ceil_mode"].i:
            options["ceil_mode"].i = 0
            pads = options["pads"].ints  # above, left, below, right
            pads[2:] = [pad + stride - 1 for pad, stride in zip(pads[2:], options["strides"].ints, strict=True)]
