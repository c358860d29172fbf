"""What a sweep says when it ends: a table of its jobs, and exit code 1 where one failed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class SweepReport(Callback):
    """Prints every job with its overrides, status, score and time; Hydra calls it."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        from rich.console import Console
        from rich.table import Table

        from seglight.runs import sweep_runs

        folder = Path(config.hydra.sweep.dir)
        runs = sweep_runs(folder)
        table = Table(title=f"{len(runs)} jobs in {folder}")
        for column in ("job", "overrides", "status", "val/miou", "seconds"):
            table.add_column(column, justify="right" if column in ("val/miou", "seconds") else "left", overflow="fold")
        failed = 0
        for run in runs:
            summary = run.summary
            failed += summary["status"] != "completed"
            score, seconds = summary.get("val/miou"), summary.get("train_seconds")
            table.add_row(
                run.path.name,
                " ".join(run.overrides),
                summary["status"],
                "-" if score is None or score != score else f"{score:.4f}",
                "-" if seconds is None else f"{seconds:.1f}",
            )
        Console().print(table)
        if failed:
            print(f"{failed} of {len(runs)} jobs failed: their folders' train.log says why")
        print(f"sweep: {folder}")
        if failed:
            sys.stdout.flush()
            sys.exit(1)
