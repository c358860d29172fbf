"""What a person reads while a run trains."""

from __future__ import annotations

import csv
import re
from pathlib import Path


def test_each_evaluation_is_a_line_with_the_scores_of_its_epoch(run_dir: Path) -> None:
    log = (run_dir / "train.log").read_text()
    lines = re.findall(r"epoch (\d)/2  step (\d)  .*  val/miou (\S+)  val/pixel_acc (\S+)", log)
    assert [line[:2] for line in lines] == [("1", "2"), ("2", "4")]
    rows = [row for row in csv.DictReader((run_dir / "metrics.csv").open()) if row["val/miou"]]
    for line, row in zip(lines, rows, strict=True):
        assert line[2:] == (f"{float(row['val/miou']):.4f}", f"{float(row['val/pixel_acc']):.4f}")
