"""Objects are connected regions of a class; those that touch are split at their necks, or along a border class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seglight.deploy.prediction import Prediction
from seglight.objects.numbering import Numbering
from seglight.objects.table import csv_of

CLASSES = ("background", "cell", "border", "dog")


def prediction(mask: np.ndarray[Any, Any], **more: Any) -> Prediction:
    height, width = mask.shape
    image = np.zeros((height, width, 3), np.uint8)
    return Prediction(mask.astype(np.uint8), image, CLASSES, ((0, 0, 0),) * 4, **more)


def discs(*centres: tuple[int, int], radius: int = 10, height: int = 40, width: int = 60) -> np.ndarray[Any, Any]:
    rows, columns = np.ogrid[:height, :width]
    return np.any([(rows - y) ** 2 + (columns - x) ** 2 <= radius**2 for y, x in centres], axis=0)


def test_each_component_of_each_class_is_an_object_with_its_box_and_area() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 0:3] = 1
    mask[2, 3] = 1  # touches at a corner: another one
    mask[4:6, 5:8] = 3
    shares = np.zeros((4, 6, 8), np.float32)
    shares[1], shares[3] = 0.5, 0.25
    ids, objects = Numbering()(prediction(mask, probabilities=shares))
    assert ids.dtype == np.uint16
    assert [(o.number, o.name, o.area, o.left, o.top, o.right, o.bottom, o.score) for o in objects] == [
        (1, "cell", 6, 0, 0, 3, 2, 0.5), (2, "cell", 1, 3, 2, 4, 3, 0.5), (3, "dog", 6, 5, 4, 8, 6, 0.25)
    ]  # fmt: skip
    assert (ids > 0).tolist() == (mask > 0).tolist()
    assert [int((ids == o.number).sum()) for o in objects] == [6, 1, 6]
    assert csv_of(objects).splitlines()[:2] == ["number,class,area,left,top,right,bottom,score", "1,cell,6,0,0,3,2,0.5"]
    kept, few = Numbering(classes=["cell"], min_area=2)(prediction(mask))
    assert [(o.number, o.area, o.score) for o in few] == [(1, 6, None)]
    assert kept.max() == 1


@pytest.mark.parametrize("name", ["background", "Background", "_background_"])
def test_the_background_has_no_objects_however_it_is_written(name: str) -> None:
    assert Numbering().indices([name, "cell", "dog"]) == [1, 2]
    assert Numbering(classes=[name]).indices([name, "cell"]) == [0]  # asked for


def test_touching_objects_are_split_at_their_neck() -> None:
    mask = discs((20, 20), (20, 36))
    assert len(Numbering()(prediction(mask))[1]) == 1
    ids, objects = Numbering(split="distance")(prediction(mask))
    assert len(objects) == 2
    assert ids[20, 20] != ids[20, 36]
    assert ((ids > 0) == mask).all()
    assert abs(objects[0].area - objects[1].area) < 0.1 * mask.sum()
    assert abs(objects[0].right - 28) <= 2  # half way
    assert len(Numbering(split="distance", depth=5.0)(prediction(mask))[1]) == 1  # the neck is not that narrow
    line = np.zeros((9, 40), np.uint8)
    line[4, 2:30], line[8, 39] = 1, 1
    assert [o.area for o in Numbering(split="distance", depth=3.0)(prediction(line))[1]] == [28, 1]


def test_a_border_class_parts_objects_and_is_dealt_out_to_them() -> None:
    mask = np.zeros((10, 21), np.uint8)
    mask[2:8, 2:19] = 1
    mask[2:8, 9:12] = 2
    ids, objects = Numbering(split="border")(prediction(mask))
    assert [o.name for o in objects] == ["cell", "cell"]
    assert ((ids > 0) == (mask > 0)).all()
    assert ids[4, 9] == ids[4, 3]
    assert ids[4, 11] == ids[4, 17]


def test_nothing_is_found_in_an_empty_mask_and_unknown_classes_are_named() -> None:
    for split in ("none", "distance", "border"):
        ids, objects = Numbering(split=split)(prediction(np.zeros((1, 1))))
        assert objects == []
        assert ids.tolist() == [[0]]
    with pytest.raises(ValueError, match=r"objects\.classes=cat: one of background, cell, border, dog is needed"):
        Numbering(classes=["cat"])(prediction(np.zeros((1, 1))))
    with pytest.raises(ValueError, match=r"objects\.split=skin: one of none, distance, background"):
        Numbering(split="skin")(prediction(np.zeros((1, 1))))
