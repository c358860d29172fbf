"""What a run survives: SIGKILL at any moment, SIGTERM, a full disk, a damaged checkpoint, bit for bit."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import seglight
from experiments.robustness.kill_table import differences
from tests.conftest import ENVIRONMENT, QUICK, REPO, Command, until
from tests.failing import DIES, STOPS

RUN = (*QUICK, "data.train_images=16", "trainer.max_epochs=3", "trainer.log_every_n_steps=1")  # 3 x 4 steps


def training(*arguments: str) -> subprocess.Popen[str]:
    """A training process whose output is read while it runs."""
    return subprocess.Popen(
        [sys.executable, "-m", "seglight.train", *arguments],
        cwd=REPO, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = training(*RUN, f"hydra.run.dir={folder}")
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return folder


@pytest.mark.parametrize(
    ("name", "nth", "left"),
    [
        ("config.yaml", 1, "no run"),
        pytest.param("best.ckpt", 1, "start", marks=pytest.mark.slow),
        ("last.ckpt", 2, "epoch 1"),
        pytest.param("summary.json", 5, "epoch 1", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_while_it_writes_ends_bit_for_bit_like_the_one_that_was_not(
    name: str, nth: int, left: str, whole: Path, script: Command, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert script(DIES.format(name=name, nth=nth), *RUN, f"hydra.run.dir={run}").returncode == -signal.SIGKILL
    assert [*run.rglob(".*.partial")], "no file was half-written"
    assert (run / "checkpoints" / "last.ckpt").is_file() == (left == "epoch 1")
    assert (run / "config.yaml").is_file() == (left != "no run")
    again = [*RUN, f"hydra.run.dir={run}"] if left == "no run" else [f"resume={run}"]
    answer = command("train", *again)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert differences(whole, run) == []
    if left != "no run":
        assert not [*run.rglob(".*.partial")]


@pytest.mark.slow
def test_twenty_random_kills(tmp_path: Path) -> None:
    """Some ten minutes."""
    table = REPO / "experiments" / "robustness" / "kill_table.py"
    answer = subprocess.run(
        [sys.executable, table, tmp_path], env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("| yes |") == 20


def test_sigterm_in_an_epoch_saves_and_the_run_goes_on_with_the_next_batch(
    whole: Path, script: Command, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code = STOPS.format(step="training_step", nth=6, number=signal.SIGTERM)
    answer = script(code, *RUN, "data.num_workers=1", f"hydra.run.dir={run}")
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
        *RUN,
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
    ranks = [*RUN, "trainer=ddp", "trainer.devices=2", "data.train_images=160", "data.batch_size=2"]
    process = training(*ranks, f"hydra.run.dir={run}")
    until(process, "epoch 1/3")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "Traceback" not in output
    assert seglight.load_run(run).summary["status"] == "interrupted"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] % 40 > 0  # within an epoch
    if compared:
        never = tmp_path / "never"
        assert command("train", *ranks, f"hydra.run.dir={never}").returncode == 0
        assert command("train", f"resume={run}").returncode == 0
        assert differences(never, run) == []


def test_a_full_disk_is_named_the_last_checkpoint_kept_and_the_run_goes_on_when_there_is_room(
    whole: Path, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = training(*RUN, f"hydra.run.dir={run}")
    until(process, "epoch 1/3")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))  # no file may grow larger
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1, output
    error = next(line for line in output.splitlines() if f"could not write {run}/checkpoints/" in line)
    assert "MB needed" in error
    assert "MB free" in error
    assert f"resume={run}" in error
    assert "Traceback" not in output
    assert not [*run.rglob(".*.partial")]
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "failed"
    assert "could not write" in summary["error"]
    answer = command("train", f"resume={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert differences(whole, run) == []


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_the_run_goes_on_from_the_best(
    whole: Path, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    last, best = (run / "checkpoints" / f"{which}.ckpt" for which in ("last", "best"))
    os.truncate(last, last.stat().st_size // 2)
    answer = command("train", f"resume={run}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{last} is damaged" in answer.stdout
    assert f"goes on from {best}" in answer.stdout
    assert differences(whole, run) == []
    for path in (last, best):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1  # one bit, somewhere in a tensor
        path.write_bytes(content)
    answer = command("train", f"resume={run}")
    assert answer.returncode == 1
    assert f"{last} is damaged" in answer.stderr
    assert f"{best} is damaged" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.slow
def test_a_second_process_on_a_run_is_refused_and_leaves_it_alone(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = training(*RUN, "trainer.max_epochs=100000", f"hydra.run.dir={run}")
    until(process, "epoch 1/")
    config = (run / "config.yaml").read_text()
    for arguments in ([f"resume={run}"], [*RUN, "seed=7", f"hydra.run.dir={run}"]):
        answer = command("train", *arguments)
        assert answer.returncode == 1
        assert f"{run} is being trained by another process" in answer.stderr
    assert (run / "config.yaml").read_text() == config
    assert process.poll() is None
    assert seglight.load_run(run).summary["status"] == "running"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ("GPUMemory", ["out of GPU memory", "data.batch_size=4", "data.crop_size=64", "trainer.precision", "2.00 GiB"]),
        ("KilledWorker", ["killed by signal: Killed", "data.num_workers", "--ipc=host"]),
    ],
)
def test_memory_that_runs_out_says_what_to_lower(loss: str, says: list[str], command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["data.num_workers=1", "data.train_images=400", f"loss._target_=tests.failing.{loss}"]
    answer = command("train", *RUN, *options, f"hydra.run.dir={run}")
    assert answer.returncode == 1
    for text in says:
        assert text in answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    assert seglight.runs.run.find_run(run).summary["status"] == "failed"
