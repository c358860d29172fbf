"""`evaluate`: the same counts on any number of ranks, ensembles, what is written where."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

import seglight
from seglight.config import build
from seglight.data.fingerprint import fingerprint
from seglight.data.pair import Pair
from seglight.evaluate import evaluate
from seglight.evaluation.scoring import score
from seglight.evaluation.subject import changes
from seglight.results.image_scores import ImageScores
from seglight.training.fit import fit
from tests.conftest import TWO_RANKS, Command, Composed, new_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs of other seeds, with five images to evaluate. To be written into by evaluations only."""
    made = [
        new_run(tmp_path_factory.mktemp("runs") / f"run{seed}", f"seed={seed}", "data.val_images=5", "predictions=0")
        for seed in (0, 1)
    ]
    for run in made:
        fit(run)
    return [run.path for run in made]


def counts(path: Path) -> dict[str, Any]:
    with np.load(path) as file:
        return {key: file[key].tolist() for key in file}


@pytest.mark.slow
def test_two_ranks_count_what_one_process_counts(runs: list[Path], command: Command, composed: Composed) -> None:
    before = counts(runs[0] / "scores" / "shapes_val.npz")  # of the training, in one process
    (runs[0] / "scores" / "shapes_val.npz").unlink()
    answer = command("evaluate", f"run={runs[0]}", *TWO_RANKS, "worst=3", "boundary=true")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.rstrip().splitlines()[-1] == f"wrote: {runs[0]}/evaluate/shapes_val"
    assert counts(runs[0] / "scores" / "shapes_val.npz") == before
    folder = runs[0] / "evaluate" / "shapes_val"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["images"], metrics["devices"]) == (5, 2)
    mious = {row["name"]: float(row["miou"]) for row in csv.DictReader((folder / "images.csv").open())}
    worst = sorted(mious, key=lambda name: (mious[name], name))[:3]
    assert sorted(p.name for p in (folder / "worst").iterdir()) == [f"{i:02d}_{n}.jpg" for i, n in enumerate(worst, 1)]
    alone = folder.parent / "alone"
    score(composed(f"run={runs[0]}", f"out={alone}", "worst=0", "boundary=true"))
    for name in ("confusion.csv", "images.csv"):
        assert (alone / name).read_text() == (folder / name).read_text()
    assert counts(alone / "scores" / "shapes_val.npz") == before
    tables = [list(csv.DictReader((where / "per_class.csv").open())) for where in (alone, folder)]
    for alone_row, row in zip(*tables, strict=True):
        for key in ("iou", "accuracy", "precision", "boundary_iou", "boundary_f"):  # the last one is a sum of floats
            assert float(row[key]) == pytest.approx(float(alone_row[key]), abs=1e-12, nan_ok=True)
    one = json.loads((alone / "metrics.json").read_text())
    for name, value in metrics.items():
        if name.startswith("val/"):
            assert one[name] == pytest.approx(value, abs=1e-6), name


def test_an_ensemble_predicts_the_mean_of_the_probabilities(
    runs: list[Path], tmp_path: Path, composed: Composed
) -> None:
    score(composed(f"run=[{runs[0]},{runs[1]}]", f"out={tmp_path}", "save_predictions=true", "worst=0", "palette=safe"))
    data = build(seglight.load_run(runs[0]).cfg, "data")
    sample = data.dataset("val")[2]
    pixels = torch.from_numpy(sample.image).permute(2, 0, 1)[None]
    with torch.inference_mode():
        mean = sum(seglight.load_run(run).net(pixels).softmax(1) for run in runs)
    stored = Image.open(tmp_path / "predictions" / "val_0002.png")
    np.testing.assert_array_equal(np.asarray(stored), mean.argmax(1)[0])
    assert stored.getpalette()[3:6] == [230, 159, 0]  # type: ignore[index]  # the first of Okabe and Ito's
    assert counts(tmp_path / "scores" / "shapes_val.npz")["names"] == [f"val_000{i}" for i in range(5)]
    with pytest.raises(ValueError, match=r"an ensemble is no run's own: out=\.\.\. is needed"):
        score(composed(f"run=[{runs[0]},{runs[1]}]"))


def test_another_way_to_evaluate_leaves_the_runs_own_scores(runs: list[Path], composed: Composed) -> None:
    before = (runs[1] / "scores" / "shapes_val.npz").read_bytes()
    score(composed(f"run={runs[1]}", "inference=slide", "inference.crop=40", "tta=flip", "checkpoint=last", "worst=1"))
    assert (runs[1] / "scores" / "shapes_val.npz").read_bytes() == before
    assert ImageScores.read(runs[1] / "scores" / "shapes_val_last_slide_crop40_flip.npz").gt.sum() == 5 * 64 * 64
    score(composed(f"run={runs[1]}", "fold_norms=true", "worst=0"))
    folded = json.loads((runs[1] / "evaluate" / "shapes_val_folded" / "metrics.json").read_text())
    assert folded["fold_norms"] is True
    assert folded["val/miou"] == pytest.approx(seglight.load_run(runs[1]).summary["val/miou"], abs=1e-3)
    score(composed(f"run={runs[1]}", "data.size=48", "trainer.precision=bf16-mixed", "worst=0"))
    assert (runs[1] / "evaluate" / "shapes_val_size48_bf16-mixed" / "metrics.json").exists()
    assert (runs[1] / "scores" / "shapes_val.npz").read_bytes() == before
    metrics = json.loads((runs[1] / "evaluate" / "shapes_val_last_slide_crop40_flip" / "metrics.json").read_text())
    assert metrics["inference"] == {"name": "slide", "crop": 40, "stride": None}
    assert metrics["tta"]["flip"] is True


def test_the_parts_of_the_errors_and_the_calibration_add_up(
    runs: list[Path], tmp_path: Path, composed: Composed
) -> None:
    score(composed(f"run={runs[0]}", f"out={tmp_path}", "worst=0"))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    parts = [metrics[f"val/errors/{kind}"] for kind in ("boundary", "swap", "missed", "invented")]
    assert sum(parts) == pytest.approx(1)
    rows = list(csv.DictReader((tmp_path / "calibration.csv").open()))
    pixels = np.array([int(row["pixels"]) for row in rows])
    assert pixels.sum() == 5 * 64 * 64
    gaps = np.array([abs(float(row["confidence"]) - float(row["accuracy"])) for row in rows])
    assert np.nansum(pixels * gaps) / pixels.sum() == pytest.approx(metrics["val/ece"], abs=1e-9)
    right = np.nansum(pixels * [float(row["accuracy"]) for row in rows])
    assert right / pixels.sum() == pytest.approx(metrics["val/pixel_acc"], abs=1e-9)
    for name in ("confusion.png", "calibration.png"):
        assert Image.open(tmp_path / name).size[0] > 300


def test_a_run_without_a_checkpoint_is_one_message_and_writes_nothing(tmp_path: Path, composed: Composed) -> None:
    run = new_run(tmp_path / "run")
    before = sorted(run.path.rglob("*"))
    with pytest.raises(FileNotFoundError, match=r"best\.ckpt does not exist \(the run is waiting\)"):
        score(composed(f"run={run.path}"))
    assert sorted(run.path.rglob("*")) == before


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("checkpoint=first", "checkpoint=first: one of best, last is needed"),
        ("worst=-1", "worst=-1"),
        ("boundary_width=-1", "boundary_width=-1: a number from 0 and at most 1 is needed"),
        ("submission=true", "submission=true: data=shapes has no server"),
        ("trainer.accelerator=abacus", "trainer.accelerator=abacus"),
    ],
)
def test_wrong_values_are_one_message(wrong: str, says: str, runs: list[Path], composed: Composed) -> None:
    with pytest.raises(ValueError, match=says):
        evaluate(composed(f"run={runs[0]}", wrong))


def test_a_full_disk_leaves_no_half_written_file(
    runs: list[Path], tmp_path: Path, composed: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    score(composed(f"run={runs[0]}", f"out={tmp_path}", "worst=0"))
    before = (tmp_path / "metrics.json").read_text()

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "images.csv"))

    monkeypatch.setattr("seglight.evaluation.report.image_rows", full)
    with pytest.raises(OSError, match="No space left"):
        score(composed(f"run={runs[0]}", f"out={tmp_path}", "worst=0"))
    assert (tmp_path / "metrics.json").read_text() == before
    assert not list(tmp_path.rglob(".*partial*"))


def test_other_files_under_the_same_names_are_another_evaluation(tmp_path: Path) -> None:
    for folder, value in (("own", 10), ("moved", 10), ("other", 200)):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(tmp_path / folder / "a.png")
    own, trainer = OmegaConf.create({"name": "folder", "root": str(tmp_path / "own"), "fold": 0}), {"precision": "auto"}

    def names(root: str, **more: Any) -> list[str]:
        data = SimpleNamespace(split="val", listed=lambda split: [Pair(tmp_path / root / "a.png", None, "a")])
        given = {**own, "root": str(tmp_path / root), **more}
        hashed = fingerprint([Pair(tmp_path / "own" / "a.png", None, "a")])
        run: Any = SimpleNamespace(
            cfg=OmegaConf.create({"data": own, "trainer": trainer}), summary={"data_hash": {"val": hashed}}
        )
        return changes(OmegaConf.create({"data": given, "trainer": trainer}), run, data)

    assert names("own") == names("moved") == []
    assert names("other") == ["root-other"]
    assert names("own", fold=1) == ["fold1"]
