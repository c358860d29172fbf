"""The learning rate at each step."""

from __future__ import annotations

import torch
from torch import nn

from seglight.schedule import WSD, Schedule


def rates(schedule: Schedule, total: int, steps: int) -> list[float]:
    """The rate at each of the steps, of a run that has `total`."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = schedule(optimizer, total_steps=total, steps_per_epoch=total)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_wsd_rises_stays_and_decays_at_the_end() -> None:
    schedule = WSD(warmup=2, warmup_start=0.0, decay=0.4)
    # 1 - sqrt(share of the decay): 0, 1/4, 1/2, 3/4 of four steps
    decay = [1.0, 0.5, 1 - 0.5**0.5, 1 - 0.75**0.5]
    torch.testing.assert_close(rates(schedule, 10, 10), [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, *decay])


def test_a_wsd_run_of_more_epochs_is_the_same_up_to_the_decay_of_the_shorter_one() -> None:
    schedule = WSD(warmup=2, decay=0.2)
    assert rates(schedule, 10, 8) == rates(schedule, 30, 8)
    assert rates(schedule, 30, 24)[8:] == [1.0] * 16
    assert rates(WSD(decay=0.0), 5, 5) == [1.0] * 5
