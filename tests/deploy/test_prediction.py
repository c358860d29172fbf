"""A prediction is its mask, and shows itself; the safe colours are told apart by colour-blind people."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from seglight.colours import voc_colours
from seglight.deploy.colours import OKABE_ITO, looks, safe_colours, safe_palette
from seglight.deploy.prediction import Prediction

MASK = np.array([[0, 0, 2], [0, 2, 255]], np.uint8)
IMAGE = np.full((2, 3, 3), 100, np.uint8)
PREDICTION = Prediction(MASK, IMAGE, ("background", "cat & dog", "boat"), ((0, 0, 0), (9, 9, 9), (200, 0, 100)))


def test_it_stands_for_its_mask() -> None:
    assert np.asarray(PREDICTION) is MASK
    assert PREDICTION.shape == (2, 3)
    assert (PREDICTION == MASK).all()
    assert (MASK == PREDICTION).all()
    assert (PREDICTION != 0).sum() == 3
    assert PREDICTION[1].tolist() == [0, 2, 255]
    assert np.asarray(PREDICTION, np.int64).dtype == np.int64


def test_shares_are_of_all_pixels_the_largest_first() -> None:
    assert PREDICTION.shares == {"background": pytest.approx(3 / 6), "boat": pytest.approx(2 / 6)}
    assert list(PREDICTION.shares) == ["background", "boat"]
    assert repr(PREDICTION) == "Prediction(3 x 2 pixels: background 50.0%, boat 33.3%)"


def test_a_notebook_shows_the_overlay_and_the_classes_that_are_there() -> None:
    shown = np.asarray(Image.open(io.BytesIO(PREDICTION._repr_png_())))
    assert (shown == PREDICTION.overlay()).all()
    assert shown[0, 2].tolist() == [round(0.45 * 100 + 0.55 * c) for c in (200, 0, 100)]
    page = PREDICTION._repr_html_()
    assert "data:image/png;base64," in page
    assert "rgb(200, 0, 100)" in page
    assert "33.3%" in page
    assert "cat" not in page
    named = Prediction(np.ones((1, 1), np.uint8), IMAGE[:1, :1], PREDICTION.classes, PREDICTION.palette)
    assert "cat &amp; dog" in named._repr_html_()


def test_the_palette_picture_stores_indices() -> None:
    picture = PREDICTION.palette_image()
    assert (np.asarray(picture) == MASK).all()
    assert np.asarray(picture.convert("RGB"))[0, 2].tolist() == [200, 0, 100]


def difference(colours: object) -> float:
    """How different the two most alike colours look to whoever tells them apart worst (CIELAB; 2.3 is just seen)."""
    seen = looks(np.array(colours))
    apart = np.linalg.norm(seen[:, :, None] - seen[:, None], axis=-1)
    return float(apart[:, ~np.eye(len(seen[0]), dtype=bool)].min())


@pytest.mark.parametrize(("count", "least"), [(8, 15), (19, 10), (21, 10), (60, 5)])
def test_safe_colours_differ_for_every_kind_of_sight(count: int, least: float) -> None:
    colours = safe_colours(count)
    assert len(set(colours)) == count
    assert colours[:7] == OKABE_ITO
    assert difference(colours) > least
    assert difference(colours) > 2 * difference(voc_colours(count)[1:])


def test_a_black_background_stays_black() -> None:
    assert safe_palette(((0, 0, 0), (128, 0, 0), (0, 128, 0))) == ((0, 0, 0), *OKABE_ITO[:2])
    assert PREDICTION.with_safe_colours().palette[2] == OKABE_ITO[1]
