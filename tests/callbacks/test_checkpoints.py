"""checkpoints/best.ckpt and last.ckpt: which epoch each is of, readable without running code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import QUICK, Command


@pytest.mark.parametrize("which", ["best", "last"])
def test_checkpoints_load_without_running_code(run_dir: Path, which: str) -> None:
    checkpoint = torch.load(run_dir / "checkpoints" / f"{which}.ckpt", weights_only=True)
    assert any(name.startswith("net.encoder.") for name in checkpoint["state_dict"])


def test_last_is_the_latest_epoch_where_best_is_an_earlier_one(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    still = [*QUICK, "encoder=resnet18", "freeze=norms", "optim=sgd", "optim.lr=0", "trainer.max_epochs=2"]
    answer = command("train", *still, f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stderr
    best, last = (torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True) for which in ("best", "last"))
    assert (best["epoch"], last["epoch"]) == (0, 1)
