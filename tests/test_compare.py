"""`python -m seglight.compare`: a verdict, a table, and files that hold every number."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import seglight
from tests.conftest import Command

Scored = Callable[..., Path]


def test_the_command_prints_the_verdict_and_writes_the_numbers(
    scored_run: Scored, command: Command, tmp_path: Path
) -> None:
    for seed in range(2):
        for skips, skill, milliseconds in (("none", 0.6, 5.0), ("add8", 0.7, 9.0), ("add4", 0.8, 30.0)):
            costs = {"latency_ms": milliseconds, "trainable_params": 250_000 if skips == "add8" else 1_000_000}
            scored_run(f"sweep/{skips}{seed}", skill, seed, skips=skips, summary=costs)
    scored_run("sweep/left", evaluation="shapes_test")
    done = command("compare", "runs=[sweep]", "out=page", "where=latency_ms<20", "resamples=500")
    assert done.returncode == 0, done.stderr + done.stdout
    lines = done.stdout.splitlines()
    assert "left is left out: it has no scores/shapes_val.npz" in lines[0]
    assert lines[1] == "4 of 6 runs meet where=latency_ms<20"
    assert lines[2].startswith("skips=add8 is the best of 2 cells")
    assert lines[-1] == "wrote: page"
    row = next(line for line in lines if "skips=add8 " in line and line.startswith("│"))
    assert [cell.strip() for cell in row.split("│")][6:8] == ["1.00 M", "0.25 M"]  # parameters, and those that train
    record = json.loads((tmp_path / "page" / "compare.json").read_text())
    assert record["verdict"] == [line for line in lines if line in record["verdict"]]
    assert record["best"] == ["add80", "add81"]
    run = next(run for run in record["runs"] if run["name"] == "add80")
    assert run["path"].endswith("sweep/add80")
    assert run["axes"]["skips"] == "add8"
    assert run["costs"]["latency_ms"] == 9
    assert set(run["scores"]) == {"miou", "pixel_acc", "mean_acc", "fw_iou", *(f"iou/{c}" for c in record["classes"])}
    for score in run["scores"].values():
        assert score["low"] <= score["value"] <= score["high"]
    rows = list(csv.DictReader((tmp_path / "page" / "compare.csv").open()))
    assert [row["run"] for row in rows if row["best"] == "True"] == ["add80", "add81"]
    assert float(rows[0]["miou"]) == run["scores"]["miou"]["value"] or rows[0]["run"] != "add80"
    assert Image.open(tmp_path / "page" / "compare.png").width > 600
    page = (tmp_path / "page" / "index.html").read_text()
    assert "default-src 'none'" in page  # it asks no server for anything
    assert len(page) < 25e6


def test_runs_that_cannot_be_compared_are_one_message(scored_run: Scored, command: Command, tmp_path: Path) -> None:
    scored_run("sweep/a")
    scored_run("sweep/b", images=12)
    done = command("compare", "runs=sweep", "out=page")
    assert done.returncode == 1
    assert (
        (done.stdout + done.stderr)
        .strip()
        .startswith("error: these runs were scored on different images: a on 40 images")
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "page").exists()


def test_in_python_a_comparison_has_a_data_frame_and_its_verdict_is_its_text(
    scored_run: Scored, tmp_path: Path
) -> None:
    scored_run("a", 0.6, skips="none")
    scored_run("b", 0.7, skips="add8")
    found = seglight.compare([tmp_path], resamples=500)
    pytest.importorskip("pandas")
    assert found.frame["run"].tolist() == ["b", "a"]
    assert str(found) == "\n".join(found.verdict)


def test_a_run_that_trained_is_compared_with_its_pictures(run_dir: Path, tmp_path: Path) -> None:
    from seglight.results.pictures import pictured

    found = seglight.compare(run_dir, resamples=200)
    assert found.scores.overall["miou"][0] == pytest.approx(seglight.load_run(run_dir).summary["val/miou"], abs=1e-6)
    images = pictured(found.runs)
    assert len(images) == 4
    counts = found.runs[0].counts[0]
    for image in images:  # the masks read back from the pictures are those that were scored
        at = counts.names.index(image.name)
        cells = image.cells[found.runs[0].name]
        assert sum(n for truth, seen, n in cells if truth == seen) == counts.tp[at].sum()
        assert sum(n for _, _, n in cells) == counts.gt[at].sum()


def test_the_comparison_is_logged_where_asked(scored_run: Scored, tmp_path: Path, command: Command) -> None:
    scored_run("sweep/a", 0.6, skips="none")
    scored_run("sweep/b", 0.7, skips="add8")
    loggers = ("logger=[wandb,tensorboard]", "logger.wandb.mode=offline")
    done = command("compare", "runs=sweep", "out=page", "resamples=200", *loggers)
    assert done.returncode == 0, done.stderr + done.stdout
    assert list((tmp_path / "page" / "wandb").glob("offline-run-*/*.wandb"))
    (events,) = (tmp_path / "page").glob("events.out.tfevents*")
    assert b"On these trained networks skips=add8 scores highest" in events.read_bytes()
