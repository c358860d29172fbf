"""Ranks: those that torchrun started make one run, stop signals reach all of them, and none is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import seglight
from tests.conftest import QUICK, REPO, TWO_RANKS, processes, start, until

TORCHRUN = (
    "torch.distributed.run",
    "--nproc-per-node",
    "2",
    "--rdzv-backend",
    "c10d",
    "--rdzv-endpoint",
    "localhost:0",
)


def test_torchrun_makes_one_run_that_one_rank_prints(tmp_path: Path) -> None:
    process = start(
        tmp_path, *TORCHRUN, "-m", "seglight.train", *QUICK, *TWO_RANKS, "trainer.accumulate_grad_batches=2"
    )
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, out + err
    runs = sorted(p.parent for p in tmp_path.glob("outputs/*/*/summary.json"))
    assert len(runs) == len(list(tmp_path.glob("outputs/*/*"))) == 1
    assert out.count("epoch 1/1") == out.count("run: ") == 1
    assert "effective batch 16 = 4 images x 2 ranks x 2 batches a step" in out
    summary = seglight.load_run(runs[0]).summary
    assert (summary["status"], summary["devices"]) == ("completed", 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([*QUICK, "trainer.devices=1"], "2 ranks were started, trainer.devices=1"),
        (["-m", *QUICK, *TWO_RANKS, "seed=1,2"], "a sweep starts the ranks of its jobs itself"),
        (["model=fcn9s"], "fcn8s"),
    ],
)
def test_torchrun_with_a_mistake_ends_with_one_message(arguments: list[str], says: str, tmp_path: Path) -> None:
    process = start(tmp_path, *TORCHRUN, "-m", "seglight.train", *arguments)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 1, out + err
    assert says in out + err


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
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
def test_ranks_do_not_outlive_a_launcher_that_was_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = ["trainer.max_epochs=100000", f"hydra.run.dir={run}"]
    process = start(tmp_path, "seglight.train", *QUICK, *TWO_RANKS, *endless)
    until(process, "epoch 2/")
    assert len(processes(f"seglight.training.worker {run}")) == 2
    process.kill()
    process.communicate(timeout=60)  # the ranks hold the pipe: it closes when they are gone
    assert not processes(f"seglight.training.worker {run}")


def test_one_process_and_two_ranks_count_the_same_confusion_matrices(tmp_path: Path) -> None:
    program = str(REPO / "experiments" / "benchmarks" / "exact_evaluation" / "confusion.py")
    launchers = {"one": [program], "two": ["-m", *TORCHRUN, program]}
    for name, command in launchers.items():
        subprocess.run(
            [sys.executable, *command, str(tmp_path / name)],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)}, check=True, timeout=200,
        )  # fmt: skip
    one, two = (json.loads((tmp_path / name).read_text()) for name in launchers)
    assert (one["ranks"], two["ranks"]) == (1, 2)
    assert one["confusion"] == two["confusion"]
    pixels = {images: sum(map(sum, matrix)) for images, matrix in one["confusion"].items()}
    assert pixels == {str(images): images * 64 * 64 for images in (1, 2, 7, 101)}
