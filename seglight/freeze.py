"""The options of `freeze`: each takes the keys that it reads, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from seglight.adapters.adapter import Kind
from seglight.adapters.bottleneck import BottleneckAdapters
from seglight.adapters.low_rank import LowRankAdapters
from seglight.freeze_policy import FreezePolicy
from seglight.values import one_of, whole


def none(name: str = "none") -> FreezePolicy:
    """Everything trains."""
    return FreezePolicy(name)


def encoder(name: str = "encoder") -> FreezePolicy:
    """Only the decoder trains."""
    return FreezePolicy(name, n=-1)


def stages(n: int = 2, name: str = "stages") -> FreezePolicy:
    """All but the `n` stages nearest the input train."""
    return FreezePolicy(name, n=n)


def last_blocks(n: int = 2, name: str = "last_blocks") -> FreezePolicy:
    """Of the encoder the `n` stages nearest the decoder train: a transformer's last blocks."""
    return FreezePolicy(name, last=whole("freeze.n", n, 0, "stages"))


def bitfit(name: str = "bitfit") -> FreezePolicy:
    """Of the encoder only the biases train (Ben Zaken et al. 2022)."""
    return FreezePolicy(name, n=-1, tuned="biases")


def norm_affine(name: str = "norm_affine") -> FreezePolicy:
    """Of the encoder only scale and shift of the norms train, their statistics held (Frankle et al. 2021)."""
    return FreezePolicy(name, n=-1, tuned="norms")


def lora(
    rank: int = 8,
    alpha: float = 16.0,
    dropout: float = 0.0,
    layers: Sequence[Kind] | None = None,
    name: str = "lora",
) -> FreezePolicy:
    """Of the encoder only low-rank adapters train (Hu et al. 2022), of its linear layers or, without any, its convs."""
    return FreezePolicy(name, n=-1, tuned="adapters", adapters=LowRankAdapters(rank, alpha, dropout, layers))


def adapter(width: int = 32, name: str = "adapter") -> FreezePolicy:
    """Of the encoder only bottlenecks train that its blocks get (Houlsby et al. 2019)."""
    return FreezePolicy(name, n=-1, tuned="adapters", adapters=BottleneckAdapters(width))


def norms(norms: Literal["encoder", "net"] = "net", name: str = "norms") -> FreezePolicy:
    """Everything but normalisation layers trains."""
    one_of("freeze.norms", norms, ("encoder", "net"))
    return FreezePolicy(name, norms=norms)


def head_only(name: str = "head_only") -> FreezePolicy:
    """Only the score layers train."""
    return FreezePolicy(name, head_only=True)


def gradual(start: int = 1, every: int = 1, n: int = -1, name: str = "gradual") -> FreezePolicy:
    """The `n` frozen stages thaw from the top: the first in epoch `start`, then one each `every` epochs."""
    return gradual_discriminative(start, every, n, 1.0, name)


def discriminative(decay: float = 0.5, name: str = "discriminative") -> FreezePolicy:
    """Everything trains, `decay` times slower with each stage towards the input."""
    return FreezePolicy(name, decay=decay)


def gradual_discriminative(
    start: int = 1, every: int = 1, n: int = -1, decay: float = 0.5, name: str = "gradual_discriminative"
) -> FreezePolicy:
    """`gradual` and `discriminative` together."""
    whole("freeze.every", every, 1, "epochs")
    return FreezePolicy(name, n, every, start, decay)
