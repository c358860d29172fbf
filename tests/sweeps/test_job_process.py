"""A job in a process of its own: a killed rank ends its job and no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import seglight
from seglight.runs.run import sweep_runs
from tests.conftest import QUICK, TWO_RANKS, processes, start, statuses, until


def test_a_sweep_of_two_rank_jobs_survives_a_killed_rank(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    epochs = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=100000,1,2,3"]
    process = start(tmp_path, "seglight.train", "-m", *epochs, *TWO_RANKS, f"hydra.sweep.dir={sweep}")
    until(process, "epoch 2/")
    ranks = processes(f"seglight.training.worker {sweep}/0")
    assert len(ranks) == 2
    os.kill(int(ranks[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 1, out + err
    assert sorted(p.name for p in sweep.iterdir()) == ["0", "1", "2", "3", "multirun.yaml"]
    assert statuses(sweep) == ["failed", "completed", "completed", "completed"]
    assert "killed by signal 9" in seglight.load_run(sweep / "0").summary["error"]
    assert [len(list(p.path.rglob("*.log"))) for p in sweep_runs(sweep)] == [1, 1, 1, 1]
    assert [seglight.load_run(sweep / n).summary["devices"] for n in "123"] == [2, 2, 2]
    assert f"resume_sweep={sweep}" in out
    assert not processes(f"seglight.training.worker {sweep}")
