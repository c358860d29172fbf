"""A network as a graph that takes images of any number and size: traced by torch, raw pixels in, answers out."""

# Shapes: B batch, C bands, K classes, H W pixels

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seglight.deploy.about import KEY, About
from seglight.deploy.graph import fold_norms, plain_pools
from seglight.deploy.products import AsProducts
from seglight.deploy.runtimes import one_line

ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt"}  # of each format's files
OPSET = 17  # ONNX Runtime 1.12 (2022) and later read it
EXAMPLE = (2, 97, 129)  # B, H, W that the network is traced with; it runs at others


class Answering(nn.Module):
    """Logits [B, K, H, W] float32 of a network, or the classes [B, H, W] uint8 that they mean."""

    def __init__(self, net: nn.Module, output: str) -> None:
        super().__init__()
        self.net, self.output = net, output
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images).float()
        return logits.argmax(1).to(torch.uint8) if self.output == "classes" else logits


def example(about: About) -> Tensor:
    """Images that a network is traced with; float32 where they are deeper than 8 bits."""
    batch, height, width = EXAMPLE
    images = torch.randint(0, 256, (batch, about.bands, height, width), dtype=torch.uint8)
    return images if about.value_range is None else images.float()


def write_onnx(net: nn.Module, path: Path, about: About) -> None:
    """ONNX, batch norms folded into the convolutions before them. ValueError where torch cannot write the network.

    torch's tracing exporter: sizes stay arithmetic in the graph. The newer one (dynamo) proves them symbolically,
    which takes minutes or never ends where maps of many strides meet.
    """
    import onnx

    axes = {0: "batch", 2: "height", 3: "width"}
    given = axes if about.output == "logits" else {0: "batch", 1: "height", 2: "width"}
    with quiet_tracing("onnx"), AsProducts():
        torch.onnx.export(
            Answering(net, about.output), (example(about),), str(path), dynamo=False, opset_version=OPSET,
            input_names=["images"], output_names=[about.output], dynamic_axes={"images": axes, about.output: given},
        )  # fmt: skip
    model = onnx.load(path)
    fold_norms(model.graph)
    plain_pools(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def describe_onnx(source: Path, path: Path, about: About) -> None:
    """Writes an ONNX file again, with the metadata in it."""
    import onnx

    model = onnx.load(source)
    onnx.helper.set_model_props(model, {KEY: about.text()})
    onnx.save(model, path)


def write_openvino(onnx_file: Path, path: Path, about: About) -> None:
    """OpenVINO's .xml, and .bin beside it, of an ONNX file."""
    import openvino

    model = openvino.convert_model(str(onnx_file))
    model.set_rt_info(about.text(), [KEY])
    openvino.save_model(model, str(path), compress_to_fp16=False)


def trace(net: nn.Module, about: About) -> Any:
    """TorchScript, frozen: batch norms folded. ValueError where torch cannot trace the network."""
    with quiet_tracing("torch"):
        traced: Any = torch.jit.trace(Answering(net, about.output), example(about), check_trace=False)  # type: ignore[no-untyped-call]
        return torch.jit.freeze(traced)


def write_torch(traced: Any, path: Path, about: About) -> None:
    """A .pt file that `torch.jit.load` reads without seglight."""
    with quiet_tracing("torch"):
        torch.jit.save(traced, str(path), _extra_files={f"{KEY}.json": about.text().encode()})  # type: ignore[no-untyped-call]


# What writes a file of each format, its metadata in it, of what `traced_for` gives.
WRITERS: dict[str, Callable[[Any, Path, About], None]] = {
    "onnx": describe_onnx, "openvino": write_openvino, "torch": write_torch,
}  # fmt: skip


def traced_for(name: str, net: nn.Module, graph: Path, about: About) -> Any:
    """The network as a format's writer takes it: traced, or as the ONNX file `graph`, made where it is not there."""
    if name == "torch":
        return trace(net, about)
    if not graph.is_file():
        write_onnx(net, graph, about)
    return graph


def write_format(name: str, net: nn.Module, folder: Path, about: About) -> Path:
    """A network's file of a format, its metadata in it: `folder`/net.onnx, .xml or .pt; graph.onnx beside it serves
    the next format."""
    path = folder / f"net{ENDINGS[name]}"
    WRITERS[name](traced_for(name, net, folder / "graph.onnx", about), path, about)
    return path


@contextmanager
def quiet_tracing(name: str) -> Iterator[None]:
    """No gradients, no warnings of what the checks afterwards prove; torch's refusal as one line."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            yield
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"format={name}: torch cannot export this network: {one_line(error)}") from error
