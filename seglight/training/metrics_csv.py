"""metrics.csv: every logged step, kept when a run goes on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger


class MetricsCSV(CSVLogger):
    """Lightning's CSV logger, which would begin the file anew on resume: the rows before `steps` steps are put back."""

    def __init__(self, save_dir: Path, steps: int, **settings: Any) -> None:
        path = save_dir / "metrics.csv"
        rows = list(csv.DictReader(path.open(newline=""))) if path.is_file() else []
        rows = [row for row in rows if (row.get("step") or "").isdigit() and int(row["step"]) < steps]  # some are torn
        super().__init__(save_dir, **settings)
        if rows:
            self.experiment.metrics = rows
            self.save()
