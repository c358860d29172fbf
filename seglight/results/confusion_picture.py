"""confusion.png: which classes are taken for which."""

# Shapes: K classes

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WRITTEN = 25  # classes: more have no room for numbers


def draw_confusion(confusion: NDArray[np.int64], classes: Sequence[str], title: str) -> Any:
    """A matplotlib figure of a confusion matrix [K, K]: each row shows what the pixels of one class were taken for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(classes)
    cell = 0.46 if count <= WRITTEN else 0.2
    figure = Figure(figsize=(3 + cell * count, 2.6 + cell * count), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    pixels = confusion.sum(1, keepdims=True)
    shares = 100 * confusion / np.maximum(pixels, 1)
    shown = axes.imshow(np.where(pixels > 0, shares, np.nan), cmap="Blues", vmin=0, vmax=100)
    axes.set_xticks(range(count), classes, rotation=90)
    axes.set_yticks(range(count), classes)
    axes.tick_params(labelsize=9 if count <= WRITTEN else 6, length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    axes.set_title(title, fontsize=11)
    if count <= WRITTEN:
        for row, column in np.ndindex(count, count):
            if pixels[row] > 0 and shares[row, column] >= 0.5:
                colour = "white" if shares[row, column] > 55 else "black"
                text = f"{shares[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)
    figure.colorbar(shown, ax=axes, label="% of the class's pixels", shrink=0.7)
    return figure
