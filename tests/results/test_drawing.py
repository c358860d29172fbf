"""Masks laid over images look the same wherever they are shown."""

from __future__ import annotations

import numpy as np

from seglight.deploy.colours import overlay
from seglight.results.drawing import objects_over, sheet, side_by_side

PALETTE = ((0, 0, 0), (200, 0, 100))
IMAGE = np.full((4, 6, 3), 100, np.uint8)


def test_classes_are_mixed_in_and_ignored_pixels_are_nearly_white() -> None:
    mask = np.zeros((4, 6), np.uint8)
    mask[1], mask[2] = 1, 255
    shown = overlay(IMAGE, mask, PALETTE, strength=0.5)
    assert shown.dtype == np.uint8
    assert shown[0, 0].tolist() == [50, 50, 50]
    assert shown[1, 0].tolist() == [150, 50, 100]
    assert shown[2, 0].tolist() == [162, 162, 146]


def test_panels_and_sheets_hold_every_picture() -> None:
    picture = np.asarray(side_by_side([IMAGE, IMAGE // 2, IMAGE * 2], ("image", "ground truth", "prediction")))
    values = [picture[-1, left].tolist() for left in (0, 6 + 4, 2 * (6 + 4))]
    assert values == [[100] * 3, [50] * 3, [200] * 3]
    page = sheet([("a", IMAGE, np.ones((4, 6), np.uint8)), ("\uac00", IMAGE, np.full((4, 6), 255, np.uint8))], PALETTE,
                 ("background", "thing"), "title")  # fmt: skip
    colours = set(map(tuple, np.asarray(page).reshape(-1, 3)))
    assert (200, 0, 100) in colours  # the legend of the class that is there
    assert (100, 100, 100) in colours


def test_objects_side_by_side_differ_in_colour_and_what_is_none_stays_as_it_is() -> None:
    ids = np.zeros((5, 12), np.uint16)
    ids[1:4, 1:5], ids[1:4, 5:9] = 1, 2
    shown = objects_over(np.full((5, 12, 3), 100, np.uint8), ids)
    first, second, nothing = (shown[2, column].tolist() for column in (2, 6, 11))
    assert first != second
    assert nothing == [100, 100, 100]
    assert shown[2, 5].tolist() == [255, 255, 255]  # between the two
