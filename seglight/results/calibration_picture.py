"""calibration.png: how often the network is right where it is so sure (a reliability diagram)."""

# Shapes: M bins

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def draw_calibration(table: NDArray[np.float64], error: float, title: str) -> Any:
    """A matplotlib figure of a calibration's table [M, 3]: pixels, right ones, the sum of their confidences."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 6.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    top, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    pixels, right, sure = table.T
    there, edges = pixels > 0, np.linspace(0, 1, len(table) + 1)
    left, width = edges[:-1][there], 1 / len(table)
    accuracy, confidence = right[there] / pixels[there], sure[there] / pixels[there]
    top.bar(left, accuracy, width, align="edge", color="#0072b2", edgecolor="white", label="right")
    top.plot([0, 1], [0, 1], color="0.3", linestyle="--", label="as often right as sure")
    top.plot(confidence, accuracy, "o", color="#d55e00", label="mean of the bin")
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="share of the pixels that are right")
    top.set_title(f"{title}\nexpected calibration error {error:.4f}", fontsize=11)
    top.legend(loc="upper left")
    below.bar(left, 100 * pixels[there] / pixels.sum(), width, align="edge", color="0.6", edgecolor="white")
    below.set(xlabel="how sure the network is of its class (probability)", ylabel="% of pixels")
    return figure
