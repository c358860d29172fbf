"""Jobs of a sweep share a frozen encoder's maps: each is made once, and every job is the run that it is alone."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from omegaconf import OmegaConf

import seglight
from seglight.runs.run import Run
from seglight.sweeps.in_turn import InTurn
from seglight.sweeps.report import SweepReport
from seglight.training import shared_features
from seglight.training.fit import fit
from tests.conftest import QUICK, TWO_RANKS, Command

FROZEN = (
    *QUICK, "encoder=resnet18", "freeze=encoder", "augment=flip", "data.cache=features", "data.train_images=2",
    "data.val_images=2", "data.batch_size=2", "predictions=0", "trainer.max_epochs=3",
    "trainer.check_val_every_n_epoch=3",
)  # fmt: skip
VIEWS, LOOKED_AT = (
    2 * 2 + 2,
    3 + 2,
)  # each training image as it is and flipped; encoded before, to say how large it gets


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """The override that gives every job the same encoder, whatever its seed."""
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "resnet18.pth")
    return f"encoder.weights={tmp_path / 'resnet18.pth'}"


def new(path: Path, *overrides: str) -> Run:
    return Run.create(path, seglight.compose(*FROZEN, *overrides), list(overrides))


def config(sweep: Path) -> Any:
    return OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep)}}})


def trained(job: Run) -> str:
    """Trains a job as the default launcher does; returns its status."""
    launcher = InTurn()
    launcher.config = config(job.path.parent)
    launcher.train([job.path])
    return str(Run(job.path).summary["status"])


def said(job: Run) -> list[str]:
    """What its log says of its features."""
    lines = (job.path / "train.log").read_text().splitlines()
    return [line.partition("data.cache=features: ")[2] for line in lines if "data.cache=features: " in line]


def assert_same(job: Run, alone: Run) -> None:
    one, two = job.weights("last"), alone.weights("last")
    assert all(torch.equal(one[name], two[name]) for name in one)
    rows = [list(csv.DictReader((run.path / "metrics.csv").open())) for run in (job, alone)]
    assert rows[0] == rows[1]


def failing(error: Exception) -> Any:
    """To put in the place of what writes the file that makes a piece count."""

    def write(path: Path) -> None:
        raise error

    return write


def test_a_map_is_made_once_in_a_sweep_and_its_jobs_are_the_runs_alone(
    tmp_path: Path, weights: str, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "sweep"
    options: list[tuple[str, ...]] = [
        ("model=fcn32s", weights),
        ("model=fcn8s", weights, "seed=1"),
        ("model=fcn32s", "decoder=fcn_head", "skips=none", weights, "seed=3"),  # it has dropout
        ("model=fcn32s",),  # with random weights
    ]
    jobs = [new(sweep / str(number), *chosen, "sweep=it") for number, chosen in enumerate(options)]

    with monkeypatch.context() as patched:
        patched.setattr(shared_features, "written_whole", failing(RuntimeError("ended")))
        assert trained(jobs[0]) == "failed"
    with pytest.raises(SystemExit):
        SweepReport().on_multirun_end(config(sweep))
    (left,) = (sweep / ".features").rglob("*.bin")
    left.write_bytes(bytes(left.stat().st_size))
    Run.resume(jobs[0].path, [])

    counts = []
    for job in jobs:
        if job is jobs[3]:
            monkeypatch.setattr(shared_features, "written_whole", failing(OSError("the disk is full")))
        encoded.clear()
        assert trained(job) == "completed"
        counts.append(sum(encoded))
    everything = VIEWS + LOOKED_AT  # twice where they could not be kept for others
    assert counts == [everything, everything, 0, 2 * everything]  # the second one's decoder reads finer maps too
    assert "train, 2 images in 4 views, not shared by this sweep: the disk is full" in said(jobs[3])
    assert said(jobs[2]) == ["train, 2 images in 4 views, shared by this sweep", "val, 2 images, shared by this sweep"]
    for number in (1, 2):
        alone = new(tmp_path / f"alone{number}", *options[number])
        fit(alone)
        assert_same(jobs[number], alone)
    SweepReport().on_multirun_end(config(sweep))
    assert not (sweep / ".features").exists()


@pytest.mark.slow
def test_jobs_at_the_same_time_make_each_map_once(command: Command, tmp_path: Path, weights: str) -> None:
    sweep = tmp_path / "sweep"
    answer = command(
        "train", "-m", *FROZEN, "model=fcn8s", weights, "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
        f"hydra.sweep.dir={sweep}",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    lines = [line for number in "01" for line in said(Run(sweep / number)) if "waits" not in line]
    for title in ("train", "val"):
        told = [line.rpartition(", ")[2] for line in lines if line.startswith(title)]
        assert sorted(told) == ["for this sweep", "shared by this sweep"]
    assert sorted(path.name for path in sweep.iterdir()) == ["0", "1", "multirun.yaml"]


@pytest.mark.slow
def test_ranks_share_them_too(command: Command, tmp_path: Path, weights: str) -> None:
    options = (*FROZEN, "model=fcn8s", weights, *TWO_RANKS, "data.batch_size=1")
    sweep = tmp_path / "sweep"
    answer = command("train", "-m", *options, "seed=0,1", f"hydra.sweep.dir={sweep}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    job = Run(sweep / "1")
    assert said(job) == ["train, 2 images in 4 views, shared by this sweep", "val, 2 images, shared by this sweep"]
    answer = command("train", *options, "seed=1", f"hydra.run.dir={tmp_path / 'alone'}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert_same(job, Run(tmp_path / "alone"))
