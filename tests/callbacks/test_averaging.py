"""average=ema and average=swa: the averaged weights are what is kept, and swa's are those of the run's last part."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn

from seglight.callbacks.averaging import StochasticWeightAveraging
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


class Counting(L.LightningModule):
    """After each of ten steps its weight is the number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def progress(self) -> float:
        return float(self.weight) / 10


def test_swa_is_the_mean_of_the_weights_after_its_start() -> None:
    module, averaging, kept = Counting(), StochasticWeightAveraging(start=0.5), []
    trainer: Any = SimpleNamespace(global_step=0)
    averaging.setup(trainer, module, "fit")
    for step in range(1, 11):
        averaging.on_train_batch_start(trainer, module, None, step - 1)
        module.weight.data.fill_(step)
        trainer.global_step = step
        averaging.on_train_batch_end(trainer, module, None, None, step - 1)
        checkpoint = {"state_dict": module.state_dict()}
        averaging.on_save_checkpoint(trainer, module, checkpoint)
        kept.append(float(checkpoint["state_dict"]["weight"]))
    assert kept == [1, 2, 3, 4, 5, 6, 6.5, 7, 7.5, 8]  # 8 is the mean of 6 to 10
