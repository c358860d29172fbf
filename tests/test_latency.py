"""`python -m seglight.latency run=DIR`: every variant measured in its own process, and what cannot be, named."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from omegaconf import DictConfig
from PIL import Image

from seglight import compose
from seglight.latency import latency
from seglight.results.compared import ComparedRun
from seglight.results.costs import costs_of
from seglight.runs.run import Run

pytestmark = pytest.mark.slow


def config(run: Path, *overrides: str) -> DictConfig:
    """What the command line composes."""
    return compose(f"run={run}", *overrides, config_name="latency")


@pytest.fixture
def run(run_dir: Path, tmp_path: Path) -> Run:
    """A run that may be changed."""
    return Run(shutil.copytree(run_dir, tmp_path / "run"))


def test_pytorch_and_an_exported_file_are_measured_at_every_size(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = "sizes=[64,[48,80]]"
    latency(config(run.path, sizes, "variants=[eager,onnx]", "rounds=2", "threads=1", "batch_size=2"))
    folder = run.path / "latency"
    assert sorted(path.name for path in folder.iterdir()) == ["latency.csv", "latency.json", "latency.png"]
    rows = list(csv.DictReader((folder / "latency.csv").open()))
    places = [(row["variant"], row["height"], row["width"]) for row in rows]
    assert places == [("eager", "64", "64"), ("onnx", "64", "64"), ("eager", "48", "80"), ("onnx", "48", "80")]
    for row, result in zip(rows, json.loads((folder / "latency.json").read_text())["results"], strict=True):
        assert len(result["ms"]) == 4  # two a round
        assert float(row["p50_ms"]) == pytest.approx(np.median(result["ms"]), abs=2e-3)
        assert float(row["p95_ms"]) <= max(result["ms"])
        assert float(row["images_per_second"]) == pytest.approx(2000 / np.median(result["ms"]), rel=1e-2)
        assert float(row["peak_memory_mb"]) > 20
    torch_mb, onnx_mb = (float(row["peak_memory_mb"]) for row in rows[:2])
    assert torch_mb > onnx_mb + 100  # torch is not in the other process
    cost = costs_of(ComparedRun("run", run, []))["latency_ms"]
    assert cost == pytest.approx(float(rows[0]["p50_ms"]) / 2, abs=2e-3)  # of one image
    assert run.summary["latency_at"] == "64 x 64, CPU, threads=1, batch_size=2"
    assert Image.open(folder / "latency.png").width > 800
    assert "48 x 80" in capsys.readouterr().out


def test_a_variant_that_cannot_run_is_named_and_the_rest_is_measured(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    latency(config(run.path, "sizes=32", "variants=[compiled,channels_last+bf16]", "rounds=1", "threads=1"))
    assert "not measured: compiled at 32 x 32: torch.compile finds no C++ compiler" in capsys.readouterr().out
    compiled, other = csv.DictReader((run.path / "latency" / "latency.csv").open())
    assert "C++ compiler" in compiled["reason"]
    assert compiled["p50_ms"] == ""
    assert float(other["p50_ms"]) > 0
    assert "latency_ms" not in run.summary  # which is eager's


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["sizes=[[1,2,3]]"], "sizes=.*sides of squares are needed"),
        (["sizes=[0]"], "sizes=0: a whole number from 1"),
        (["variants=[fast]"], "variants=fast: one of eager, channels_last"),
        (["variants=[onnx+bf16]"], r"variants=onnx\+bf16: onnx cannot be joined"),
        (["rounds=0"], "rounds=0: a whole number from 1"),
        (["files=[none.onnx]"], "none.onnx: no such file"),
    ],
)
def test_what_cannot_be_asked_is_refused(overrides: list[str], says: str, run_dir: Path) -> None:
    with pytest.raises((ValueError, OSError), match=says):
        latency(config(run_dir, *overrides))
    assert not (run_dir / "latency").exists()
