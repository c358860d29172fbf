"""What a sweep says when it ends: a table of its jobs, how to rerun those that failed; exit code 1 where one did."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class SweepReport(Callback):
    """Prints the table when a sweep has ended; Hydra calls it."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        if print_report(Path(config.hydra.sweep.dir)):
            sys.stdout.flush()
            sys.exit(1)


def print_report(folder: Path) -> int:
    """Every job with what sets it apart, status, score and time; returns how many are not done."""
    from rich.console import Console
    from rich.table import Table

    from seglight.runs.run import DONE, sweep_runs

    runs = sweep_runs(folder)
    shared = set.intersection(*(set(run.overrides) for run in runs)) if len(runs) > 1 else set()
    table = Table(title=f"{len(runs)} jobs in {folder}")
    for column in ("job", "overrides", "status", "val/miou", "seconds"):
        table.add_column(column, justify="right" if column in ("val/miou", "seconds") else "left", overflow="fold")
    missed = 0
    for run in runs:
        summary = run.summary
        missed += summary["status"] not in DONE
        score, seconds = summary.get("val/miou"), summary.get("train_seconds")
        table.add_row(
            run.path.name,
            " ".join(o for o in run.overrides if o not in shared and not o.startswith("trial=")),
            summary["status"],
            "-" if score is None or score != score else f"{score:.4f}",
            "-" if seconds is None else f"{seconds:.1f}",
        )
    Console().print(table)
    if shared:
        print("all:", " ".join(o for o in runs[0].overrides if o in shared))
    if missed:
        print(f"{missed} of {len(runs)} jobs failed or did not end: their folders' train.log says why. To rerun them:")
        print(f"python -m seglight.train resume_sweep={folder}")
    print(f"sweep: {folder}")
    return missed
