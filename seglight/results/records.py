"""A comparison as files: compare.csv with a row a run, compare.json with every number of the page."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seglight.results.costs import COSTS, pareto
from seglight.results.effects import Effect
from seglight.results.error_kinds import KINDS
from seglight.results.estimate import LEVEL
from seglight.results.resampling import SCORES
from seglight.runs.atomic import written_whole

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison


def write_records(comparison: Comparison, numbers: dict[str, Any], folder: Path) -> None:
    """Both files, each whole or not at all."""
    table = rows(comparison)
    with written_whole(folder / "compare.csv") as file:
        writer = csv.DictWriter(file, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    with written_whole(folder / "compare.json") as file:
        file.write(json.dumps(numbers, indent=1, allow_nan=False) + "\n")


def rows(c: Comparison) -> list[dict[str, Any]]:
    """A row a run, best cell first. Intervals of a run cover the images alone."""
    table, best = [], set(c.best)
    intervals, axes = c.intervals(), list(c.cells[0].axes)
    for cell in c.order:
        for at in c.cells[cell].runs:
            run, scores = c.runs[at], intervals[at]
            table.append({
                "run": run.name,
                "cell": c.cells[cell].name,
                "seed": run.seed,
                "best": run.name in best,
                **{axis: c.cells[cell].axes[axis] for axis in axes},
                **{k: v for name in SCORES for k, v in bounds(name, scores[name]).items()},
                **{cost: c.costs[at].get(cost) for cost in COSTS},
                **{f"wrong/{kind}": share for kind, share in zip(KINDS, c.wrong[at].tolist(), strict=True)},
                **{f"iou/{name}": scores[f"iou/{name}"]["value"] for name in c.classes},
                "path": str(run.run.path),
            })  # fmt: skip
    return table


def bounds(name: str, three: dict[str, float | None]) -> dict[str, float | None]:
    return {name: three["value"], f"{name}_low": three["low"], f"{name}_high": three["high"]}


def record(c: Comparison) -> dict[str, Any]:
    """What compare.json holds."""
    intervals, members = c.intervals(), set(c.ranking[0])
    lows, highs = c.estimate.interval()
    cell_of = {at: cell for cell in c.cells for at in cell.runs}
    runs = [
        {
            "name": run.name,
            "path": str(run.run.path),
            "cell": cell_of[at].name,
            "seed": run.seed,
            "axes": {**{str(k): str(v) for k, v in (run.config.get("axes") or {}).items()}, **cell_of[at].axes},
            "scores": intervals[at],
            "costs": c.costs[at],
            "wrong": dict(zip(KINDS, c.wrong[at].tolist(), strict=True)),
        }
        for at, run in enumerate(c.runs)
    ]
    cells = [cell_record(c, at, at in members, float(lows[at]), float(highs[at])) for at in c.order]
    return {
        "score": c.score,
        "level": LEVEL,
        "resamples": len(c.resampled.overall["miou"]),
        "evaluations": [counts.evaluation for counts in c.runs[0].counts],
        "images": len(c.runs[0].names),
        "classes": c.classes,
        "intervals_cover": c.estimate.covers,
        "seed_sd": c.estimate.seed_sd,
        "seed_degrees_of_freedom": c.estimate.freedom,
        "verdict": c.verdict,
        "best": c.best,
        "runs": runs,
        "cells": cells,
        "beaten": [
            {
                "cell": c.cells[b.cell].name, "by": c.cells[b.winner].name,
                "value": b.difference, "low": b.low, "high": b.high,
            }
            for b in c.ranking[1]
        ],
        "effects": [effect_record(c, effect) for effect in c.effects],
        "interactions": [effect_record(c, effect) for effect in c.interactions],
        "learning_curves": [
            {
                "axis": curve.axis, "name": curve.name, "cells": [c.cells[at].name for at in curve.cells],
                "sizes": curve.sizes, "doubled": {"value": curve.doubled, "low": curve.low, "high": curve.high},
            }
            for curve in c.learning_curves
        ],
        "pareto": {cost: front(c, cost) for cost in COSTS if front(c, cost)},
        "notes": c.notes,
    }  # fmt: skip


def cell_record(c: Comparison, at: int, best: bool, low: float, high: float) -> dict[str, Any]:
    """A cell: its score over all seeds, what seeds do to it, its costs, the IoU of its classes."""
    from scipy.stats import trim_mean

    cell, of_runs = c.cells[at], c.values(c.score)[0][c.cells[at].runs]
    several = len(cell.runs) > 1
    costs = {cost: value for cost in COSTS if (value := c.cell_cost(at, cost)) is not None}
    return {
        "name": cell.name,
        "axes": cell.axes,
        "runs": [c.runs[run].name for run in cell.runs],
        "best": best,
        "seeds": len(cell.runs),
        "score": {"value": float(c.estimate.value[at]), "low": low, "high": high},
        "seed_sd": finite(float(of_runs.std(ddof=1))) if several else None,
        "interquartile_mean": finite(float(trim_mean(of_runs, 0.25))) if several else None,
        "costs": costs,
        "wrong": dict(zip(KINDS, c.wrong[cell.runs].mean(0).tolist(), strict=True)),
        "iou": {n: finite(v) for n, v in zip(c.classes, c.scores.iou[cell.runs].mean(0).tolist(), strict=True)},
    }


def effect_record(c: Comparison, effect: Effect) -> dict[str, Any]:
    contrast = effect.contrast
    kinds = contrast.weights @ c.of_cells(c.wrong)
    classes = contrast.weights @ np.nan_to_num(c.of_cells(c.scores.iou))
    return {
        "axes": list(contrast.axes),
        "levels": [list(pair) for pair in contrast.levels],
        "pairs": len(contrast.pairs),
        "value": effect.value,
        "low": effect.low,
        "high": effect.high,
        "clear": effect.clear,
        "wrong": dict(zip(KINDS, kinds.tolist(), strict=True)),
        "iou": dict(zip(c.classes, classes.tolist(), strict=True)),
    }


def front(c: Comparison, cost: str) -> list[str]:
    """The cells on the Pareto front of a cost, cheapest first."""
    values = c.estimate.value.tolist()
    return [c.cells[at].name for at in pareto([c.cell_cost(at, cost) for at in range(len(c.cells))], values)]


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
