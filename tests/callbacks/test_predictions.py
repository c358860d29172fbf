"""predictions/: image, ground truth and prediction side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import seglight
from seglight.config import build


def test_overlays_show_image_truth_and_prediction(run_dir: Path) -> None:
    cfg = seglight.load_run(run_dir).cfg
    data = build(cfg, "data")
    for name, sample in (("val_0000", data.dataset("val")[0]), ("val_0003", data.dataset("val")[3])):
        drawn = np.asarray(Image.open(run_dir / "predictions" / f"{name}.png"))[-64:]
        image, truth, prediction = (drawn[:, start : start + 64].astype(int) for start in (0, 68, 136))
        assert drawn.shape == (64, 3 * 64 + 2 * 4, 3)
        np.testing.assert_array_equal(image, sample.image)
        same = (np.abs(truth - prediction).max(2) == 0).mean()
        right = (seglight.load_run(run_dir).predict(sample.image) == sample.mask).mean()
        assert same == pytest.approx(right, abs=1e-9)  # the colours agree where the prediction is right
