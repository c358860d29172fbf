"""A run on disk: it predicts, and one process at a time trains it."""

from __future__ import annotations

import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

import seglight
from seglight.runs import status
from seglight.runs.run import Run
from tests.conftest import SURVIVING, Command, start, until


def test_a_batch_is_one_tensor(run_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"images \[B, C, H, W\] as a torch.Tensor are needed, got list"):
        seglight.load_run(run_dir).predict_batch([np.zeros((8, 8, 3), np.uint8)])


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


def one_rank(run: Run, rank: int) -> list[str]:
    """Writes often, and fails now and then; returns what summary.json then says of the run's end."""
    heard = []
    for number in range(50):
        run.update_summary(**{f"{rank}-{number}": number})
        if number >= 20:
            status.end(run, "failed", f"rank {rank}")
            heard.append(run.summary["error"])
    return heard


def test_ranks_that_write_at_the_same_time_lose_nothing_and_the_first_end_stays(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_summary({"status": "running"})
    with ProcessPoolExecutor(4, multiprocessing.get_context("fork")) as pool:
        heard = [error for said in pool.map(one_rank, [run] * 4, range(4)) for error in said]
    assert len(set(heard)) == 1
    summary = run.summary
    assert (summary.pop("status"), summary.pop("error")) == ("failed", heard[0])
    assert summary == {f"{rank}-{number}": number for rank in range(4) for number in range(50)}


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
