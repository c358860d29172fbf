"""What every adapter is, and the layers of an encoder that can have one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from torch import nn

Kind = Literal["linear", "conv"]
KINDS: tuple[Kind, ...] = ("linear", "conv")


class Adapter(nn.Module):
    """Parameters that a freeze policy added to a layer, as a child of it: they train where the layer is frozen."""


def adapters_in(modules: Iterable[nn.Module]) -> list[Adapter]:
    """The adapters among the parts of `modules`."""
    return [m for module in modules for m in module.modules() if isinstance(m, Adapter)]


def layers_of(encoder: Any, kinds: Iterable[str]) -> list[nn.Module]:
    """The linear layers and convolutions without groups of an encoder's stages, each once."""
    found: dict[int, nn.Module] = {}
    for stage in encoder.stages:
        for layer in stage.modules():
            linear = isinstance(layer, nn.Linear) and "linear" in kinds
            if linear or (isinstance(layer, nn.Conv2d) and layer.groups == 1 and "conv" in kinds):
                found[id(layer)] = layer
    return list(found.values())
