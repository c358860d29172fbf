"""Low-rank adapters (LoRA, Hu et al. 2022): a frozen weight plus a product of two small matrices that trains.

Own code in place of peft's: that one replaces layers, while the stages of an encoder, which freezing and rates act on,
hold the layers themselves. Here the weight of a layer becomes the sum (a parametrization of torch), whoever reads it: a
convolution that standardises its weight and an attention that goes round its layer's forward train the adapter, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from seglight.adapters.adapter import KINDS, Adapter, Kind, layers_of
from seglight.values import number, one_of, typed, whole


class LowRank(Adapter):
    """`weight + alpha / rank * B @ A` of a weight [out, in, ...]; A [rank, in * ...], B [out, rank] is zero at first.

    Section 4.1. dropout: that share of A's columns is zero in a training step. The authors' code drops inputs of A,
    anew for each token. A parametrization sees the weight and not its inputs: a column drops an input of all tokens.
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


@dataclass
class LowRankAdapters:
    """Gives an encoder's layers low-rank adapters; kinds None: its linear layers where it has any, else convolutions.

    ValueError names the key of `freeze` whose value cannot be.
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    kinds: Sequence[Kind] | None = None

    def __post_init__(self) -> None:
        whole("freeze.rank", self.rank)
        number("freeze.alpha", self.alpha, above=True)
        number("freeze.dropout", self.dropout, 0, 1, below=True)
        if self.kinds is not None and (
            isinstance(self.kinds, str) or not isinstance(self.kinds, Sequence) or not self.kinds
        ):
            raise ValueError(f"freeze.layers={typed(self.kinds)}: a list is needed, [linear], [conv] or both; or null")
        for kind in self.kinds or ():
            one_of("freeze.layers", kind, KINDS)

    def __call__(self, encoder: nn.Module) -> None:
        kinds = self.kinds
        layers = layers_of(encoder, kinds) if kinds else layers_of(encoder, ["linear"]) or layers_of(encoder, ["conv"])
        if not layers:
            name = getattr(encoder, "option", type(encoder).__name__)
            raise ValueError(f"freeze.layers={typed(kinds or KINDS)}: encoder={name} has no such layers")
        for layer in layers:
            weight: Any = layer.weight
            adapter = LowRank(weight.detach(), self.rank, self.alpha, self.dropout)
            parametrize.register_parametrization(layer, "weight", adapter)


@torch.no_grad()
def merge(net: nn.Module) -> None:
    """Every low-rank adapter becomes part of its layer's weight: the network computes the same without it."""
    net.eval()
    for layer in list(net.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight")
