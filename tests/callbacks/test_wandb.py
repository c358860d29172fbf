"""What W&B wrote, read back from its own files: one run a job, and what a comparison needs in each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import seglight
from seglight.config import AXES
from tests.conftest import QUICK, TWO_RANKS, Command
from tests.forking import ENVIRONMENT, Forking

KEY = "c0ffee" * 6 + "cafe"  # as long as a real one

CLASSES = ["background", "disc", "ring", "square", "cross", "triangle", "star", "line", "wave"]


def written(run: Path) -> list[Path]:
    """W&B's files of a run directory, oldest first."""
    return sorted(run.glob("wandb/offline-run-*/run-*.wandb"))


@cache
def decoded(path: Path) -> list[dict[str, Any]]:
    """Every record of a finished run, by W&B's own reader."""
    answer = subprocess.run(
        [Path(sys.executable).with_name("wandb"), "leet", "inspect", "--json", path], capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


def records(path: Path, kind: str) -> list[dict[str, Any]]:
    """The records of one kind, in order."""
    return [record[kind] for record in decoded(path) if record["type"] == kind]


def history(path: Path, key: str) -> list[Any]:
    return [row["item"][key] for row in records(path, "history") if key in row["item"]]


def config(path: Path) -> dict[str, Any]:
    return {key: value for record in records(path, "config") for key, value in record["update"].items()}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory, forking: Forking) -> Path:
    """Two jobs with two loggers, an API key in the environment."""
    folder = tmp_path_factory.mktemp("sweeps") / "skips"
    answer = forking.run(
        [
            "-m", "seglight.train", "-m", *QUICK, "skips=concat,none",
            "logger=[wandb,tensorboard]", "logger.wandb.tags=[skips,small]", "logger.wandb.watch=gradients",
            "trainer.max_epochs=2", "trainer.log_every_n_steps=1", f"hydra.sweep.dir={folder}",
        ],
        folder.parent, {**os.environ, **ENVIRONMENT, "WANDB_MODE": "offline", "WANDB_API_KEY": KEY}, 300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder


@pytest.fixture(scope="module")
def jobs(sweep: Path) -> list[Path]:
    """The one W&B file of each job."""
    files = [written(sweep / str(i)) for i in range(2)]
    assert [len(found) for found in files] == [1, 1]
    return [found[0] for found in files]


def test_each_job_is_one_run_of_the_sweeps_group(sweep: Path, jobs: list[Path]) -> None:
    runs = [records(job, "run")[0] for job in jobs]
    assert {run["run_group"] for run in runs} == {"skips"}
    assert {run["job_type"] for run in runs} == {"train"}
    assert {run["project"] for run in runs} == {"seglight"}
    assert [run["display_name"] for run in runs] == ["skips/0", "skips/1"]
    assert [run["tags"] for run in runs] == [["skips", "small"]] * 2
    ids = [run["run_id"] for run in runs]
    assert len(set(ids)) == 2
    assert ids == [seglight.load_run(sweep / str(i)).summary["wandb_id"] for i in range(2)]
    assert [records(job, "exit")[0]["exit_code"] for job in jobs] == [0, 0]


def test_the_axes_are_flat_strings_and_the_config_is_one_key(sweep: Path, jobs: list[Path]) -> None:
    configs = [config(job) for job in jobs]
    assert [(c["skips"], c["freeze"]) for c in configs] == [("concat", "none"), ("none", "none")]
    for i, logged in enumerate(configs):
        assert all(isinstance(logged[axis], str) for axis in AXES)
        assert logged["cfg"] == OmegaConf.to_container(seglight.load_run(sweep / str(i)).cfg)


def test_scores_are_logged_by_epoch_and_the_summary_keeps_the_best_epochs(sweep: Path, jobs: list[Path]) -> None:
    for i, job in enumerate(jobs):
        scores = [row["item"] for row in records(job, "history") if "val/miou" in row["item"]]
        assert [row["epoch"] for row in scores] == [0, 1]
        assert {f"val/iou/{name}" for name in CLASSES} <= set(scores[0])
        assert len(history(job, "train/loss")) == 4
        patterns = {m.get("glob_name"): m for m in records(job, "metric")}
        assert patterns["val/*"]["step_metric"] == "epoch"
        assert patterns["train/*"]["step_metric"] == "trainer/global_step"
        last = {key: value for record in records(job, "summary") for key, value in record["update"].items()}
        summary = seglight.load_run(sweep / str(i)).summary
        for score in ("miou", "pixel_acc", "mean_acc", "fw_iou"):  # of one evaluation each
            assert last[f"val/{score}"] == scores[-1][f"val/{score}"]
            assert last[f"best/{score}"] == summary[f"val/{score}"]
        assert (last["params"], last["train_seconds"]) == (summary["params"], summary["train_seconds"])


def test_classes_confusion_matrix_and_the_same_images_are_in_every_run(sweep: Path, jobs: list[Path]) -> None:
    pictures = []
    for i, job in enumerate(jobs):
        files = job.parent / "files"
        table = json.loads((files / history(job, "classes.path")[-1]).read_text())
        assert table["columns"] == ["class", "iou", "accuracy", "precision", "pixels"]
        summary = seglight.load_run(sweep / str(i)).summary
        assert [row[:2] for row in table["data"]] == [[name, summary[f"val/iou/{name}"]] for name in CLASSES]
        counts = json.loads((files / history(job, "confusion_matrix_table.path")[-1]).read_text())
        assert counts["columns"] == ["Actual", "Predicted", "nPredictions"]
        assert sum(row[2] for row in counts["data"]) == sum(row[4] for row in table["data"])
        assert history(job, "predictions.captions")[-1] == ["val_0000", "val_0001", "val_0002", "val_0003"]
        masks = history(job, "predictions.all_masks")[-1]
        assert {tuple(sorted(mask)) for mask in masks} == {("ground_truth", "prediction")}
        labels = config(job)["_wandb"]["mask/class_labels"]["predictions_wandb_delimeter_prediction"]["value"]
        assert labels == {**{str(k): name for k, name in enumerate(CLASSES)}, "255": "ignored"}
        pictures.append([(files / name).read_bytes() for name in history(job, "predictions.filenames")[-1]])
    assert pictures[0] == pictures[1]
    assert len(set(pictures[0])) == 4


def test_gradients_have_the_same_names_in_every_job_of_a_sweep(jobs: list[Path]) -> None:
    names = [{key for row in records(job, "history") for key in row["item"] if "gradients" in key} for job in jobs]
    assert names[0] == names[1] != set()
    assert all(name.startswith("gradients/") for name in names[0])


def test_several_loggers_at_once(sweep: Path) -> None:
    for i in range(2):
        assert (sweep / str(i) / "metrics.csv").is_file()
        assert list((sweep / str(i)).glob("events.out.tfevents.*"))


def test_no_api_key_is_in_any_file(sweep: Path, jobs: list[Path]) -> None:
    files = [path for path in sweep.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_run_completes_where_wandb_cannot_be_reached(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "2", "WANDB_API_KEY": KEY}
    answer = command("train", *QUICK, "logger=wandb", f"hydra.run.dir={run}", **nowhere)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "The run is kept offline: `wandb sync" in (run / "train.log").read_text()
    assert seglight.load_run(run).summary["status"] == "completed"
    assert len(history(written(run)[0], "val/miou")) == 1
    assert [path for path in run.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()] == []


@pytest.mark.slow
def test_a_failed_run_is_failed_in_wandb_too(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    diverging = ["optim=sgd", "optim.lr=1e30", "schedule=constant", "trainer.max_epochs=20"]
    assert command("train", *QUICK, *diverging, "logger=wandb", f"hydra.run.dir={run}").returncode == 1
    assert [record["exit_code"] for record in records(written(run)[0], "exit")] == [1]


@pytest.mark.slow
def test_two_ranks_are_one_run_which_a_resume_continues(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = [*QUICK, *TWO_RANKS, "data.val_images=5", "predictions=3"]
    answer = command("train", *small, "logger=wandb", f"hydra.run.dir={run}")  # not logged in: offline
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert len(written(run)) == 1
    images = ["val_0000", "val_0001", "val_0002"]  # as one process has them
    assert history(written(run)[0], "predictions.captions")[-1] == images
    assert sorted(path.stem for path in (run / "predictions").iterdir()) == images

    answer = command("train", f"resume={run}", "trainer.max_epochs=2", "trainer.devices=1")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    first, second = written(run)
    identity = seglight.load_run(run).summary["wandb_id"]
    assert [records(path, "run")[0]["run_id"] for path in (first, second)] == [identity, identity]
    assert [history(path, "epoch")[-1] for path in (first, second)] == [0, 1]
    assert config(second)["cfg"]["trainer"]["max_epochs"] == 2
    assert [records(path, "exit")[0]["exit_code"] for path in (first, second)] == [0, 0]
