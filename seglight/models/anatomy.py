"""A network's parts in numbers: maps, receptive fields, parameters and operations, without running it.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seglight.models.encoder_decoder import EncoderDecoder
from seglight.models.geometry import Field, FieldTracer, on_meta


@dataclass
class Part:
    """A stage of the encoder or a layer of the decoder. output: the shape of its map; where: its field on the image."""

    name: str
    modules: list[nn.Module]
    output: tuple[int, ...] | None = None
    where: Field | None = None
    gflops: float = 0.0
    trainable: int = field(init=False)
    frozen: int = field(init=False)

    def __post_init__(self) -> None:
        parameters = {id(p): p for module in self.modules for p in module.parameters()}.values()
        self.trainable = sum(p.numel() for p in parameters if p.requires_grad)
        self.frozen = sum(p.numel() for p in parameters) - self.trainable
        self.frozen += sum(getattr(m, "dense_size", 0) for module in self.modules for m in module.modules())


def anatomy(net: EncoderDecoder, size: tuple[int, int]) -> list[Part]:
    """The parts in the order they run, for an image of `size`; GFLOPs are torch's counter's (2 a multiply-add)."""
    stages = [Part(f"encoder.{i}", [stage]) for i, stage in enumerate(net.encoder.stages)]
    staged = {id(m) for stage in net.encoder.stages for m in stage.modules()}
    layers = [  # such as the pyramid over a transformer's blocks
        Part(f"encoder.{name}", [child])
        for name, child in net.encoder.named_children()
        if any(True for _ in child.parameters()) and not staged & {id(m) for m in child.modules()}
    ]
    layers += [Part(f"decoder.{name}", [layer]) for name, layer in children(net.decoder)]
    if net.aux is not None:
        layers.append(Part("aux", [net.aux]))
    image = torch.empty(1, net.encoder.normalize.channels, *size, device="meta")
    training = net.training
    with torch.no_grad(), FlopCounterMode(display=False) as counter, FieldTracer(image) as tracer:

        def record(part: Part, x: Any) -> None:
            if isinstance(x, Tensor):
                part.output, part.where = tuple(x.shape[1:]), tracer.fields.get(x)

        run = net.encoder.run

        def watched(x: Tensor) -> list[Tensor]:
            maps = run(x)
            for stage, y in zip(stages, maps, strict=True):
                record(stage, y)
            return maps

        hooks = [p.modules[0].register_forward_hook(lambda _m, _i, x, p=p: record(p, x)) for p in layers]
        net.encoder.run = watched  # type: ignore[method-assign]
        try:
            on_meta(net.eval(), image)
        finally:
            del net.encoder.run
            net.train(training)
            for hook in hooks:
                hook.remove()
    # The traced rows count from the image as the encoder got it, and know nothing of declared offsets.
    declared, traced = net.encoder.stage_offsets[-1], stages[-1].where
    parts = stages + layers
    for part in parts:
        if part.where and traced:
            part.where = replace(part.where, offset=part.where.offset + declared - traced.offset)
    for stage, offset in zip(stages, net.encoder.stage_offsets, strict=True):
        if stage.where:
            stage.where = replace(stage.where, offset=offset)
    for part in layers:
        if part.where and part.output and len(part.output) == 3 and math.isinf(part.where.size):
            stride = size[0] / part.output[1]
            if not 0.5 < part.where.stride / stride < 2:  # globally pooled maps in it, stretched again, led astray
                part.where = replace(part.where, stride=stride, offset=math.nan)
    for part, flops in attributed(net, parts, counter):
        part.gflops += flops / 1e9
    return parts


def gflops(net: EncoderDecoder, size: tuple[int, int]) -> float:
    """GFLOPs of the whole network for an image of `size`: what those of its parts add up to."""
    image, training = torch.empty(1, net.encoder.normalize.channels, *size, device="meta"), net.training
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            on_meta(net.eval(), image)
    finally:
        net.train(training)
    return float(counter.get_total_flops() / 1e9)


def children(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The layers of a decoder, one level into its lists and dictionaries."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from children(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def attributed(net: nn.Module, parts: list[Part], counter: FlopCounterMode) -> Iterator[tuple[Part, int]]:
    """What each module itself computes, with its part, or that of its first descendant in one."""
    owner = {id(m): part for part in parts for module in part.modules for m in module.modules()}
    counts = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}

    def inside(key: str, module: nn.Module) -> int:
        """What a module's children compute; containers that are never called are not counted themselves."""
        keys = [(f"{key}.{name}", child) for name, child in module.named_children()]
        return sum(counts[k] if k in counts else inside(k, child) for k, child in keys)

    for name, module in net.named_modules():
        key = f"{type(net).__name__}.{name}".removesuffix(".")
        part = next((owner[id(m)] for m in module.modules() if id(m) in owner), None)
        if part is not None and key in counts:
            yield part, counts[key] - inside(key, module)
