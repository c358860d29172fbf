"""The best epoch is the same in the summary, metrics.csv and the checkpoint."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from seglight.callbacks.best import Best
from seglight.metrics import SegmentationMetrics
from seglight.training.fit import fit
from tests.conftest import checkpoint, new_run, rows


def test_the_best_checkpoint_is_the_epoch_that_the_summary_names(tmp_path: Path) -> None:
    """Rates so high that the scores go up and down."""
    run = new_run(tmp_path / "run", "trainer.max_epochs=5", "optim.lr=0.05", "schedule=constant")
    fit(run)
    scores = [float(row["val/miou"]) for row in rows(run, "val/miou")]
    assert run.summary["best_epoch"] == scores.index(max(scores)) == checkpoint(run, "best")["epoch"]
    assert run.summary["val/miou"] == pytest.approx(max(scores), abs=1e-6)


@pytest.mark.parametrize(
    ("seen", "kept"),
    [([0.5, math.nan, 0.4], 0), ([math.nan, 0.3, 0.2], 1), ([0.2, math.nan, 0.3, 0.3], 2), ([math.nan], 0)],
)
def test_a_score_that_does_not_exist_never_takes_a_good_ones_place(seen: list[float], kept: int) -> None:
    best = Best()
    for step, score in enumerate(seen):
        task = SimpleNamespace(scores={"val/miou": score}, metrics=SegmentationMetrics(2))
        best.on_validation_end(SimpleNamespace(sanity_checking=False, global_step=step, current_epoch=step), task)  # type: ignore[arg-type]
    assert best.step == kept
    assert best.scores["val/miou"] == pytest.approx(seen[kept], nan_ok=True)
    assert best.waited == len(seen) - 1 - kept
