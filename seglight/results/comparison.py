"""Compares runs: which cells are best, how sure that is, and why. Every number of table, page and verdict."""

# Shapes: R resamples, N images, M runs, C cells, K classes

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seglight.results import more_images
from seglight.results.cells import Cell, cells_of
from seglight.results.compared import ComparedRun, find_runs, read_runs, refuse_different
from seglight.results.costs import costs_of, satisfying, values_asked
from seglight.results.effects import Effect, effects, interactions
from seglight.results.estimate import LEVEL, Estimate, best_cells
from seglight.results.resampling import SCORES, Scores, resample
from seglight.runs.atomic import written_whole

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 10_000
Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs that were scored on the same images, in cells; `score` decides which is best. `repr` is the verdict."""

    runs: list[ComparedRun]
    cells: list[Cell]
    score: str
    scores: Scores  # of each run on all images
    resampled: Scores
    seed: int
    notes: list[str]  # runs that are left out, and why

    @classmethod
    def of(
        cls, runs: Sequence[ComparedRun], score: str = "miou", resamples: int = RESAMPLES, seed: int = 0,
        notes: Sequence[str] = (),
    ) -> Comparison:  # fmt: skip
        """ValueError where there is no run, an unknown score, or where runs were scored on different images."""
        if not runs:
            raise ValueError("\n".join([*notes, "no run is left to compare"]))
        refuse_different(runs)
        classes = runs[0].counts[0].classes
        if score not in SCORES and score.removeprefix("iou/") not in classes:
            raise ValueError(
                f"score={score}: one of {', '.join(SCORES)} or iou/<class> is needed ({', '.join(classes)})"
            )
        cells, repeated = cells_of(runs)
        kept = sorted(at for cell in cells for at in cell.runs)
        places = {at: place for place, at in enumerate(kept)}
        runs = [runs[at] for at in kept]
        cells = [Cell(cell.axes, [places[at] for at in cell.runs], cell.name) for cell in cells]
        tp, pred = np.stack([run.tp for run in runs]), np.stack([run.pred for run in runs])
        gt = runs[0].gt
        sizes = [len(counts.names) for counts in runs[0].counts]
        resampled = resample(tp, gt, pred, sizes, resamples, np.random.default_rng(seed))
        point = Scores.of(*(a.astype(np.float64) for a in (tp.sum(1), gt.sum(0)[None], pred.sum(1))))
        return cls(list(runs), cells, score, point, resampled, seed, [*notes, *repeated])

    @property
    def classes(self) -> list[str]:
        """The names of the K classes."""
        return self.runs[0].counts[0].classes

    def values(self, score: str) -> tuple[Array, Array]:
        """A score of each run [M], and on each resample [R, M]; of a class, on the first resamples alone."""
        if score in SCORES:
            return self.scores.overall[score], self.resampled.overall[score]
        at = self.classes.index(score.removeprefix("iou/"))
        return self.scores.iou[:, at], self.resampled.iou[:, :, at].astype(np.float64)

    def estimate_of(self, score: str) -> Estimate:
        """A score of each cell, with what makes it uncertain."""
        rng = np.random.default_rng(self.seed + 1)
        return Estimate.of(*self.values(score), [cell.runs for cell in self.cells], rng)

    @cached_property
    def estimate(self) -> Estimate:
        """`estimate_of` the score that decides."""
        return self.estimate_of(self.score)

    @cached_property
    def ranking(self) -> Any:
        """The cells that cannot be told from the best, and those that are beaten: `best_cells`."""
        return best_cells(self.estimate)

    @property
    def best(self) -> list[str]:
        """The names of the runs whose cells cannot be told from the best at 95 %."""
        return [self.runs[at].name for cell in self.ranking[0] for at in self.cells[cell].runs]

    @cached_property
    def effects(self) -> list[Effect]:
        """Of each axis, all else equal."""
        return effects(self.cells, self.estimate)

    @cached_property
    def interactions(self) -> list[Effect]:
        """Those that can be told from 0."""
        return interactions(self.cells, self.estimate)

    @cached_property
    def learning_curves(self) -> list[more_images.LearningCurve]:
        """Over the number of training images, where it was varied."""
        return more_images.learning_curves(self.cells, self.estimate)

    @cached_property
    def costs(self) -> list[dict[str, float]]:
        """Of each run."""
        return [costs_of(run) for run in self.runs]

    @cached_property
    def wrong(self) -> Array:
        """Which share of the labelled pixels each run gets wrong in each of `KINDS` [M, 4]."""
        labelled = max(int(self.runs[0].gt.sum()), 1)
        return np.stack([run.kinds.sum(0) for run in self.runs]) / labelled

    def of_cells(self, values: Array) -> Array:
        """The mean over each cell's runs: [M, ...] to [C, ...]."""
        return np.stack([values[cell.runs].mean(0) for cell in self.cells])

    def cell_cost(self, cell: int, cost: str) -> float | None:
        """The mean over a cell's runs; None where one of them does not know it."""
        known = [self.costs[at].get(cost) for at in self.cells[cell].runs]
        return None if None in known else float(np.mean([value for value in known if value is not None]))

    @cached_property
    def verdict(self) -> list[str]:
        """Three to six sentences."""
        from seglight.results.verdict import sentences

        return sentences(self)

    @property
    def order(self) -> list[int]:
        """The cells, best first."""
        return [int(at) for at in np.argsort(-self.estimate.value, kind="stable")]

    def intervals(self) -> list[dict[str, dict[str, float | None]]]:
        """Each run's scores with intervals, which cover the images alone: by name `value`, `low` and `high`."""
        out: list[dict[str, dict[str, float | None]]] = [{} for _ in self.runs]
        for score in (*SCORES, *(f"iou/{name}" for name in self.classes)):
            values, draws = self.values(score)
            with np.errstate(invalid="ignore"):
                low, high = np.nanquantile(np.nan_to_num(draws), ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
            for row, three in zip(out, zip(values, low, high, strict=True), strict=True):
                exists = math.isfinite(three[0])
                row[score] = {
                    key: float(number) if exists else None
                    for key, number in zip(("value", "low", "high"), three, strict=True)
                }
        return out

    @property
    def frame(self) -> pd.DataFrame:
        """One row a run, as compare.csv; needs pandas."""
        import pandas as pd

        from seglight.results.records import rows

        return pd.DataFrame(rows(self))

    def write(self, out: str | Path) -> Path:
        """Writes compare.csv, compare.json, compare.png and index.html into a folder."""
        from seglight.results.comparison_picture import draw_comparison
        from seglight.results.page import write_page
        from seglight.results.records import record, write_records

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = record(self)
        write_records(self, numbers, folder)
        with written_whole(folder / "compare.png", "wb") as file:
            draw_comparison(self).savefig(file, format="png")
        write_page(self, numbers, folder / "index.html")
        return folder

    def __repr__(self) -> str:
        return "\n".join(self.verdict)


def compare(
    runs: str | Path | Sequence[str | Path], out: str | Path | None = None, where: str | None = None,
    score: str = "miou", scores: Sequence[str] = (), resamples: int = RESAMPLES, seed: int = 0,
) -> Comparison:  # fmt: skip
    """Compares the runs in folders and globs; with `out`, writes its files there (`Comparison.write`).

    where: only runs that meet it, such as `latency_ms<20 and encoder=resnet18`: costs, scores and axes are known.
    scores: names of evaluations (`camvid_test`); without any, the one each run was trained with.
    ValueError says which runs cannot be compared, and why.
    """
    places = [runs] if isinstance(runs, str | Path) else list(runs)
    read, notes = read_runs(find_runs(places), scores)
    if where and read:
        values = [known(run) for run in read]
        kept, told = satisfying(where, values, [run.name for run in read])
        if not kept:
            have = f"where={where}: none of {len(read)} runs meets it; {values_asked(where, values)}"
            raise ValueError("\n".join([*notes, *told, have]))
        notes = [*notes, *told, f"{len(kept)} of {len(read)} runs meet where={where}"]
        read = [read[at] for at in kept]
    comparison = Comparison.of(read, score, resamples, seed, notes)
    if out is not None:
        comparison.write(out)
    return comparison


def known(run: ComparedRun) -> dict[str, Any]:
    """What `where` may ask for: axes, typed keys, costs, and scores on all images."""
    typed = [override.lstrip("+~").partition("=") for override in run.run.overrides]
    sums = [count.sum(0).astype(np.float64)[None] for count in (run.tp, run.gt, run.pred)]
    scores = Scores.of(*sums)
    axes: Mapping[str, Any] = run.config.get("axes") or {}
    classes = zip(run.counts[0].classes, scores.iou[0].tolist(), strict=True)
    return {
        **{str(key): value for key, _, value in typed},
        **{str(key): value for key, value in axes.items()},
        "seed": run.seed,
        "name": run.name,
        **{f"iou/{name}": value for name, value in classes},
        **{key: float(value[0]) for key, value in scores.overall.items()},
        **costs_of(run),
    }
