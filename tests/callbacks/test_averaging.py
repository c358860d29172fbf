"""average=ema and average=swa: the averaged weights are what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.conftest import QUICK, Command


@pytest.mark.parametrize("average", ["ema", pytest.param("swa", marks=pytest.mark.slow)])
def test_averaged_weights_are_what_is_kept(average: str, command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start = ["average.start=0"] if average == "swa" else ["average.decay=0.5"]
    answer = command("train", *QUICK, f"average={average}", *start, "trainer.max_epochs=2", f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stderr
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    current, kept = checkpoint["current_model_state"], checkpoint["state_dict"]
    weights = [name for name in kept if name.endswith("weight")]
    assert not all(torch.equal(current[name], kept[name]) for name in weights)
