"""Ranks that torchrun started: one run, one message where something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import seglight
from tests.conftest import QUICK, TORCHRUN, TWO_RANKS, start


@pytest.mark.slow
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
