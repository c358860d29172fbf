"""`python -m seglight.evaluate`: the scores of the run again, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglight.config import build, compose
from seglight.evaluation.subject import check_classes
from seglight.runs.run import Run
from tests.conftest import QUICK, Command

SCORES = ("val/miou", "val/pixel_acc", "val/mean_acc", "val/fw_iou")


def test_evaluate_gives_the_scores_again(run_dir: Path, command: Command) -> None:
    answer = command("evaluate", f"run={run_dir}", "data.split=val", "save_predictions=true")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = run_dir / "evaluate" / "shapes_val"
    assert answer.stdout.rstrip().splitlines()[-1] == f"wrote: {folder}"
    metrics, summary = (json.loads(p.read_text()) for p in (folder / "metrics.json", run_dir / "summary.json"))
    for name in SCORES:
        assert metrics[name] == pytest.approx(summary[name], abs=1e-6)
    table = list(csv.reader((folder / "confusion.csv").open()))
    pixels = sum(int(value) for row in table[1:] for value in row[1:])
    assert pixels == 4 * 64 * 64 - sum(
        int((np.asarray(Image.open(p)) == 255).sum()) for p in (folder / "predictions").glob("*.png")
    )
    classes = [row["class"] for row in csv.DictReader((folder / "per_class.csv").open())]
    assert classes[0] == "background"


def test_other_classes_are_refused_by_name_and_an_earlier_runs_only_by_number(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", compose(*QUICK), [])
    data = build(run.cfg, "data")
    check_classes(data, run)  # as of a run that kept no names
    run.update_summary(classes=list(data.classes))
    check_classes(data, run)
    data.classes = tuple(reversed(data.classes))
    with pytest.raises(
        ValueError, match=r"data=shapes has the classes .*, \.\.\. \(9\); .*run was trained on background"
    ):
        check_classes(data, run)
    run.update_summary(classes=None)
    check_classes(data, run)


def test_a_run_keeps_the_names_of_its_classes(run_dir: Path) -> None:
    assert Run(run_dir).summary["classes"] == list(build(compose(*QUICK), "data").classes)


def test_evaluate_says_when_a_folder_is_no_run(command: Command, tmp_path: Path) -> None:
    answer = command("evaluate", f"run={tmp_path}")
    assert answer.returncode == 1
    assert "is not a run directory" in answer.stderr
    assert "Traceback" not in answer.stderr
