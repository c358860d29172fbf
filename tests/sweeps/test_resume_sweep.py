"""resume_sweep=FOLDER: the jobs that are not done go on where they were."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.conftest import QUICK, Command, start, statuses, until


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was(command: Command, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    two = [*(a for a in QUICK if "max_epochs" not in a), "trainer.max_epochs=30,1"]
    process = start(tmp_path, "seglight.train", "-m", *two, f"hydra.sweep.dir={sweep}")
    until(process, "epoch 2/")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in out + err
    assert statuses(sweep) == ["interrupted", "waiting"]
    assert f"resume_sweep={sweep}" in out
    answer = command("train", f"resume_sweep={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert statuses(sweep) == ["completed", "completed"]
    assert len(re.findall("epoch 1/30", (sweep / "0" / "train.log").read_text())) == 1  # it did not begin anew
    assert len(list(sweep.iterdir())) == 3
