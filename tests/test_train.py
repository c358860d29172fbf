"""`python -m seglight.train` and `evaluate` as a user types them: what they leave behind, and what they refuse."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seglight
from seglight.config import build, resolve
from seglight.runs.run import Run
from seglight.training.job import train_run
from tests.conftest import QUICK, REPO, Command

SCORES = ("val/miou", "val/pixel_acc", "val/mean_acc", "val/fw_iou")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One quick run, made as a user makes it."""
    folder = tmp_path_factory.mktemp("run") / "demo"
    answer = subprocess.run(
        [sys.executable, "-m", "seglight.train", *QUICK, "trainer.max_epochs=2", f"hydra.run.dir={folder}"],
        cwd=folder.parent, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.rstrip().splitlines()[-1] == f"run: {folder}"
    assert "background" in answer.stdout  # the table of classes
    return folder


def test_a_run_directory_holds_what_it_promises(run_dir: Path) -> None:
    names = {p.relative_to(run_dir).as_posix() for p in run_dir.rglob("*") if p.is_file()}
    assert names >= {
        "config.yaml", "overrides.yaml", "summary.json", "metrics.csv", "train.log",
        "checkpoints/best.ckpt", "checkpoints/last.ckpt",
    }  # fmt: skip
    assert sum(name.startswith("predictions/") for name in names) == 4


def test_the_summary_says_what_the_run_was_and_cost(run_dir: Path) -> None:
    summary = json.loads((run_dir / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["epochs"] == 2
    scored = [row for row in csv.DictReader((run_dir / "metrics.csv").open()) if row["val/miou"]]
    best = max(scored, key=lambda row: float(row["val/miou"]))
    assert summary["best_epoch"] == int(float(best["epoch"]))
    for name in SCORES:
        assert summary[name] == pytest.approx(float(best[name]), abs=1e-6)
    assert summary["seed"] == 0
    assert summary["device"] == "cpu"
    assert 0 < summary["train_seconds"] < 300
    assert summary["images_per_second"] == pytest.approx(2 * 8 / summary["train_seconds"], rel=0.01)
    parameters = sum(p.numel() for p in seglight.build_model(seglight.compose(*QUICK)).parameters())
    assert summary["params"] == summary["trainable_params"] == parameters
    assert {name: version(name) for name in ("torch", "lightning", "hydra-core")}.items() <= summary["versions"].items()
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True).stdout.strip()
    assert (summary["git_commit"] or "").removesuffix("-dirty") == head


def test_metrics_csv_has_the_loss_and_the_scores(run_dir: Path) -> None:
    rows = list(csv.DictReader((run_dir / "metrics.csv").open()))
    assert len([row for row in rows if row["val/miou"]]) == 2
    assert {row["frozen_stages"] for row in rows} - {""} == {"0.0"}


@pytest.mark.parametrize("which", ["best", "last"])
def test_checkpoints_load_without_running_code(run_dir: Path, which: str) -> None:
    checkpoint = torch.load(run_dir / "checkpoints" / f"{which}.ckpt", weights_only=True)
    assert any(name.startswith("net.encoder.") for name in checkpoint["state_dict"])


def test_overlays_show_image_truth_and_prediction(run_dir: Path) -> None:
    cfg = seglight.load_run(run_dir).cfg
    data = build(cfg, "data")
    for name, sample in (("val_0000", data.dataset("val")[0]), ("val_0003", data.dataset("val")[3])):
        drawn = np.asarray(Image.open(run_dir / "predictions" / f"{name}.png"))[-64:]
        image, truth, prediction = (drawn[:, start : start + 64].astype(int) for start in (0, 68, 136))
        assert drawn.shape == (64, 3 * 64 + 2 * 4, 3)
        np.testing.assert_array_equal(image, sample.image)
        same = (np.abs(truth - prediction).max(2) == 0).mean()
        right = (seglight.load_run(run_dir).predict(sample.image) == sample.mask).mean()
        assert same == pytest.approx(right, abs=0.002)  # the colours agree where the prediction is right


def test_evaluate_gives_the_scores_again(run_dir: Path, command: Command) -> None:
    answer = command("evaluate", f"run={run_dir}", "data.split=val", "save_predictions=true")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    folder = run_dir / "evaluate" / "shapes_val"
    assert answer.stdout.rstrip().splitlines()[-1] == f"wrote: {folder}"
    metrics, summary = (json.loads(p.read_text()) for p in (folder / "metrics.json", run_dir / "summary.json"))
    for name in SCORES:
        assert metrics[name] == pytest.approx(summary[name], abs=1e-6)
    table = list(csv.reader((folder / "confusion.csv").open()))
    pixels = sum(int(value) for row in table[1:] for value in row[1:])
    assert pixels == 4 * 64 * 64 - sum(
        int((np.asarray(Image.open(p)) == 255).sum()) for p in (folder / "predictions").glob("*.png")
    )
    classes = [row["class"] for row in csv.DictReader((folder / "per_class.csv").open())]
    assert classes[0] == "background"


def test_saved_predictions_are_class_indices_with_a_palette(run_dir: Path, command: Command) -> None:
    assert (
        command(
            "evaluate", f"run={run_dir}", "save_predictions=true", "data.split=test", "data.test_images=3"
        ).returncode
        == 0
    )
    files = sorted((run_dir / "evaluate" / "shapes_test" / "predictions").glob("*.png"))
    assert len(files) == 3
    picture = Image.open(files[0])
    assert picture.mode == "P"
    assert picture.size == (64, 64)
    assert np.asarray(picture).max() < seglight.load_run(run_dir).cfg.data.num_classes


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


def test_the_same_seed_gives_the_same_run(run_dir: Path, command: Command, tmp_path: Path) -> None:
    command("train", *QUICK, "trainer.max_epochs=2", f"hydra.run.dir={tmp_path / 'again'}")
    first, again = seglight.load_run(run_dir, "last").weights(), seglight.load_run(tmp_path / "again", "last").weights()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_max_steps_ends_with_scores_and_checkpoints(command: Command, tmp_path: Path) -> None:
    answer = command(
        "train", *QUICK, "data.train_images=32", "trainer.max_steps=2", f"hydra.run.dir={tmp_path / 'run'}"
    )
    assert answer.returncode == 0, answer.stderr
    scores = [row["val/miou"] for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open()) if row["val/miou"]]
    summary = seglight.load_run(tmp_path / "run").summary
    assert [float(score) for score in scores] == pytest.approx([summary["val/miou"]], abs=1e-6)
    for which in ("best", "last"):
        path = tmp_path / "run" / "checkpoints" / f"{which}.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == 2


def test_a_sweep_is_a_folder_of_runs_and_survives_a_job_that_cannot_be(command: Command, tmp_path: Path) -> None:
    answer = command(
        "train",
        "-m",
        *QUICK,
        "model=fcn32s,fcn8s",
        "encoder=resnet50",
        "encoder.output_stride=8,32",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    runs = [seglight.load_run(tmp_path / "sweep" / str(i)) for i in range(4)]
    assert [run.summary["status"] for run in runs] == ["completed", "completed", "failed", "completed"]
    assert "skips=add8" in runs[2].summary["error"]
    assert "resnet50" in runs[2].summary["error"]
    assert answer.returncode == 1
    assert "1 of 4 jobs failed" in answer.stdout
    assert runs[3].cfg.axes.model == "fcn8s"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["model=fcn9s"], ["fcn9s", "fcn8s"]),
        (["optim.learning_rate=1"], ["learning_rate"]),
        (["data=voc", "data.root=/nowhere"], ["/nowhere", "SEGLIGHT_DATA"]),
        (["model=fcn8s", "skips=add8", "encoder=resnet50", "encoder.output_stride=8"], ["add8", "resnet50"]),
        (["encoder.weights=/nowhere/w.pth"], ["/nowhere/w.pth", "encoder.weights"]),
        (["seed=abc"], ["seed", "abc"]),
        (["trainer.precision=17"], ["precision", "17"]),
    ],
)
def test_a_mistake_costs_one_message(arguments: list[str], says: list[str], command: Command) -> None:
    quick = [a for a in QUICK if a.split("=")[0] not in {b.split("=")[0] for b in arguments}]
    if "data=voc" in arguments:
        quick = [a for a in quick if not re.match(r"data\.(train|val)_images|data\.size", a)]
    answer = command("train", *quick, *arguments)
    assert answer.returncode == 1
    for text in says:
        assert text in answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
    assert len(answer.stderr.strip().splitlines()) < 25


def test_evaluate_says_when_a_folder_is_no_run(command: Command, tmp_path: Path) -> None:
    answer = command("evaluate", f"run={tmp_path}")
    assert answer.returncode == 1
    assert "is not a run directory" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_loss_that_is_not_a_number_stops_the_run(command: Command, tmp_path: Path) -> None:
    answer = command(
        "train",
        *QUICK,
        "optim=sgd",
        "optim.lr=1e30",
        "schedule=constant",
        "trainer.max_epochs=20",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert answer.returncode == 1
    assert re.search(r"the loss is (nan|inf) at step \d+ .*train_\d+", answer.stderr), answer.stderr
    assert seglight.load_run(tmp_path / "run").summary["status"] == "failed"


def test_ctrl_c_ends_cleanly_and_the_run_is_marked(tmp_path: Path) -> None:
    log = tmp_path / "run" / "train.log"
    endless = [*QUICK, "trainer.max_epochs=100000", f"hydra.run.dir={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "seglight.train", *endless],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (log.is_file() and "epoch 2" in log.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in out + err
    run = seglight.load_run(tmp_path / "run", "last")
    assert run.summary["status"] == "interrupted"
    assert run.steps() >= 4  # two epochs of two steps had ended


def test_help_and_cfg_answer_without_importing_torch(command: Command) -> None:
    for arguments, text in ((["--help"], "unet_small"), (["--cfg", "job"], "seglight.models.EncoderDecoder")):
        answer = command("train", *arguments, PYTHONPROFILEIMPORTTIME="1")
        assert answer.returncode == 0
        assert text in answer.stdout
        imported = {
            line.split("|")[-1].strip() for line in answer.stderr.splitlines() if line.startswith("import time:")
        }
        assert "hydra" in imported
        assert not imported & {"torch", "lightning", "numpy", "albumentations"}


def test_last_is_the_latest_epoch_where_best_is_an_earlier_one(command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    still = [*QUICK, "encoder=resnet18", "freeze=norms", "optim=sgd", "optim.lr=0", "trainer.max_epochs=2"]
    answer = command("train", *still, f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stderr
    best, last = (torch.load(run / "checkpoints" / f"{which}.ckpt", weights_only=True) for which in ("best", "last"))
    assert (best["epoch"], last["epoch"]) == (0, 1)


@pytest.mark.parametrize("average", ["ema", pytest.param("swa", marks=pytest.mark.slow)])
def test_averaged_weights_are_what_is_kept(average: str, command: Command, tmp_path: Path) -> None:
    run = tmp_path / "run"
    start = ["average.start=0"] if average == "swa" else ["average.decay=0.5"]
    answer = command("train", *QUICK, f"average={average}", *start, "trainer.max_epochs=2", f"hydra.run.dir={run}")
    assert answer.returncode == 0, answer.stderr
    checkpoint = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    current, kept = checkpoint["current_model_state"], checkpoint["state_dict"]
    weights = [name for name in kept if name.endswith("weight")]
    assert not all(torch.equal(current[name], kept[name]) for name in weights)


def test_a_class_weighing_loss_inside_a_sum_gets_the_data_sets_counts(tmp_path: Path) -> None:
    cfg = resolve(seglight.compose(*QUICK, "loss=ce_dice"))
    cfg.loss.losses[0]["_target_"] = "seglight.losses.cross_entropy.WeightedCrossEntropy"
    train_run(Run.create(tmp_path / "run", cfg, []))
    assert Run(tmp_path / "run").summary["status"] == "completed"
