"""curves.png: what metrics.csv holds, drawn when a run ends, however it does."""

from __future__ import annotations

import logging
from typing import Any

import lightning as L

from seglight.results.curves import draw_curves
from seglight.runs.run import Run

log = logging.getLogger(__name__)


class Curves(L.Callback):
    """Comes after the callbacks that save a stopped run. A picture that cannot be written is logged, and no more."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def on_fit_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.draw(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: Any, exception: BaseException) -> None:
        self.draw(trainer)

    def draw(self, trainer: L.Trainer) -> None:
        """Rank 0 draws, once the loggers have written what they hold."""
        if not trainer.is_global_zero:
            return
        try:
            for logger in trainer.loggers:
                logger.save()
            draw_curves(self.run.path / "metrics.csv", self.run.path / "curves.png")
        except OSError as error:
            log.error("curves.png could not be drawn: %s", error)
