"""`evaluate save_predictions=true`: class indices with a palette."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import seglight
from tests.conftest import Command


def test_saved_predictions_are_class_indices_with_a_palette(run_dir: Path, command: Command) -> None:
    assert (
        command(
            "evaluate", f"run={run_dir}", "save_predictions=true", "data.split=test", "data.test_images=3"
        ).returncode
        == 0
    )
    files = sorted((run_dir / "evaluate" / "shapes_test" / "predictions").glob("*.png"))
    assert len(files) == 3
    picture = Image.open(files[0])
    assert picture.mode == "P"
    assert picture.size == (64, 64)
    assert np.asarray(picture).max() < seglight.load_run(run_dir).cfg.data.num_classes
