"""Freeze policies: which parts of a network train in an epoch, and how fast. A function of the epoch alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from seglight.low_rank import LowRank, adapt, check
from seglight.values import number, one_of, whole

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
    """The encoder's stages from the input upwards, then what makes features of their maps, the decoder and the head.

    A network that has no encoder stages is one part, `net`, that counts as a decoder.
    """
    encoder: Any = getattr(net, "encoder", None)
    if encoder is None or not hasattr(encoder, "stages"):
        return [Part("net", net)]
    total = len(encoder.stages)
    stages = [Part(f"encoder.{i}", stage, i, total) for i, stage in enumerate(encoder.stages)]
    heads = {"pyramid": getattr(encoder, "pyramid", None)}
    heads |= {name: getattr(net, name, None) for name in ("decoder", "aux")}
    return stages + [Part(name, head, total, total) for name, head in heads.items() if head is not None]


@dataclass
class FreezePolicy:
    """What is frozen in each epoch; the functions below make the one of each `freeze` option.

    name: the option's, for messages.
    n: how many encoder stages nearest the input are frozen; -1 is all of them.
    every, start: from epoch `start` on, one stage thaws, the top one first, each `every` epochs (0: never).
    decay: learning rate factor per stage towards the input (Howard & Ruder 2018, ULMFiT, section 3.2).
    norms: normalisation layers keep their statistics, scale and shift, in the `encoder` or in the whole `net`.
    head_only: only the score layers train (Long et al. 2015, Table 2, FCN-32s-fixed).
    last: how many encoder stages nearest the decoder train, in place of `n`.
    tuned: what trains in frozen stages all the same: their `biases`, scale and shift of their `norms`, or `adapters`.
    adapters: low-rank ones that the encoder's layers get (`seglight.low_rank.adapt`).

    Raises ValueError where a number is not what its key takes.
    """

    name: str
    n: int = 0
    every: int = 0
    start: int = 0
    decay: float = 1.0
    norms: Literal["encoder", "net"] | None = None
    head_only: bool = False
    last: int | None = None
    tuned: Literal["biases", "norms", "adapters"] | None = None
    adapters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        whole("freeze.n", self.n, -1, "stages", " (-1: all)")
        whole("freeze.every", self.every, 0, "epochs")
        whole("freeze.start", self.start, 0, "epochs")
        number("freeze.decay", self.decay, 0, 1, above=True)
        if self.start and not self.every:
            raise ValueError("freeze.every=0: no stage would ever thaw; freeze=encoder keeps them all frozen")
        if self.norms is not None:
            one_of("freeze.norms", self.norms, ("encoder", "net"))

    def frozen_stages(self, epoch: int, total: int) -> int:
        """How many of the encoder's `total` stages are frozen in `epoch`, counted from the input."""
        if max(self.n, self.last or 0) > total:
            raise ValueError(f"freeze.n={max(self.n, self.last or 0)}: this encoder has {total} stages")
        frozen = total if self.n < 0 or self.head_only else self.n
        if self.last is not None:
            frozen = total - self.last
        thawed = (epoch - self.start) // self.every + 1 if self.every and epoch >= self.start else 0
        return max(frozen - thawed, 0)

    def lr_scale(self, part: Part) -> float:
        """The factor on the learning rate of a part."""
        return float(self.decay**part.depth)

    def first_epoch(self, part: Part) -> int:
        """The epoch in which a part starts to train."""
        if self.tuned:
            return 0
        frozen = part.total - self.last if self.last is not None else part.total if self.n < 0 else self.n
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
        if not stages and (self.n or self.last is not None or self.decay != 1):
            raise ValueError(f"freeze={self.name}: {type(net).__name__} has no encoder stages")
        if self.norms:
            frozen += [m for m in self.normalised(net).modules() if isinstance(m, NORMS)]
        return frozen

    def prepare(self, net: nn.Module) -> nn.Module:
        """The network with what the policy adds to it, before anything of it is trained or loaded."""
        if self.adapters:
            stages = [part.module for part in parts(net) if part.depth > 0]
            if not stages:
                raise ValueError(f"freeze={self.name}: {type(net).__name__} has no encoder stages")
            adapt(stages, **self.adapters)
        return net

    def tuned_in(self, module: nn.Module) -> list[nn.Parameter]:
        """The parameters of a frozen module that train all the same."""
        if self.tuned == "adapters":
            return [p for m in module.modules() if isinstance(m, LowRank) for p in m.parameters()]
        if self.tuned == "biases":
            return [p for name, p in module.named_parameters() if name.split(".")[-1] == "bias"]
        owners = [m for m in module.modules() if isinstance(m, NORMS)] if self.tuned == "norms" else []
        return [p for owner in owners for p in owner.parameters(recurse=False)]

    def normalised(self, net: nn.Module) -> nn.Module:
        """The part of the network whose normalisation layers are held."""
        if self.norms == "net":
            return net
        encoder = getattr(net, "encoder", None)
        if encoder is None:
            raise ValueError(
                f"freeze.norms=encoder: {type(net).__name__} has no encoder; freeze.norms=net holds all of its norms"
            )
        return encoder  # type: ignore[no-any-return]

    def apply(self, net: nn.Module, epoch: int) -> bool:
        """Puts the policy of `epoch` on the network; true where the set of training parameters changed."""
        frozen = self.frozen(net, epoch)
        off = {id(p) for module in frozen for p in module.parameters()}
        off -= {id(p) for module in frozen for p in self.tuned_in(module)}
        changed = False
        for parameter in net.parameters():
            trains = id(parameter) not in off
            changed |= parameter.requires_grad != trains
            parameter.requires_grad_(trains)
            if not trains:
                parameter.grad = None  # or the optimizer would step it once more
        hold_eval(net, self.held(frozen))
        return changed

    def held(self, frozen: list[nn.Module]) -> list[nn.Module]:
        """The modules to hold in eval mode: the frozen ones, without what adapters there are."""
        adapters = [a for module in frozen for a in module.modules() if isinstance(a, LowRank)]
        if not adapters:
            return frozen
        inside = {id(m) for adapter in adapters for m in adapter.modules()}
        alone = [m for module in frozen for m in module.modules() if id(m) not in inside]
        return [m for m in alone if not any(isinstance(c, LowRank) for c in m.modules())]


# The options of `freeze`: each takes the keys that it reads, and no others.


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
    layers: Sequence[Literal["linear", "conv"]] | None = None,
    name: str = "lora",
) -> FreezePolicy:
    """Of the encoder only low-rank adapters train (Hu et al. 2022), of its linear layers or, without any, its convs."""
    check(rank, alpha, dropout, layers)
    return FreezePolicy(
        name, n=-1, tuned="adapters", adapters={"rank": rank, "alpha": alpha, "dropout": dropout, "kinds": layers}
    )


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
