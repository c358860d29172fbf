"""Several ranks: one run directory, the same scores and weights as one process (a dead rank: test_sweeps.py)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

import seglight
from tests.conftest import QUICK, TWO_RANKS, Command


def confusion(run: Path) -> list[list[str]]:
    return list(csv.reader((run / "evaluate" / "shapes_val" / "confusion.csv").open()))


@pytest.mark.slow
def test_two_ranks_score_one_image_once(command: Command, tmp_path: Path) -> None:
    run, images = tmp_path / "run", 1  # the second rank has none
    answer = command("train", *QUICK, *TWO_RANKS, f"data.val_images={images}", f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert command("evaluate", f"run={run}").returncode == 0  # one process
    summary = seglight.load_run(run).summary
    pixels = sum(int(value) for row in confusion(run)[1:] for value in row[1:])
    assert summary["devices"] == 2
    assert pixels == images * 64 * 64
    right = sum(int(row[i + 1]) for i, row in enumerate(confusion(run)[1:]))
    assert summary["val/pixel_acc"] == pytest.approx(right / pixels, abs=1e-12)


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
