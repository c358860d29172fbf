"""What halving found against the whole grid: `python experiments/halving/replay.py GRID HALVED` writes replay.md.

GRID, HALVED: the folders of the two sweeps (multirun/halving/grid, multirun/halving/halving). Both have the same cells.
Cost is counted in epochs and in seconds of training; regret is the grid's best mIoU less the grid's mIoU of the cell
that halving names; Kendall's tau is between the scores after the first rung and those of the whole grid.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from scipy.stats import kendalltau

from seglight.runs.run import Run, sweep_runs
from seglight.sweeps.rungs import Rungs


def cell(run: Run) -> str:
    """What was typed for it, without the numbers of epochs that halving adds."""
    return " ".join(sorted(text for text in run.overrides if text.startswith(("skips=", "freeze=", "optim.lr="))))


def first_score(run: Run) -> float:
    with (run.path / "metrics.csv").open() as file:
        return next(float(row["val/miou"]) for row in csv.DictReader(file) if row["val/miou"])


def main() -> None:
    grid, halved = (sweep_runs(Path(folder)) for folder in sys.argv[1:3])
    full = {cell(run): run.summary["val/miou"] for run in grid}
    early = {cell(run): first_score(run) for run in halved}
    assert full.keys() == early.keys(), "the two sweeps have different cells"
    rungs = Rungs.of(Path(sys.argv[2]))
    assert rungs is not None
    last = [run for run in halved if run.path.name in rungs.jobs[-1]]
    named = max(last, key=lambda run: run.summary["val/miou"])
    epochs = [sum(run.summary["epochs"] for run in runs) for runs in (halved, grid)]
    seconds = [sum(run.summary["train_seconds"] for run in runs) for runs in (halved, grid)]
    best = max(full, key=lambda name: full[name])
    tau = kendalltau([early[name] for name in full], list(full.values()))
    place = sorted(full.values(), reverse=True).index(full[cell(named)]) + 1
    lines = [
        f"| of {len(full)} cells | |",
        "|---|---|",
        f"| epochs | {epochs[0]} of {epochs[1]} ({epochs[0] / epochs[1]:.0%}) |",
        f"| seconds of training | {seconds[0]:,.0f} of {seconds[1]:,.0f} ({seconds[0] / seconds[1]:.0%}) |",
        f"| best of the grid | {best}: {100 * full[best]:.1f} mIoU |",
        f"| halving names | {cell(named)}: {100 * full[cell(named)]:.1f} in the grid, place {place} |",
        f"| regret | {100 * (full[best] - full[cell(named)]):.2f} mIoU |",
        f"| rank after the first rung against the end | Kendall's tau {tau.statistic:.2f} (p = {tau.pvalue:.1g}) |",
    ]
    (Path(__file__).parent / "replay.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
