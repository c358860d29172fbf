"""A run on disk: it predicts, and one process at a time trains it."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import seglight
from tests.conftest import SURVIVING, Command, start, until


def test_load_run_predicts_as_evaluate_did(run_dir: Path) -> None:
    run = seglight.load_run(run_dir)
    image = np.random.default_rng(0).integers(0, 255, (37, 51, 3), dtype=np.uint8)
    mask = run.predict(image)
    assert mask.shape == (37, 51)
    assert mask.dtype == np.uint8
    with torch.inference_mode():
        logits = run.net(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert (logits.argmax(1)[0].numpy() == mask).all()
    assert run.summary["status"] == "completed"


@pytest.mark.slow
def test_a_second_process_on_a_run_is_refused_and_leaves_it_alone(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, "seglight.train", *SURVIVING, "trainer.max_epochs=100000", f"hydra.run.dir={run}")
    until(process, "epoch 1/")
    config = (run / "config.yaml").read_text()
    for arguments in ([f"resume={run}"], [*SURVIVING, "seed=7", f"hydra.run.dir={run}"]):
        answer = command("train", *arguments)
        assert answer.returncode == 1
        assert f"{run} is being trained by another process" in answer.stderr
    assert (run / "config.yaml").read_text() == config
    assert process.poll() is None
    assert seglight.load_run(run).summary["status"] == "running"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
