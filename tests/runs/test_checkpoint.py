"""Checkpoints survive SIGKILL at any moment, a full disk, a damaged file: the run ends bit for bit the same."""

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

from experiments.robustness.kill_table import differences
from tests.conftest import ENVIRONMENT, REPO, SURVIVING, Command, start, until
from tests.failing import DIES


@pytest.mark.parametrize(
    ("name", "nth", "left"),
    [
        ("config.yaml", 1, "no run"),
        pytest.param("best.ckpt", 1, "start", marks=pytest.mark.slow),
        pytest.param("last.ckpt", 2, "epoch 1", marks=pytest.mark.slow),
        pytest.param("summary.json", 5, "epoch 1", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_while_it_writes_ends_bit_for_bit_like_the_one_that_was_not(
    name: str, nth: int, left: str, whole: Path, script: Command, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert script(DIES.format(name=name, nth=nth), *SURVIVING, f"hydra.run.dir={run}").returncode == -signal.SIGKILL
    assert [*run.rglob(".*.partial")], "no file was half-written"
    assert (run / "checkpoints" / "last.ckpt").is_file() == (left == "epoch 1")
    assert (run / "config.yaml").is_file() == (left != "no run")
    again = [*SURVIVING, f"hydra.run.dir={run}"] if left == "no run" else [f"resume={run}"]
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


@pytest.mark.slow
def test_a_full_disk_is_named_the_last_checkpoint_kept_and_the_run_goes_on_when_there_is_room(
    whole: Path, command: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(tmp_path, "seglight.train", *SURVIVING, f"hydra.run.dir={run}")
    until(process, "epoch 1/3")
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))  # no file may grow larger
    output = "".join(process.communicate(timeout=60))
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
