"""Large images and many classes in W&B."""

from __future__ import annotations

import numpy as np

from seglight.callbacks.wandb_evaluations import confusion_plot, with_masks


def test_large_images_and_many_classes_are_made_small_enough_to_keep() -> None:
    image, mask = np.zeros((1024, 2048, 3), np.uint8), np.zeros((1024, 2048), np.uint8)
    shown = with_masks("city", image, mask, mask, {0: "road"})
    assert shown.image.size == (512, 256)
    counts = np.diag(np.arange(1, 151))  # ADE20K's 150 classes
    rows = confusion_plot(counts, [f"class {k}" for k in range(150)]).table.data
    assert len(rows) == 10_000  # W&B cuts what is longer, wherever that falls
    assert sum(count for _, _, count in rows) == counts.sum()
