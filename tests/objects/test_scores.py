"""Average precision and panoptic quality of objects; the true ones are read as three data sets store them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seglight import compose
from seglight.callbacks.objects import CountObjects
from seglight.config import build
from seglight.deploy.prediction import Prediction
from seglight.evaluation.report import write_objects
from seglight.objects.numbering import Numbering
from seglight.objects.scores import ObjectScores, merged

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


def evaluated(data: Any, masks: Sequence[np.ndarray[Any, Any]]) -> ObjectScores:
    """What an evaluation counts where the network predicts these masks for the first images of the split."""
    task, counted = SimpleNamespace(look=None), CountObjects(data, Numbering())
    counted.on_validation_start(None, task)
    for pair, mask in zip(data.listed(data.split), masks, strict=False):
        image, labels = data.reader(data.split)(pair)
        logits = torch.eye(len(data.classes))[torch.from_numpy(mask).long()].permute(2, 0, 1)[None] * 9
        pixels, truth = torch.from_numpy(image).permute(2, 0, 1)[None], torch.from_numpy(labels)[None]
        task.look(logits, {"name": [pair.name], "image": pixels, "mask": truth})
    counted.on_validation_end(None, task)
    assert counted.scores is not None
    assert task.look is None
    return counted.scores


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
    nothing, _ = scored(np.zeros_like(true), true)
    assert nothing == {"ap50": 0, "pq": 0, "sq": 0, "rq": 0}


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
    labels = data.reader("val")(data.listed("val")[0])[1]
    scores = evaluated(data, [labels])
    assert scores.compute()[0] == {name: pytest.approx(1) for name in ("ap50", "pq", "sq", "rq")}
    write_objects(tmp_path, "val", scores)
    assert json.loads((tmp_path / "instances.json").read_text())["val/pq"] == pytest.approx(1)
    head, row = (tmp_path / "instances.csv").read_text().splitlines()
    assert head == "class,ap50,pq,sq,rq,true,found"
    _, true, found = row.rsplit(",", 2)
    assert true == found
    assert int(true) > 50


def test_ranks_together_count_what_one_process_counts() -> None:
    blocks = np.random.default_rng(0).integers(0, 3, (5, 4, 6))
    wrong = np.where(np.random.default_rng(1).random(blocks.shape) < 0.2, 0, blocks)
    truths, found = (np.kron(masks, np.ones((1, 10, 10))).astype(np.uint8) for masks in (blocks, wrong))

    def counted(*images: int) -> ObjectScores:
        scores, number = ObjectScores(CLASSES, [1, 2]), Numbering()
        for i in images:
            shares = np.full((3, 40, 60), (i + 1) / 6, np.float32)
            ids, objects = number(Prediction(found[i], found[i], CLASSES, ((0, 0, 0),) * 3, shares))
            scores.update(ids, objects, found[i], number(prediction(truths[i]))[0].astype(np.int32), truths[i])
        return scores

    alone = counted(0, 1, 2, 3, 4).compute()
    assert merged([counted(0, 2, 4), counted(1, 3)]).compute() == alone
    assert 0 < alone[0]["ap50"] < 1


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

    Numbering().check(data)
    with pytest.raises(ValueError, match=r"objects.classes: data=voc has no instance masks of background, but of aero"):
        Numbering(["background"]).check(data)
    blob = squares((8, 0, 0, 10, 20))
    assert evaluated(data, [blob]).compute()[0]["pq"] == 0  # two cats that touch are not one
    (root / "SegmentationObject" / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"SegmentationObject/a\.png"):
        Numbering().check(data)
    shapes = build(compose("data=shapes", "data.num_workers=0", "data.val_images=1"), "data")
    with pytest.raises(ValueError, match="data=shapes has no instance masks; voc, cityscapes and isbi2012 have"):
        Numbering().check(shapes)
