"""A stop signal reaches every rank, and none is left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import seglight
from tests.conftest import QUICK, TWO_RANKS, processes, start, until


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_launcher_stops_its_ranks(number: signal.Signals, tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = ["trainer.max_epochs=100000", f"hydra.run.dir={run}"]
    process = start(tmp_path, "seglight.train", *QUICK, *TWO_RANKS, *endless)
    until(process, "epoch 2/")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert seglight.load_run(run, "last").summary["status"] == "interrupted"
    assert "Traceback" not in out + err
    assert not processes(f"seglight.training.worker {run}")


@pytest.mark.slow
def test_a_signal_to_the_whole_group_lets_ranks_save(tmp_path: Path) -> None:
    """As `timeout` and scancel send it."""
    run = tmp_path / "run"
    process = start(tmp_path, "seglight.train", *QUICK, *TWO_RANKS, "trainer.max_epochs=100000", f"hydra.run.dir={run}")
    until(process, "epoch 2/")
    os.killpg(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert seglight.load_run(run, "last").summary["status"] == "interrupted"
    assert seglight.load_run(run, "last").summary["steps"] > 2


@pytest.mark.slow
def test_ranks_do_not_outlive_a_launcher_that_was_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = ["data.num_workers=1", "trainer.max_epochs=100000", f"hydra.run.dir={run}"]
    process = start(tmp_path, "seglight.train", *QUICK, *TWO_RANKS, *endless)
    until(process, "epoch 2/")
    assert len(processes(f"seglight.training.worker {run}")) >= 4  # two ranks, and what loads their data
    process.kill()
    process.communicate(timeout=60)  # they hold the pipe: it closes when all are gone
    assert not processes(f"seglight.training.worker {run}")
