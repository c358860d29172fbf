"""hydra/launcher=basic: one job after the other, in one process."""

from __future__ import annotations

from pathlib import Path

import seglight
from tests.conftest import QUICK, Command


def test_a_sweep_is_a_folder_of_runs_and_survives_a_job_that_cannot_be(command: Command, tmp_path: Path) -> None:
    answer = command(
        "train",
        "-m",
        *QUICK,
        "model=fcn32s,fcn8s",
        "encoder=mobilenet_v3",
        "encoder.output_stride=16,32",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    runs = [seglight.load_run(tmp_path / "sweep" / str(i)) for i in range(4)]
    assert [run.summary["status"] for run in runs] == ["completed", "completed", "failed", "completed"]
    assert "skips=add8" in runs[2].summary["error"]
    assert "mobilenet_v3" in runs[2].summary["error"]
    assert answer.returncode == 1
    assert "1 of 4 jobs failed" in answer.stdout
    assert runs[3].cfg.axes.model == "fcn8s"
