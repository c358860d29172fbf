"""What the tests share: where real images are, a quick run on drawn shapes, commands as a user types them."""

from __future__ import annotations

import copy
import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

import seglight
from seglight.cli import CommandLine
from seglight.config import compose, resolve
from seglight.run_options import offer_data_and_trainer
from seglight.runs.run import Run, sweep_runs
from tests.forking import ENVIRONMENT, REPO, Forking

# One optimizer step or two on tiny images: what a test adds to a command line to be quick.
try:  # openvino brings it: its handler closes its stream where Hydra sets logging up, and that is pytest's by then
    from absl.logging import get_absl_handler
except ModuleNotFoundError:
    pass
else:
    get_absl_handler().python_handler.stream = sys.__stderr__

QUICK = (
    "data=shapes", "data.train_images=8", "data.val_images=4", "data.size=64", "data.crop_size=64", "data.batch_size=4",
    "data.num_workers=0", "trainer.max_epochs=1", "trainer.accelerator=cpu", "encoder.weights=null",
    "trainer.precision=32-true",  # some CPUs have bfloat16, which auto takes: results would depend on the machine
)  # fmt: skip

TORCHRUN = (
    "torch.distributed.run",
    "--nproc-per-node",
    "2",
    "--rdzv-backend",
    "c10d",
    "--rdzv-endpoint",
    "localhost:0",
)
TWO_RANKS = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests on real images skip only where it is absent."""
    folder = Path(os.environ.get("SEGLIGHT_DATA", REPO / "data"))
    if not folder.is_dir():
        pytest.skip("no real images: set SEGLIGHT_DATA")
    return folder.resolve()


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """What starts a Python process without the seconds of its imports."""
    started = Forking()
    yield started
    started.close()


@pytest.fixture
def command(tmp_path: Path, forking: Forking) -> Command:
    """`command("train", "model=unet", ...)`: a process in an empty folder, its output as text."""

    def run(name: str, *arguments: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
        python, environment = ["-m", f"seglight.{name}", *arguments], {**os.environ, **ENVIRONMENT, **env}
        if any(key.startswith("PYTHON") for key in env):  # Python reads those as it starts
            return subprocess.run(
                [sys.executable, *python],
                cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=timeout,
            )  # fmt: skip
        return forking.run(python, tmp_path, environment, timeout)

    return run


Composed = Callable[..., DictConfig]


@pytest.fixture
def composed() -> Composed:
    """`composed("run=DIR", ...)`: what `python -m seglight.evaluate` would be given, for this process."""

    def of(*arguments: str) -> DictConfig:
        line = CommandLine(list(arguments))
        offer_data_and_trainer(line)
        return compose(*line.overrides, config_name="evaluate")

    return of


@pytest.fixture
def script(tmp_path: Path, forking: Forking) -> Command:
    """`script(code, "data=shapes", ...)`: a training process that something happens to (tests.failing)."""

    def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return forking.run(["-c", code, *arguments], tmp_path, {**os.environ, **ENVIRONMENT}, 300)

    return run


def start(folder: Path, *command: str) -> subprocess.Popen[str]:
    """`python -m COMMAND` in a folder, as a process that the test watches, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder, env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
    )  # fmt: skip


def until(process: subprocess.Popen[str], text: str) -> None:
    """Reads what a process prints up to the first line with the text."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"it ended without saying {text!r}: {process.communicate()}")


def wait_for(path: Path, text: str, process: subprocess.Popen[str]) -> None:
    """Waits until a file has the text; fails where the process that writes it ends before."""
    deadline = time.monotonic() + 120
    while not (path.is_file() and text in path.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{text} never came into {path}"
        time.sleep(0.1)


def processes(text: str) -> list[str]:
    """The ids of the processes with the text in their command line."""
    return subprocess.run(["pgrep", "-f", text], capture_output=True, text=True).stdout.split()


def statuses(sweep: Path) -> list[str]:
    """How each run of a sweep ended."""
    return [run.summary["status"] for run in sweep_runs(sweep)]


def new_run(path: Path, *overrides: str) -> Run:
    """A quick run that has yet to train in this process."""
    return Run.create(path, resolve(seglight.compose(*QUICK, *overrides)), [])


def rows(run: Run, column: str) -> list[dict[str, str]]:
    """metrics.csv's rows that have a value there."""
    return [row for row in csv.DictReader((run.path / "metrics.csv").open()) if row.get(column)]


def checkpoint(run: Run, which: str) -> dict[str, Any]:
    """What best.ckpt or last.ckpt holds."""
    return torch.load(run.checkpoint_path(which), weights_only=True)  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One quick run, made as a user makes it. To be read only."""
    folder = tmp_path_factory.mktemp("run") / "demo"
    process = start(folder.parent, "seglight.train", *QUICK, "trainer.max_epochs=2", f"hydra.run.dir={folder}")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    assert out.rstrip().splitlines()[-1] == f"run: {folder}"
    assert "background" in out  # the table of classes
    return folder


SURVIVING = (*QUICK, "data.train_images=16", "trainer.max_epochs=3", "trainer.log_every_n_steps=1")  # 3 x 4 steps


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `SURVIVING` that nothing happened to. To be read only."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(folder.parent, "seglight.train", *SURVIVING, f"hydra.run.dir={folder}")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return folder


SHAPES = ("background", "disc", "ring", "square", "cross", "triangle", "star", "line", "wave")


@pytest.fixture(scope="session")
def finished_config() -> dict[str, Any]:
    """A run's config as plain values."""
    return OmegaConf.to_container(resolve(seglight.compose(*QUICK)))  # type: ignore[return-value]


@pytest.fixture
def scored_run(tmp_path: Path, finished_config: dict[str, Any]) -> Callable[..., Path]:
    """`scored_run("sweep/0", skips="add8", skill=0.8)`: the folder of a run that never trained, with scores of images.

    `skill` is the share of pixels that is right; `noise` moves it from image to image, by the run's `seed`.
    All runs have the same ground truth. `typed` are overrides such as `optim.lr=0.1`; other names are axes.
    """

    def make(
        place: str, skill: float = 0.7, seed: int = 0, typed: Sequence[str] = (), images: int = 40, noise: float = 0.02,
        classes: Sequence[str] = SHAPES, evaluation: str = "shapes_val", summary: Mapping[str, Any] | None = None,
        boundary: float = 0.6, **axes: str,
    ) -> Path:  # fmt: skip
        run, rng = Run(tmp_path / place), np.random.default_rng([seed, len(place), *place.encode()])
        truth = np.random.default_rng(0)
        gt = truth.integers(0, 900, (images, len(classes))) * (truth.random((images, len(classes))) < 0.6)
        gt[:, 0] += 2000
        right = np.clip(skill + truth.normal(0, 0.05, gt.shape) + rng.normal(0, noise, gt.shape), 0, 1)
        tp = (gt * right).astype(np.int64)
        wrong = (gt - tp).sum(1)
        pred = tp + np.stack([rng.multinomial(count, np.ones(len(classes)) / len(classes)) for count in wrong])
        kinds = np.stack([(wrong * share).astype(np.int64) for share in (boundary, 0.2, 0.1)])
        (run.path / "scores").mkdir(parents=True)
        names = np.array([f"val_{number:04d}" for number in range(images)])
        counted = dict(zip(("boundary", "swap", "missed"), kinds, strict=True), invented=wrong - kinds.sum(0))
        file = run.path / "scores" / f"{evaluation}.npz"
        np.savez_compressed(file, names=names, classes=np.array(classes), tp=tp, gt=gt, pred=pred, **counted)
        config = copy.deepcopy(finished_config)
        config["axes"].update(axes)
        config["seed"] = seed
        for key, _, value in (override.partition("=") for override in typed):
            node = config
            for part in key.split(".")[:-1]:
                node = node.setdefault(part, {})
            node[key.split(".")[-1]] = yaml.safe_load(value)
        run.write_yaml("overrides.yaml", [*(f"{key}={value}" for key, value in axes.items()), *typed, f"seed={seed}"])
        known = {"status": "completed", "params": 1_000_000, "train_seconds": 100.0, "device": "cpu"}
        run.write_summary({**known, "classes": list(classes), "seed": seed, **(summary or {})})
        run.write_yaml("config.yaml", OmegaConf.create(config))
        return run.path

    return make
