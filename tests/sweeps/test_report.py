"""The report of a sweep: why a job failed, what is left, what each job was."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.sweeps.report import print_report
from tests.conftest import QUICK


def jobs_of(sweep: Path, *overrides: list[str]) -> list[Run]:
    """A sweep's jobs as its launcher makes them, none of them started."""
    cfg = resolve(seglight.compose(*QUICK))
    runs = [Run.create(sweep / str(number), cfg, job) for number, job in enumerate(overrides)]
    for run in runs:
        run.update_summary(status="waiting")
    return runs


def test_the_report_says_why_a_job_failed_and_calls_no_other_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = jobs_of(tmp_path, *([f"skips={skips}", "optim.lr=0.1"] for skips in ("none", "add8", "add4", "concat")))
    runs[0].update_summary(status="completed", **{"val/miou": 0.25, "train_seconds": 1.5})
    runs[1].update_summary(status="failed", error="skips=add8 needs stride 8\nof which there is none")
    runs[2].update_summary(status="interrupted")
    assert print_report(tmp_path) == 3
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "failed:" in line] == ["job 1 failed: skips=add8 needs stride 8"]
    assert "1 of 4 jobs failed, 1 interrupted, 1 not started." in out
    assert re.search(r"0 .* skips=none +│ completed +│ +0\.2500 +│ +1\.5", out)
    assert re.search(r"3 .* skips=concat +│ waiting", out)
    assert "all: optim.lr=0.1\n" in out
    assert out.splitlines()[-2:] == [f"python -m seglight.train resume_sweep={tmp_path}", f"sweep: {tmp_path}"]


def test_the_report_shows_each_key_once_as_it_is_now_and_no_constant_of_the_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = {"encoder": "resnet18", "encoder.channels": [8, 16], "skips": "none,add8"}
    OmegaConf.save(OmegaConf.create({"hydra": {"sweeper": {"params": study}}}), tmp_path / "multirun.yaml")
    job = ["encoder=resnet18", "encoder.channels=[8,16]", "trainer.max_epochs=3", "+note=1"]
    done, other = jobs_of(tmp_path, [*job, "skips=none"], [*job, "skips=add8", "trainer.max_epochs=60"])
    for run in (done, other):
        run.update_summary(status="completed")
    assert print_report(tmp_path) == 0
    out = capsys.readouterr().out
    assert "all: note=1\n" in out
    assert re.search(r"0 .* trainer\.max_epochs=3 skips=none ", out)
    assert re.search(r"1 .* trainer\.max_epochs=60 skips=add8 ", out)
    assert "resume_sweep" not in out
    assert out.splitlines()[-1] == f"sweep: {tmp_path}"


def test_a_sweep_that_was_scored_ends_with_the_verdict_and_intervals(
    scored_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (skips, skill, seed) in enumerate(
        (("none", 0.6, 0), ("none", 0.6, 1), ("add8", 0.7, 0), ("add8", 0.7, 1))
    ):
        scored_run(f"sweep/{number}", skill, seed, skips=skips, summary={"val/miou": skill})
    assert print_report(tmp_path / "sweep") == 0
    out = capsys.readouterr().out
    assert re.search(r"0 .* skips=none seed=0 +│ completed +│ +0\.6000 \(0\.\d{4} to 0\.\d{4}\) +│", out)
    assert "skips=add8 is the best of 2 cells: mIoU " in out
    assert f"A page with all of it: python -m seglight.compare runs={tmp_path / 'sweep'}\n" in out


def test_jobs_on_different_images_are_reported_but_not_compared(
    scored_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored_run("sweep/0", seed=0)
    scored_run("sweep/1", seed=1, images=10)
    assert print_report(tmp_path / "sweep") == 0
    assert "not compared: these runs were scored on different images: sweep/0 on 40 images" in capsys.readouterr().out
