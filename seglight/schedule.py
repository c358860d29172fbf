"""Learning rate schedules: a factor on each group's rate, per optimizer step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from seglight.values import number, whole


def share_of_run(step: float, total_steps: float, clock: Callable[[], float]) -> float:
    """How far a run is, 0 to 1: its share of `total_steps` (infinite: unknown), or of its time by `clock` if larger."""
    return min(max(step / max(total_steps, 1), clock()), 1.0)


@dataclass
class Schedule:
    """Constant, after a linear warm-up of `warmup` steps that each group begins when it starts to train."""

    warmup: int = 0
    warmup_start: float = 0.1

    def __post_init__(self) -> None:
        whole("schedule.warmup", self.warmup, 0, "steps")
        number("schedule.warmup_start", self.warmup_start, 0, 1)

    def factor(self, progress: float) -> float:
        """The factor at a share of the run, 0 <= progress < 1."""
        return 1.0

    def __call__(
        self,
        optimizer: Optimizer,
        total_steps: float,
        steps_per_epoch: int,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> LambdaLR:
        """The scheduler to step after each optimizer step; it knows groups' `first_epoch`. See `share_of_run`."""

        def of_group(first_step: int) -> object:
            def factor(step: int) -> float:
                trained = step - first_step
                warm = 1.0
                if 0 <= trained < self.warmup:
                    warm = self.warmup_start + (1 - self.warmup_start) * trained / self.warmup
                return warm * self.factor(share_of_run(step, total_steps, clock))

            return factor

        starts = [group.get("first_epoch", 0) * steps_per_epoch for group in optimizer.param_groups]
        return LambdaLR(optimizer, [of_group(start) for start in starts])  # type: ignore[arg-type,misc]


@dataclass
class Poly(Schedule):
    """(1 - progress) ** power (Chen et al. 2017, DeepLab, section 4.1; torchvision's reference with power 0.9)."""

    power: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        number("schedule.power", self.power)

    def factor(self, progress: float) -> float:
        return float((1.0 - progress) ** self.power)


@dataclass
class OneCycle(Schedule):
    """Up from 1/div to 1 over `pct_start` of the run, down to 1/final_div, both cosine (Smith & Topin 2018)."""

    pct_start: float = 0.25
    div: float = 25.0
    final_div: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        number("schedule.pct_start", self.pct_start, 0, 1)
        number("schedule.div", self.div, 1)
        number("schedule.final_div", self.final_div, 1)

    def factor(self, progress: float) -> float:
        def cosine(start: float, end: float, share: float) -> float:
            return end + (start - end) * (1 + math.cos(math.pi * share)) / 2

        if progress < self.pct_start:
            return cosine(1 / self.div, 1.0, progress / self.pct_start)
        return cosine(1.0, 1 / self.final_div, (progress - self.pct_start) / max(1 - self.pct_start, 1e-9))


@dataclass
class WSD(Schedule):
    """Warm-up, stable, decay: 1, and over the last `decay` of the run 1 - sqrt(its share) down to 0.

    Hu et al. 2024 (MiniCPM), section 4; the decay's shape: Hägele et al. 2024, section 3. A run that goes on with more
    epochs goes on at 1, from its decayed weights (WSD-S: Wen et al. 2024, section 4).
    """

    decay: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        number("schedule.decay", self.decay, 0, 1)

    def factor(self, progress: float) -> float:
        left = 1.0 - progress
        return 1.0 if left >= self.decay else 1.0 - math.sqrt(1.0 - left / self.decay)
