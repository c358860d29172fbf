"""Predicted masks as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seglight.colours import palette_image
from seglight.data.prediction import save_png


def test_a_png_that_cannot_be_written_leaves_the_former_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_png(palette_image(np.zeros((4, 5), np.uint8), [(1, 2, 3)]), path)

    def full(self: Any, target: Path, *_: Any) -> None:
        Path(target).write_bytes(b"\x89PNG")  # a part of it
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_png(palette_image(np.ones((4, 5), np.uint8), []), path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    assert (np.asarray(Image.open(path)) == 0).all()
