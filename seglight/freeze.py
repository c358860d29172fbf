"""Freeze policies: which parts of a network train in an epoch, and how fast. A function of the epoch alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)  # normalisation layers with something to train or to count
NEVER = 2**31  # the first epoch of a part that no epoch trains


@dataclass
class Part:
    """A piece of a network that freezes as one.

    index, total: which encoder stage of how many, from the input; the decoder and the heads are index == total.
    """

    name: str
    module: nn.Module
    index: int = 0
    total: int = 0

    @property
    def depth(self) -> int:
        """Steps below the decoder: the decoder 0, the top stage 1."""
        return self.total - self.index


def parts(net: nn.Module) -> list[Part]:
    """The encoder's stages from the input upwards, then the decoder and the auxiliary head.

    A network that has no encoder stages is one part, `net`, that counts as a decoder.
    """
    encoder: Any = getattr(net, "encoder", None)
    if encoder is None or not hasattr(encoder, "stages"):
        return [Part("net", net)]
    total = len(encoder.stages)
    stages = [Part(f"encoder.{i}", stage, i, total) for i, stage in enumerate(encoder.stages)]
    heads = {name: getattr(net, name, None) for name in ("decoder", "aux")}
    return stages + [Part(name, head, total, total) for name, head in heads.items() if head is not None]


@dataclass
class FreezePolicy:
    """The policy of a `freeze` option.

    n: how many encoder stages nearest the input are frozen; -1 is all of them.
    every, start: from epoch `start` on, one stage thaws, the top one first, each `every` epochs (0: never).
    decay: learning rate factor per stage towards the input (Howard & Ruder 2018, ULMFiT, section 3.2).
    norms: normalisation layers keep their statistics, scale and shift, in the `encoder` or in the whole `net`.
    head_only: only the score layers train (Long et al. 2015, Table 2, FCN-32s-fixed).
    """

    name: str
    n: int = 0
    every: int = 0
    start: int = 0
    decay: float = 1.0
    norms: Literal["encoder", "net"] | None = None
    head_only: bool = False

    def __post_init__(self) -> None:
        if self.n < -1 or self.every < 0 or self.start < 0 or not 0 < self.decay <= 1:
            raise ValueError(
                f"freeze={self.name}: n >= -1, every >= 0, start >= 0 and 0 < decay <= 1 are needed, got "
                f"n={self.n} every={self.every} start={self.start} decay={self.decay}"
            )
        if self.start and not self.every:
            raise ValueError(f"freeze={self.name}: freeze.every=0 never thaws a stage; freeze=encoder says so")
        if self.norms not in (None, "encoder", "net"):
            raise ValueError(f"freeze.norms={self.norms}: null, encoder or net")

    def frozen_stages(self, epoch: int, total: int) -> int:
        """How many of the encoder's `total` stages are frozen in `epoch`, counted from the input."""
        frozen = total if self.n < 0 or self.head_only else self.n
        if frozen > total:
            raise ValueError(f"freeze.n={frozen}: this encoder has {total} stages")
        thawed = (epoch - self.start) // self.every + 1 if self.every and epoch >= self.start else 0
        return max(frozen - thawed, 0)

    def lr_scale(self, part: Part) -> float:
        """The factor on the learning rate of a part."""
        return float(self.decay**part.depth)

    def first_epoch(self, part: Part) -> int:
        """The epoch in which a part starts to train."""
        frozen = part.total if self.n < 0 else self.n
        if part.index >= frozen:
            return 0
        return self.start + (frozen - 1 - part.index) * self.every if self.every else NEVER

    def frozen(self, net: nn.Module, epoch: int) -> list[nn.Module]:
        """The modules whose parameters, statistics and dropout are off in `epoch`."""
        if self.head_only:
            heads = head_modules(net)
            inside = {id(m) for head in heads for m in head.modules()}
            return [m for m in net.modules() if not any(id(c) in inside for c in m.modules())]
        stages = [part.module for part in parts(net) if part.depth > 0]
        frozen = stages[: self.frozen_stages(epoch, len(stages))] if stages else []
        if not stages and self.n:
            raise ValueError(f"freeze={self.name}: {type(net).__name__} has no encoder stages to freeze")
        if self.norms:
            scope = net if self.norms == "net" else net.encoder
            frozen += [m for m in scope.modules() if isinstance(m, NORMS)]  # type: ignore[union-attr]
        return frozen

    def apply(self, net: nn.Module, epoch: int) -> bool:
        """Puts the policy of `epoch` on the network; true where the set of training parameters changed."""
        frozen = self.frozen(net, epoch)
        off = {id(p) for module in frozen for p in module.parameters()}
        changed = False
        for parameter in net.parameters():
            trains = id(parameter) not in off
            changed |= parameter.requires_grad != trains
            parameter.requires_grad_(trains)
            if not trains:
                parameter.grad = None  # or the optimizer would step it once more
        hold_eval(net, frozen)
        return changed


def head_modules(net: Any) -> list[nn.Module]:
    """The score layers, as the network names them."""
    if not hasattr(net, "head_modules"):
        raise ValueError(f"freeze=head_only: {type(net).__name__} does not name its score layers (head_modules)")
    return list(net.head_modules())


def hold_eval(net: Any, modules: Iterable[nn.Module]) -> None:
    """Those modules stay in eval mode whatever train() says, where the network can hold them; now in any case."""
    if hasattr(net, "hold_eval"):
        net.hold_eval(modules)
    net.train(net.training)
