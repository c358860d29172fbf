"""Low-rank adapters (LoRA, Hu et al. 2022): a frozen weight plus a product of two small matrices that trains.

Own code in place of peft's: that one replaces layers, while the stages of an encoder, which freezing and rates act on,
hold the layers themselves. Here the weight of a layer becomes the sum (a parametrization of torch), whoever reads it: a
convolution that standardises its weight and an attention that goes round its layer's forward train the adapter, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from seglight.values import number, one_of, whole

KINDS = ("linear", "conv")


class LowRank(nn.Module):
    """`weight + alpha / rank * B @ A` of a weight [out, in, ...]; A [rank, in * ...], B [out, rank] is zero at first.

    Section 4.1. dropout: that share of A's columns is zero in a training step, the same ones for the whole batch.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float, dropout: float) -> None:
        super().__init__()
        self.scale, self.dropout = alpha / rank, dropout
        self.a = nn.Parameter(weight.new_empty(rank, weight[0].numel()))
        self.b = nn.Parameter(weight.new_zeros(len(weight), rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        product = self.scale * self.b @ self.a
        if self.training and self.dropout:
            product = product * F.dropout(product.new_ones(1, product.shape[1]), self.dropout)
        return weight + product.view_as(weight)


def layers_of(modules: Iterable[nn.Module], kinds: Iterable[str]) -> list[nn.Module]:
    """The linear layers and convolutions without groups among the parts of `modules`, each once."""
    found: dict[int, nn.Module] = {}
    for module in modules:
        for layer in module.modules():
            linear = isinstance(layer, nn.Linear) and "linear" in kinds
            if linear or (isinstance(layer, nn.Conv2d) and layer.groups == 1 and "conv" in kinds):
                found[id(layer)] = layer
    return list(found.values())


def check(rank: int, alpha: float, dropout: float, kinds: Iterable[str] | None) -> None:
    """ValueError names the first of these keys of `freeze` whose value cannot be."""
    whole("freeze.rank", rank)
    number("freeze.alpha", alpha, above=True)
    number("freeze.dropout", dropout, 0, 1, below=True)
    for kind in kinds or ():
        one_of("freeze.layers", kind, KINDS)


def adapt(modules: Iterable[nn.Module], rank: int, alpha: float, dropout: float, kinds: Iterable[str] | None) -> None:
    """Gives the layers of those kinds adapters; kinds None: linear ones where there are any, else convolutions."""
    check(rank, alpha, dropout, kinds)
    modules = list(modules)
    layers = layers_of(modules, kinds) if kinds else layers_of(modules, ["linear"]) or layers_of(modules, ["conv"])
    if not layers:
        raise ValueError(f"freeze.layers={list(kinds or KINDS)}: the encoder has no such layers")
    for layer in layers:
        adapter = LowRank(layer.weight.detach(), rank, alpha, dropout)  # type: ignore[operator,union-attr]
        parametrize.register_parametrization(layer, "weight", adapter)


@torch.no_grad()
def merge(net: nn.Module) -> None:
    """Every adapter becomes part of its layer's weight: the network computes the same without it."""
    net.eval()
    for layer in list(net.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
