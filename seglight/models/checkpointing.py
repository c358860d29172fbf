"""Gradient checkpointing (Chen et al. 2016): a block keeps its input alone, and runs again on the way back.

Slower by about one forward pass, in less memory; the gradients are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def block_by_block(stage: nn.Module, x: Tensor) -> Tensor:
    """What `stage` gives for `x`: each of its blocks runs again on the way back, with the same dropout."""
    for segment in segments(stage):
        x = checkpoint(through, segment, x, use_reentrant=False)
    return x


def through(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    return reduce(lambda y, layer: layer(y), layers, x)


def segments(stage: nn.Module) -> Iterator[list[nn.Module]]:
    """The blocks of a stage, one by one, and the layers in between together."""
    between: list[nn.Module] = []
    for layer in layers_of(stage):
        if isinstance(layer, nn.Conv2d) or not list(layer.children()):
            between.append(layer)
            continue
        if between:
            yield between
        yield [layer]
        between = []
    if between:
        yield between


def layers_of(module: nn.Module) -> Iterator[nn.Module]:
    """What runs one after the other inside nested sequences."""
    if type(module).forward is nn.Sequential.forward:
        for child in module.children():
            yield from layers_of(child)
    else:
        yield module


def count_once(module: nn.Module) -> None:
    """Norms update their running statistics in the first pass alone, not in what runs again on the way back."""
    for norm in module.modules():
        if isinstance(norm, _NormBase) and set_aside not in norm._forward_pre_hooks.values():
            norm.register_forward_pre_hook(set_aside)
            norm.register_forward_hook(put_back, always_call=True)  # torch ends the second pass by an exception


def set_aside(norm: Any, inputs: Any) -> None:
    """A forward pre-hook: on the way back copies of the statistics take their place."""
    if norm.training and torch._C._current_graph_task_id() != -1:
        norm.first_pass = dict(norm._buffers)
        norm._buffers.update({name: None if x is None else x.clone() for name, x in norm._buffers.items()})


def put_back(norm: Any, inputs: Any, output: Any) -> None:
    """A forward hook: the statistics themselves again."""
    norm._buffers.update(norm.__dict__.pop("first_pass", {}))
