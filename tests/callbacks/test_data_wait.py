"""A run that waits for its data says so."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer

from seglight.callbacks.data_wait import DataWait, advice
from seglight.data.augmentation import Augmentation
from seglight.data.shapes import Shapes
from seglight.data.voc import VOC


class Sleeper(LightningModule):
    """A network whose step takes `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seconds = seconds

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        time.sleep(self.seconds)
        return self.weight.sum()

    def validation_step(self, batch: Any, _: int) -> None: ...

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class SlowAugmentation(Augmentation):
    def __call__(self, *arguments: Any) -> Any:
        time.sleep(0.02)
        return super().__call__(*arguments)


def share(data_seconds: float, step_seconds: float) -> float:
    data = Shapes(train_images=12, val_images=1, size=32, batch_size=1, num_workers=0)
    if data_seconds:
        data.augment = SlowAugmentation([])
    trainer = Trainer(
        max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, callbacks=[DataWait()],
    )  # fmt: skip
    trainer.fit(Sleeper(step_seconds), data)
    return float(trainer.callback_metrics["train/data_wait"])


def test_a_data_bound_run_says_what_to_change_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert share(0.02, 0.005) > 0.5
    told = [message for message in caplog.messages if "waiting for data" in message]
    assert len(told) == 1
    assert "of the training time was spent waiting for data" in told[0]
    assert "data.num_workers=" in told[0]


def test_a_busy_run_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert share(0, 0.05) < 0.2
    assert "waiting for data" not in caplog.text


def test_the_advice_fits_the_settings() -> None:
    files = VOC(root="anywhere", num_workers=0)
    assert [part.split("=")[0].split(",")[0] for part in advice(files)] == [
        "data.num_workers", "data.cache", "a lighter augment",
    ]  # fmt: skip
    assert advice(VOC(root="anywhere", num_workers=999, cache="ram")) == ["a lighter augment"]
    assert advice(None) == ["a lighter augment"]
