"""`python -m seglight.train` and `evaluate` as a user types them: what they leave behind, and what they refuse."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import seglight
from seglight.config import resolve
from seglight.runs.run import Run
from seglight.training.job import train_run
from seglight.training.trainer import auto_precision
from tests.conftest import QUICK, REPO, Command


def test_a_run_directory_holds_what_it_promises(run_dir: Path) -> None:
    names = {p.relative_to(run_dir).as_posix() for p in run_dir.rglob("*") if p.is_file()}
    assert names >= {
        "config.yaml", "overrides.yaml", "summary.json", "metrics.csv", "train.log",
        "checkpoints/best.ckpt", "checkpoints/last.ckpt",
    }  # fmt: skip
    assert sum(name.startswith("predictions/") for name in names) == 4


def test_the_same_seed_gives_the_same_run(run_dir: Path, command: Command, tmp_path: Path) -> None:
    command("train", *QUICK, "trainer.max_epochs=2", f"hydra.run.dir={tmp_path / 'again'}")
    first, again = seglight.load_run(run_dir, "last").weights(), seglight.load_run(tmp_path / "again", "last").weights()
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_max_steps_ends_with_scores_and_checkpoints(command: Command, tmp_path: Path) -> None:
    answer = command(
        "train",
        *QUICK,
        "data.train_images=32",
        "trainer.max_steps=2",
        "trainer.precision=auto",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert answer.returncode == 0, answer.stderr
    scores = [row["val/miou"] for row in csv.DictReader((tmp_path / "run" / "metrics.csv").open()) if row["val/miou"]]
    summary = seglight.load_run(tmp_path / "run").summary
    assert summary["precision"] == auto_precision("cpu")
    assert [float(score) for score in scores] == pytest.approx([summary["val/miou"]], abs=1e-6)
    for which in ("best", "last"):
        path = tmp_path / "run" / "checkpoints" / f"{which}.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == 2


@pytest.mark.parametrize(("amx", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_cpu_computes_in_bfloat16_only_where_that_is_faster(
    monkeypatch: pytest.MonkeyPatch, amx: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": amx})
    assert auto_precision("cpu") == precision


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["encoder.weights=/nowhere/w.pth"], ["/nowhere/w.pth", "encoder.weights"]),
        (["trainer.precision=17"], ["precision", "17"]),
    ],
)
def test_a_mistake_costs_one_message(arguments: list[str], says: list[str], command: Command) -> None:
    quick = [a for a in QUICK if a.split("=")[0] not in {b.split("=")[0] for b in arguments}]
    answer = command("train", *quick, *arguments)
    assert answer.returncode == 1
    for text in says:
        assert text in answer.stderr
    assert "Traceback" not in answer.stderr + answer.stdout
    assert len(answer.stderr.strip().splitlines()) < 25


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


def test_a_class_weighing_loss_inside_a_sum_gets_the_data_sets_counts(tmp_path: Path) -> None:
    cfg = resolve(seglight.compose(*QUICK, "loss=ce_dice"))
    cfg.loss.losses[0]["_target_"] = "seglight.losses.cross_entropy.WeightedCrossEntropy"
    train_run(Run.create(tmp_path / "run", cfg, []))
    assert Run(tmp_path / "run").summary["status"] == "completed"


def test_ctrl_c_before_a_run_has_begun_is_no_traceback(script: Command, tmp_path: Path) -> None:
    program = (
        "import os, signal, seglight.train as t\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "t.prepare = lambda *line: os.kill(os.getpid(), signal.SIGINT) or []\n"
        "t.main()"
    )
    answer = script(program, *QUICK, f"hydra.run.dir={tmp_path / 'run'}")
    assert (answer.returncode, answer.stdout, answer.stderr) == (130, "", "")
    assert not (tmp_path / "run").exists()
