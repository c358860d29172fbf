"""Low-rank adapters (LoRA, Hu et al. 2022): a frozen layer plus a product of two small matrices that trains.

Own code in place of peft's: that one replaces the layers, and the stages of an encoder, which freezing and rates act
on, hold the layers themselves. Here a layer stays where it is and has its adapter as a part named `lora`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from seglight.values import number, one_of, whole

NAME = "lora"  # of the part in a layer
KINDS = ("linear", "conv")


class LowRank(nn.Module):
    """`alpha / rank * B(A(dropout(x)))` beside a linear layer or a convolution without groups; zero at first.

    Section 4.1. A is as the layer but for its `rank` outputs (a convolution's kernel, stride and padding are its
    own), B is 1x1.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.scale, self.dropout = alpha / rank, nn.Dropout(dropout)
        if isinstance(layer, nn.Linear):
            self.a: nn.Module = nn.Linear(layer.in_features, rank, bias=False)
            self.b: nn.Module = nn.Linear(rank, layer.out_features, bias=False)
        else:
            form = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
            kernel = (layer.kernel_size[0], layer.kernel_size[1])
            self.a = nn.Conv2d(layer.in_channels, rank, kernel, bias=False, **form)  # type: ignore[arg-type]
            self.b = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        nn.init.kaiming_uniform_(self.a.weight, a=math.sqrt(5))  # type: ignore[arg-type]
        nn.init.zeros_(self.b.weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.b(self.a(self.dropout(x)))  # type: ignore[no-any-return]

    def product(self, layer: nn.Module) -> Tensor:
        """What the adapter adds to the layer's weight, in its shape."""
        a, b = self.a.weight.flatten(1), self.b.weight.flatten(1)  # type: ignore[operator,union-attr]
        return (self.scale * b @ a).view_as(layer.weight)  # type: ignore[arg-type]


def adapted(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """The forward hook of a layer with an adapter."""
    return output + getattr(layer, NAME)(inputs[0])  # type: ignore[no-any-return]


def layers_of(modules: Iterable[nn.Module], kinds: Iterable[str]) -> list[nn.Linear | nn.Conv2d]:
    """The linear layers and convolutions without groups among the parts of `modules`, each once."""
    found: dict[int, nn.Linear | nn.Conv2d] = {}
    for module in modules:
        for layer in module.modules():
            linear = isinstance(layer, nn.Linear) and "linear" in kinds
            if linear or (isinstance(layer, nn.Conv2d) and layer.groups == 1 and "conv" in kinds):
                found[id(layer)] = layer  # type: ignore[assignment]
    return list(found.values())


def adapt(modules: Iterable[nn.Module], rank: int, alpha: float, dropout: float, kinds: Iterable[str] | None) -> None:
    """Gives the layers of those kinds adapters; kinds None: linear ones where there are any, else convolutions."""
    modules = list(modules)
    for kind in kinds or ():
        one_of("freeze.layers", kind, KINDS)
    whole("freeze.rank", rank)
    number("freeze.alpha", alpha, above=True)
    number("freeze.dropout", dropout, 0, 1, below=True)
    layers = layers_of(modules, kinds) if kinds else layers_of(modules, ["linear"]) or layers_of(modules, ["conv"])
    if not layers:
        raise ValueError(f"freeze.layers={list(kinds or KINDS)}: the encoder has no such layers")
    for layer in layers:
        layer.add_module(NAME, LowRank(layer, rank, alpha, dropout).to(layer.weight))
        layer.register_forward_hook(adapted)


@torch.no_grad()
def merge(net: nn.Module) -> None:
    """Adds every adapter to its layer's weight and takes it away: the network computes the same without it."""
    for layer in list(net.modules()):
        adapter = getattr(layer, NAME, None)
        if isinstance(adapter, LowRank):
            layer.weight += adapter.product(layer)  # type: ignore[operator,assignment]
            delattr(layer, NAME)
            for key, hook in list(layer._forward_hooks.items()):
                if hook is adapted:
                    del layer._forward_hooks[key]
