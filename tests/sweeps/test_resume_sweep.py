"""resume_sweep=FOLDER: the jobs that are not done go on where they were."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.runs.run import Run
from seglight.sweeps.resume_sweep import ResumeSweep
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


class Recorder:
    """A launcher that trains nothing."""

    def __init__(self) -> None:
        self.paths: list[Path] = []

    def train(self, paths: Sequence[Path]) -> None:
        self.paths = list(paths)


def test_no_job_is_changed_unless_all_can_be_and_done_ones_never_are(tmp_path: Path) -> None:
    cfg = seglight.compose(*QUICK, "trainer.max_epochs=13")
    runs = [Run.create(tmp_path / str(number), cfg, ["trainer.max_epochs=13"]) for number in range(3)]
    ends: list[dict[str, Any]] = [
        {"status": "failed", "steps": 2, "epochs": 1},
        {"status": "interrupted", "steps": 26, "epochs": 13},
        {"status": "completed", "steps": 26, "epochs": 13},
    ]
    for run, end in zip(runs, ends, strict=True):
        run.update_summary(**end)

    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".yaml", ".json")}

    def resumed(*changes: str) -> list[Path]:
        sweeper = ResumeSweep(changes=list(changes))
        sweeper.config = OmegaConf.create({"resume_sweep": str(tmp_path)})
        sweeper.launcher = Recorder()
        sweeper.sweep([])
        return sweeper.launcher.paths

    before = contents()
    with pytest.raises(ValueError, match=r"trainer\.max_steps=20: .*1 has already trained 26 steps"):
        resumed("trainer.max_steps=20")
    with pytest.raises(ValueError, match="a resumed run keeps its seed"):
        resumed("seed=3")
    assert contents() == before
    assert resumed("trainer.max_epochs=15") == [runs[0].path, runs[1].path]
    assert [Run(run.path).cfg.trainer.max_epochs for run in runs] == [15, 15, 13]
    assert contents()[runs[2].path / "summary.json"] == before[runs[2].path / "summary.json"]
