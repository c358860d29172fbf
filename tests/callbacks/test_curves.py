"""curves.png is drawn however a run ends, and costs it nothing where it cannot be."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from seglight.callbacks.learning import Learning
from seglight.ranks.signals import Stopped
from seglight.training.job import train_run
from tests.conftest import checkpoint, new_run


def stopped_at_the_second_step(monkeypatch: pytest.MonkeyPatch) -> None:
    after = Learning.on_train_batch_end

    def ended(self: Learning, trainer: object, task: object, outputs: object, batch: object, batch_idx: int) -> None:
        after(self, trainer, task, outputs, batch, batch_idx)  # type: ignore[arg-type]
        if batch_idx == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Learning, "on_train_batch_end", ended)


def test_a_stopped_run_has_its_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped_at_the_second_step(monkeypatch)
    run = new_run(tmp_path / "run", "data.train_images=16")
    with pytest.raises(Stopped):
        train_run(run)
    assert (run.path / "curves.png").is_file()


def test_a_picture_that_cannot_be_written_does_not_cost_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_at_the_second_step(monkeypatch)
    run = new_run(tmp_path / "run", "data.train_images=16")
    (run.path / "curves.png").mkdir()  # where the picture would go
    with pytest.raises(Stopped):
        train_run(run)
    assert run.summary["status"] == "interrupted"
    assert checkpoint(run, "last")["global_step"] == 2
