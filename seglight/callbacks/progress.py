"""What a person sees while a run trains: a progress bar, a line an epoch, a table of classes at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import RichProgressBar
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from seglight.callbacks.learning import Learning

log = logging.getLogger(__name__)


def terminal_bar(cfg: DictConfig) -> list[L.Callback]:
    """Rich's bar on a terminal; in a file or a pipe the epoch lines say enough."""
    return [RichProgressBar(leave=False)] if cfg.trainer.enable_progress_bar and sys.stdout.isatty() else []


class EpochLines(L.Callback):
    """One line in the log for each evaluation; `train/loss` is the mean over the epoch so far."""

    def __init__(self, learning: Learning) -> None:
        self.learning = learning

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        mean = self.learning.mean(pl_module.device)  # all ranks take part
        if not trainer.is_global_zero:
            return
        by_steps = 0 < trainer.max_steps <= trainer.estimated_stepping_batches  # what ends the run
        log.info(
            "epoch %d%s  step %d%s  lr %.2g  train/loss %.4f  val/loss %.4f  val/miou %.4f  val/pixel_acc %.4f",
            trainer.current_epoch + 1,
            "" if by_steps or not trainer.max_epochs or trainer.max_epochs < 0 else f"/{trainer.max_epochs}",
            trainer.global_step,
            f"/{trainer.max_steps}" if by_steps else "",
            self.learning.rate,
            mean,
            float(pl_module.val_loss.compute()),
            pl_module.scores["val/miou"],
            pl_module.scores["val/pixel_acc"],
        )


def print_class_table(rows: Sequence[dict[str, Any]], scores: dict[str, float]) -> None:
    """The per-class table, its means below."""
    table = Table(title=f"mIoU {scores['val/miou']:.4f}   pixel accuracy {scores['val/pixel_acc']:.4f}")
    table.add_column("class")
    for column in ("IoU", "accuracy", "precision", "pixels"):
        table.add_column(column, justify="right")
    for row in rows:
        values = [row["iou"], row["accuracy"], row["precision"]]
        table.add_row(str(row["class"]), *("-" if v != v else f"{v:.4f}" for v in values), f"{row['pixels']:,}")
    Console().print(table)
    there = [row["class"] for row in rows if row["pixels"]]
    if len(there) == 1:
        log.warning(
            "%s is the only class in this split: its scores say nothing of how classes are told apart", there[0]
        )
