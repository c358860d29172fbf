"""`python -m seglight.evaluate`: the scores of the run again, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Command

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


def test_evaluate_says_when_a_folder_is_no_run(command: Command, tmp_path: Path) -> None:
    answer = command("evaluate", f"run={tmp_path}")
    assert answer.returncode == 1
    assert "is not a run directory" in answer.stderr
    assert "Traceback" not in answer.stderr
