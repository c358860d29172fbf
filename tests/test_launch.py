"""Several ranks: one run directory, the same scores to the last count, and a dead rank ends the job."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seglight
from tests.conftest import QUICK, REPO, Command

TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


def confusion(run: Path) -> list[list[str]]:
    return list(csv.reader((run / "evaluate" / "shapes_val" / "confusion.csv").open()))


@pytest.mark.parametrize("images", [1, 7])
def test_two_ranks_count_every_evaluated_image_once(images: int, command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    answer = command("train", *QUICK, *TWO_RANKS, f"data.val_images={images}", f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert command("evaluate", f"run={run}").returncode == 0  # one process
    summary = seglight.load_run(run).summary
    pixels = sum(int(value) for row in confusion(run)[1:] for value in row[1:])
    assert summary["devices"] == 2
    assert pixels == images * 64 * 64
    right = sum(int(row[i + 1]) for i, row in enumerate(confusion(run)[1:]))
    assert summary["val/pixel_acc"] == pytest.approx(right / pixels, abs=1e-12)


def test_a_killed_rank_ends_the_job_as_failed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    endless = ["trainer.max_epochs=100000", f"hydra.run.dir={run}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "seglight.train", *QUICK, *TWO_RANKS, *endless],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2/"):
            break
    ranks = subprocess.run(["pgrep", "-f", f"seglight.fit {run}"], capture_output=True, text=True).stdout.split()
    assert len(ranks) == 2
    os.kill(int(ranks[-1]), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, out + err
    assert "killed by signal 9" in err
    assert seglight.load_run(run).summary["status"] == "failed"
    assert not subprocess.run(["pgrep", "-f", f"seglight.fit {run}"], capture_output=True).stdout  # no orphan


def test_a_gradual_run_on_two_ranks_equals_the_one_process_run_at_the_same_global_batch(
    command: Command, tmp_path: Path
) -> None:
    small = [*(a for a in QUICK if not a.startswith("data.batch_size")), "augment=none", "model=unet"]
    small += ["encoder.channels=[8,16,16]", "encoder.dropout=0", "freeze=gradual", "optim=sgd", "schedule=poly"]
    small += ["trainer.max_epochs=3"]
    one, two = tmp_path / "one", tmp_path / "two"
    assert command("train", *small, "data.batch_size=4", f"hydra.run.dir={one}").returncode == 0
    answer = command("train", *small, "data.batch_size=2", *TWO_RANKS, f"hydra.run.dir={two}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    first, second = seglight.load_run(one, "last").weights(), seglight.load_run(two, "last").weights()
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=1e-4, atol=1e-6)


def test_sharding_without_a_gpu_is_refused_with_what_to_use(command: Command) -> None:
    if torch.cuda.is_available():
        pytest.skip("there are GPUs")
    answer = command("train", *QUICK, "trainer=fsdp")
    assert answer.returncode == 1
    assert "trainer=fsdp needs GPUs" in answer.stderr
    assert "Traceback" not in answer.stderr
