"""A freeze policy: which parts of a network train in an epoch, and how fast. A function of the epoch alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from seglight.adapters.adapter import adapters_in
from seglight.parts import Part, head_modules, hold_eval, is_bias, is_norm, parts
from seglight.values import number, one_of, whole

NEVER = 2**31  # the first epoch of a part that no epoch trains


@dataclass
class FreezePolicy:
    """What is frozen in each epoch; `seglight.freeze` makes the one of each `freeze` option.

    name: the option's, for messages.
    n: how many encoder stages nearest the input are frozen; -1 is all of them.
    every, start: from epoch `start` on, one stage thaws, the top one first, each `every` epochs (0: never).
    decay: learning rate factor per stage towards the input (Howard & Ruder 2018, ULMFiT, section 3.2).
    norms: normalisation layers keep their statistics, scale and shift, in the `encoder` or in the whole `net`.
    head_only: only the score layers train (Long et al. 2015, Table 2, FCN-32s-fixed).
    last: how many encoder stages nearest the decoder train, in place of `n`.
    tuned: what trains in frozen stages all the same: their `biases`, scale and shift of their `norms`, or `adapters`.
    adapters: gives the encoder's layers those that train (`seglight.adapters`).

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
    adapters: Callable[[nn.Module], None] | None = None

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
        return part.slowed(self.decay)

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
            frozen += [m for m in self.normalised(net).modules() if is_norm(m)]
        return frozen

    def prepare(self, net: nn.Module) -> nn.Module:
        """The network with what the policy adds to it, before anything of it is trained or loaded.

        ValueError where the encoder has nothing of what the policy trains.
        """
        if self.tuned:
            encoder: Any = getattr(net, "encoder", None)
            if not hasattr(encoder, "stages"):
                raise ValueError(f"freeze={self.name}: {type(net).__name__} has no encoder stages")
            if self.adapters:
                self.adapters(encoder)
            if not any(self.tuned_in(stage) for stage in encoder.stages):
                option = getattr(encoder, "option", type(encoder).__name__)
                raise ValueError(
                    f"freeze={self.name}: encoder={option} has no {self.tuned} that could train; "
                    "freeze=encoder trains the decoder alone"
                )
        return net

    def tuned_in(self, module: nn.Module) -> list[nn.Parameter]:
        """The parameters of a frozen module that train all the same."""
        if self.tuned == "adapters":
            return [p for adapter in adapters_in([module]) for p in adapter.parameters()]
        if self.tuned == "biases":
            return [p for name, p in module.named_parameters() if is_bias(name)]
        owners = [m for m in module.modules() if is_norm(m)] if self.tuned == "norms" else []
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
        adapters = adapters_in(frozen)
        if not adapters:
            return frozen
        inside = {id(m) for adapter in adapters for m in adapter.modules()}
        alone = [m for module in frozen for m in module.modules() if id(m) not in inside]
        return [m for m in alone if not adapters_in([m])]
