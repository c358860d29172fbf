"""Average precision and panoptic quality of objects; the true ones are read as three data sets store them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from seglight import compose
from seglight.config import build
from seglight.deploy.prediction import Prediction
from seglight.objects.evaluation import score_objects
from seglight.objects.numbering import Numbering
from seglight.objects.scores import ObjectScores

CITYSCAPES = {24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # label id: class
CLASSES = ("background", "cat", "dog")


def prediction(mask: np.ndarray[Any, Any], classes: Any = CLASSES) -> Prediction:
    return Prediction(mask, np.zeros((*mask.shape, 3), np.uint8), classes, ((0, 0, 0),) * len(classes))


def squares(*boxes: tuple[int, int, int, int, int]) -> np.ndarray[Any, Any]:
    """A mask with a rectangle (class, top, left, bottom, right) each."""
    mask = np.zeros((40, 60), np.uint8)
    for index, top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = index
    return mask


def scored(found: np.ndarray[Any, Any], true: np.ndarray[Any, Any], ignored: Any = None) -> Any:
    scores, number = ObjectScores(CLASSES, [1, 2]), Numbering()
    ids, objects = number(prediction(found))
    truth = number(prediction(true))[0].astype(np.int32)
    if ignored is not None:
        truth[ignored] = -1
    scores.update(ids, objects, found, truth, true)
    return scores.compute()


def answers(mask: np.ndarray[Any, Any], classes: int = 2) -> Any:
    """What a network would say that predicts this mask."""
    logits = torch.eye(classes)[torch.from_numpy(mask).long()].permute(2, 0, 1)[None] * 9
    return lambda net, images: logits


@pytest.mark.slow
def test_all_found_is_1_and_an_absent_class_has_no_score() -> None:
    mask = squares((1, 2, 2, 12, 12), (1, 20, 20, 30, 40))
    means, rows = scored(mask, mask)
    assert means == {"ap50": 1, "pq": 1, "sq": 1, "rq": 1}
    assert [(row["class"], row["true"], row["found"]) for row in rows] == [("cat", 2, 2), ("dog", 0, 0)]
    assert math.isnan(rows[1]["pq"])


def test_quality_is_that_of_the_paper() -> None:
    true = squares((1, 0, 0, 10, 10), (1, 20, 0, 30, 10))
    found = squares((1, 0, 0, 10, 8), (1, 20, 30, 30, 40))  # one at IoU 0.8, one missed, one invented
    means, rows = scored(found, true)
    assert rows[0]["sq"] == pytest.approx(0.8)
    assert rows[0]["rq"] == pytest.approx(1 / (1 + 0.5 + 0.5))
    assert rows[0]["pq"] == pytest.approx(0.4)
    assert 0 < means["ap50"] < 1
    other, _ = scored(squares((2, 0, 0, 10, 10)), squares((1, 0, 0, 10, 10)))  # the right place, another class
    assert (other["pq"], other["ap50"]) == (0, 0)


def test_what_is_found_where_the_truth_is_ignored_counts_nowhere() -> None:
    true = squares((1, 0, 0, 10, 10))
    found = squares((1, 0, 0, 10, 10), (2, 20, 20, 30, 30))
    ignored = np.zeros(true.shape, bool)
    ignored[18:32, 18:32] = True
    means, rows = scored(found, true, ignored)
    assert means["pq"] == 1
    assert rows[1]["found"] == 0


def test_real_cells_score_1_against_themselves(real_data: Path, tmp_path: Path) -> None:
    data = build(compose("data=isbi2012", "data.num_workers=0"), "data")
    del data.listed("val")[1:]
    labels = data.reader("val")(data.listed("val")[0])[1]
    means = score_objects(nn.Identity(), answers(labels), data, Numbering(), tmp_path)
    assert means == {name: pytest.approx(1) for name in ("ap50", "pq", "sq", "rq")}
    assert json.loads((tmp_path / "instances.json").read_text())["val/pq"] == pytest.approx(1)
    head, row = (tmp_path / "instances.csv").read_text().splitlines()
    assert head == "class,ap50,pq,sq,rq,true,found"
    _, true, found = row.rsplit(",", 2)
    assert true == found
    assert int(true) > 50


def test_cityscapes_instance_ids_are_objects_and_groups_are_ignored(real_data: Path) -> None:
    data = build(compose("data=cityscapes", "data.num_workers=0", "data.split=train"), "data")
    pair = data.listed("train")[0]
    assert pair.mask is not None
    labels = data.reader("train").mask(pair)
    true = data.instances(pair, labels)
    stored = np.asarray(Image.open(str(pair.mask).replace("labelIds", "instanceIds")))
    numbers = np.unique(true[true > 0])
    assert len(numbers) > 5
    for number in numbers.tolist():
        assert (labels[true == number] == CITYSCAPES[number // 1000]).all()
    assert ((true == -1) == ((stored >= 24) & (stored < 34))).all()
    assert (true[(labels < 11)] == 0).all()


def test_vocs_objects_and_a_data_set_without_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    ids = squares((1, 0, 0, 10, 10), (2, 0, 10, 10, 20), (255, 12, 0, 14, 60))
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(root / "JPEGImages" / "a.jpg")
    for folder, values in (
        ("SegmentationObject", ids),
        ("SegmentationClass", np.where((ids == 1) | (ids == 2), 8, ids)),
    ):
        picture = Image.fromarray(values.astype(np.uint8))
        picture.putpalette([0, 0, 0] * 256)
        picture.save(root / folder / "a.png")
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text("a\n")
    data = build(compose("data=voc", "data.num_workers=0"), "data")
    (pair,) = data.listed("val")
    true = data.instances(pair, data.reader("val").mask(pair))
    assert np.unique(true).tolist() == [-1, 0, 1, 2]

    blob = answers(squares((8, 0, 0, 10, 20)), 21)
    assert score_objects(nn.Identity(), blob, data, Numbering(), tmp_path)["pq"] == 0  # two cats that touch are not one
    shapes = build(compose("data=shapes", "data.num_workers=0", "data.val_images=1"), "data")
    with pytest.raises(ValueError, match="data=shapes has no instance masks; voc, cityscapes and isbi2012 have"):
        Numbering().check(shapes)
    with pytest.raises(ValueError, match="data=shapes has no instance masks; voc, cityscapes and isbi2012 have"):
        score_objects(nn.Identity(), answers(np.zeros((96, 96), np.uint8), 9), shapes, Numbering(), tmp_path)
