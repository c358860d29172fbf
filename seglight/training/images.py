"""What a run's images themselves say, found before it begins and kept in its config: bands, range of values."""

from __future__ import annotations

import logging
from typing import Any

from seglight.config import build
from seglight.ranks.environment import started_by_others
from seglight.runs.run import Run
from seglight.training.settled import keep
from seglight.values import typed

log = logging.getLogger(__name__)


def settle(run: Run) -> None:
    """Writes the found values, and those that are made from them, into the run's config."""
    if "value_range" not in run.cfg.data:  # a data set whose images are all RGB of 8 bits
        return
    found: dict[str, Any] = build(run.cfg, "data").settled()
    if not found:
        return
    text = ", ".join(f"data.{key}={typed(value)}" for key, value in found.items())
    if started_by_others():
        raise ValueError(f"{text}: what the images say has to be given where torchrun or srun starts the ranks")
    keep(run, found)
    log.info("the images say: %s", text)
