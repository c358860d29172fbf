"""Bottleneck adapters (Houlsby et al. 2019): a small network behind a frozen layer, added to its output.

Shapes: C channels, * the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import gelu

from seglight.adapters.adapter import Adapter, layers_of
from seglight.values import whole


class Bottleneck(Adapter):
    """`x + up(gelu(down(x)))` of a layer's output; `up` is zero at first: it begins as the identity (section 2.1).

    Of linear layers [*, C]; of convolutions [*, C, H, W], by 1x1 ones. width: channels between, at most the layer's.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, width: int) -> None:
        super().__init__()
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(layer, nn.Linear):
            channels = layer.out_features
            width = min(width, channels)
            self.down, self.up = nn.Linear(channels, width), nn.Linear(width, channels)
        else:
            channels = layer.out_channels
            width = min(width, channels)
            self.down, self.up = nn.Conv2d(channels, width, 1), nn.Conv2d(width, channels, 1)
        for parameter in self.up.parameters():
            nn.init.zeros_(parameter)
        self.to(layer.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.up(gelu(self.down(x)))
        return x + y


@dataclass
class BottleneckAdapters:
    """Puts a bottleneck behind attention and behind the MLP of each block, before they are added to their input.

    An encoder without such blocks gets one behind every convolution without groups (Rebuffi et al. 2018, in series).
    """

    width: int = 32

    def __post_init__(self) -> None:
        whole("freeze.width", self.width)

    def __call__(self, encoder: nn.Module) -> None:
        layers: list[Any] = ends_of_branches(encoder) or layers_of(encoder, ["conv"])
        if not layers:
            raise ValueError(
                "freeze=adapter: the encoder has no attention, MLP or convolution to put an adapter behind"
            )
        for layer in layers:
            layer.add_module("adapter", Bottleneck(layer, self.width))
            layer.register_forward_hook(adapted)


def adapted(layer: Any, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    """The forward hook of a layer with an adapter."""
    return layer.adapter(output)  # type: ignore[no-any-return]


def ends_of_branches(encoder: nn.Module) -> list[nn.Module]:
    """The last linear layer of every module that has several, where it leads back to the width that the first takes.

    In a transformer these are attention's projection and the MLP's second layer, whatever their names.
    """
    linear = {id(layer) for layer in layers_of(encoder, ["linear"])}
    found: dict[int, nn.Module] = {}
    for module in encoder.modules():
        own: list[Any] = [child for child in module.children() if id(child) in linear]
        if len(own) > 1 and own[0].in_features == own[-1].out_features:
            found[id(own[-1])] = own[-1]
    return list(found.values())
