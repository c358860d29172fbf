"""SIGTERM and Ctrl-C: the step ends, the run is saved and goes on with the next batch."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch

import seglight
from experiments.robustness.kill_table import differences
from tests.conftest import SURVIVING, Command, start, until
from tests.failing import STOPS


def test_sigterm_in_an_epoch_saves_and_the_run_goes_on_with_the_next_batch(
    whole: Path, script: Command, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code = STOPS.format(step="training_step", nth=6, number=signal.SIGTERM)
    answer = script(code, *SURVIVING, "data.num_workers=1", f"hydra.run.dir={run}")
    assert answer.returncode == 128 + signal.SIGTERM, answer.stdout + answer.stderr
    assert f"resume={run} continues it" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
    assert seglight.load_run(run).summary["status"] == "interrupted"
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert (checkpoint["epoch"], checkpoint["global_step"]) == (1, 6)
    assert command("train", f"resume={run}", "data.num_workers=0").returncode == 0
    assert differences(whole, run) == []


@pytest.mark.slow
def test_ctrl_c_in_an_evaluation_saves_and_the_run_begins_it_again(
    script: Command, command: Command, tmp_path: Path
) -> None:
    averaged = [
        *SURVIVING,
        "data.eval_batch_size=1",
        "average=ema",
        "average.decay=0.5",
        "freeze=norms",
        "trainer.accumulate_grad_batches=3",
    ]
    never, run = tmp_path / "never", tmp_path / "run"
    assert command("train", *averaged, f"hydra.run.dir={never}").returncode == 0
    code = STOPS.format(step="validation_step", nth=6, number=signal.SIGINT)  # 4 in the first evaluation
    answer = script(code, *averaged, f"hydra.run.dir={run}")
    assert answer.returncode == 128 + signal.SIGINT, answer.stdout + answer.stderr
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    assert (checkpoint["epoch"], checkpoint["global_step"]) == (1, 4)
    answer = command("train", f"resume={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert differences(never, run) == []


@pytest.mark.slow
@pytest.mark.parametrize("compared", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_two_ranks_stop_after_the_same_step(compared: bool, command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ranks = [*SURVIVING, "trainer=ddp", "trainer.devices=2", "data.train_images=160", "data.batch_size=2"]
    process = start(tmp_path, "seglight.train", *ranks, f"hydra.run.dir={run}")
    until(process, "epoch 1/3")
    process.send_signal(signal.SIGTERM)
    output = "".join(process.communicate(timeout=60))
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "Traceback" not in output
    assert seglight.load_run(run).summary["status"] == "interrupted"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] % 40 > 0  # within an epoch
    if compared:
        never = tmp_path / "never"
        assert command("train", *ranks, f"hydra.run.dir={never}").returncode == 0
        assert command("train", f"resume={run}").returncode == 0
        assert differences(never, run) == []
