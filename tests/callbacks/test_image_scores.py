"""scores/<data>_<split>.npz: the counts of each image, of the evaluation that the run keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seglight
from seglight.callbacks.image_scores import CountImages
from seglight.config import build
from seglight.results.image_scores import ImageScores, scores_file
from seglight.training.fit import fit
from tests.conftest import new_run

KEYS = {"names", "classes", "tp", "gt", "pred", "boundary", "swap", "missed", "invented", "data", "split"}


def test_a_run_keeps_the_counts_of_each_image_of_its_best_evaluation(run_dir: Path) -> None:
    run = seglight.load_run(run_dir)
    data = build(run.cfg, "data")
    with np.load(run_dir / "scores" / "shapes_val.npz", allow_pickle=False) as file:
        stored = {key: file[key] for key in file}
    assert set(stored) == KEYS
    assert stored["names"].tolist() == [f"val_000{i}" for i in range(4)]
    assert stored["classes"].tolist() == list(data.classes)
    assert (str(stored["data"]), str(stored["split"])) == ("shapes", "val")
    for i in range(4):
        sample = data.dataset("val")[i]
        assert sample.image is not None
        assert sample.mask is not None
        prediction = run.predict(sample.image).mask
        right = prediction == sample.mask
        for k in range(9):
            assert stored["tp"][i, k] == (right & (sample.mask == k)).sum()
            assert stored["gt"][i, k] == (sample.mask == k).sum()
            assert stored["pred"][i, k] == (prediction == k).sum()
        assert sum(stored[kind][i] for kind in ("boundary", "swap", "missed", "invented")) == (~right).sum()
    tp, gt, pred = (stored[key].sum(0) for key in ("tp", "gt", "pred"))
    with np.errstate(invalid="ignore"):
        assert np.nanmean(tp / (gt + pred - tp)) == pytest.approx(run.summary["val/miou"], abs=1e-12)


def test_the_counts_are_those_of_the_best_epoch_not_of_the_last(tmp_path: Path) -> None:
    """Rates so high that the scores go up and down."""
    run = new_run(tmp_path / "run", "trainer.max_epochs=4", "optim.lr=0.05", "schedule=constant")
    fit(run)
    assert run.summary["best_epoch"] < 3
    scores = ImageScores.read(scores_file(run.path, "shapes", "val"))
    assert scores.tp.sum() / scores.gt.sum() == pytest.approx(run.summary["val/pixel_acc"], abs=1e-12)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_file_that_holds_no_scores_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "shapes_val.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"shapes_val\.npz holds no scores of images"):
        ImageScores.read(path)
    np.savez(path.open("wb"), names=np.array(["a"]))
    with pytest.raises(ValueError, match=r"shapes_val\.npz holds no scores of images"):
        ImageScores.read(path)


def test_a_name_does_not_lead_out_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of"):
        scores_file(tmp_path, "../../shapes", "val")


def test_an_evaluation_of_other_images_leaves_the_runs_own_counts_alone(tmp_path: Path) -> None:
    def counts(*names: str) -> ImageScores:
        zeros, none = np.zeros((len(names), 2), np.int64), np.zeros(len(names), np.int64)
        shared = {"tp": zeros, "gt": zeros, "pred": zeros, "boundary": none, "swap": none, "missed": none}
        return ImageScores(
            data="d", split="val", names=np.array(names), classes=np.array(["a", "b"]), invented=none, **shared
        )

    path = tmp_path / "d_val.npz"
    counts("1", "2").write(path)
    evaluation = CountImages(path, None)
    assert evaluation.place(path, counts("1", "2")) == path
    assert evaluation.place(path, counts("1", "2", "3")) == tmp_path / "d_val_3_images.npz"
    path.write_bytes(b"damaged")
    assert evaluation.place(path, counts("1", "2", "3")) == path
