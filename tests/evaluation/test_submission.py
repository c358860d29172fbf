"""`submission=true`: on the files for the servers, the official evaluators find the scores that evaluate writes."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seglight
from seglight.colours import voc_colours
from seglight.config import resolve
from seglight.data.cityscapes import CLASSES
from seglight.evaluation.scoring import score
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import Composed

ONE_STEP = (
    "data.train_split=val", "data.crop_size=64", "data.batch_size=2", "data.num_workers=0", "trainer.max_steps=1",
    "trainer.accelerator=cpu", "encoder.weights=null", "trainer.precision=32-true", "predictions=0",
)  # fmt: skip


def trained(path: Path, *overrides: str) -> Run:
    run = Run.create(path, resolve(seglight.compose(*overrides, *ONE_STEP)), [])
    fit(run)
    return run


def test_cityscapes_own_evaluator_gives_our_digits(real_data: Path, tmp_path: Path, composed: Composed) -> None:
    official: Any = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    root = tmp_path / "cityscapes"
    masks: list[str] = []
    for image in sorted((real_data / "cityscapes" / "leftImg8bit" / "train" / "aachen").glob("*.png")):
        name = image.name.removesuffix("_leftImg8bit.png")
        mask = real_data / "cityscapes" / "gtFine" / "train" / "aachen" / f"{name}_gtFine_labelIds.png"
        for source, kind in ((image, "leftImg8bit"), (mask, "gtFine")):  # a part of each frame, to be quick
            target = root / kind / "val" / "aachen" / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(source).crop((700, 300, 1212, 620)).save(target)
        masks.append(str(root / "gtFine" / "val" / "aachen" / mask.name))
    run = trained(tmp_path / "run", "data=cityscapes", f"data.root={root}")
    score(composed(f"run={run.path}", "submission=true", "worst=0"))
    folder = run.path / "evaluate" / "cityscapes_val"
    results = sorted(str(path) for path in (folder / "cityscapes_results").glob("*.png"))
    official.args.evalInstLevelScore = official.args.JSONOutput = False
    official.args.quiet = True
    theirs = official.evaluateImgLists(results, masks, official.args)
    ours = json.loads((folder / "metrics.json").read_text())
    assert ours["val/miou"] == theirs["averageScoreClasses"]
    for name in CLASSES:
        value = theirs["classScores"][name]
        assert ours[f"val/iou/{name}"] == (None if np.isnan(value) else value)
    with zipfile.ZipFile(folder / "cityscapes_results.zip") as archive:
        files = {name for name in archive.namelist() if name.endswith(".png")}
    assert files == {f"cityscapes_results/{Path(result).name}" for result in results}


def test_the_devkits_formula_gives_our_digits_on_voc(real_data: Path, tmp_path: Path, composed: Composed) -> None:
    source, root = real_data / "VOCdevkit" / "VOC2012", tmp_path / "VOC2012"
    names = (source / "ImageSets" / "Segmentation" / "val.txt").read_text().split()[:4]
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split in ("val", "test"):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).symlink_to(source / folder)
    run = trained(tmp_path / "run", "data=voc", f"data.root={root}")
    score(composed(f"run={run.path}", "submission=true", "worst=0"))
    results = run.path / "evaluate" / "voc_val" / "results" / "VOC2012" / "Segmentation" / "comp6_test_cls"
    counts = np.zeros((21, 21))
    for name in names:  # VOCevalseg.m: sum over images, 255 left out
        result = Image.open(results / f"{name}.png")
        assert result.mode == "P"
        assert (result.getpalette() or [])[: 3 * 21] == [value for colour in voc_colours(21) for value in colour]
        predicted, truth = np.asarray(result), np.asarray(Image.open(root / "SegmentationClass" / f"{name}.png"))
        assert predicted.shape == truth.shape
        labelled = truth != 255
        np.add.at(counts, (truth[labelled], predicted[labelled]), 1)
    with np.errstate(invalid="ignore"):
        accuracies = counts.diagonal() / (counts.sum(0) + counts.sum(1) - counts.diagonal())
    ours = json.loads((run.path / "evaluate" / "voc_val" / "metrics.json").read_text())
    found = [np.nan if ours[f"val/iou/{name}"] is None else ours[f"val/iou/{name}"] for name in run.classes]
    np.testing.assert_array_equal(found, accuracies)
    with tarfile.open(run.path / "evaluate" / "voc_val" / "results.tar.gz") as archive:
        assert {name for name in archive.getnames() if name.endswith(".png")} == {
            f"results/VOC2012/Segmentation/comp6_test_cls/{name}.png" for name in names
        }
    # the test split has no masks: the files are written and nothing is scored
    with pytest.raises(ValueError, match=r"data\.split=test: its images have no masks.*submission=true"):
        score(composed(f"run={run.path}", "data.split=test"))
    score(composed(f"run={run.path}", "data.split=test", "submission=true"))
    of_test = run.path / "evaluate" / "voc_test"
    assert sorted(p.name for p in of_test.iterdir()) == ["results", "results.tar.gz"]
    assert not (run.path / "scores" / "voc_test.npz").exists()
