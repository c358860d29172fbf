"""curves.png: a run's losses, scores and learning rate over its steps, drawn from metrics.csv."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

TITLES = (
    ("loss", ("train/loss", "train/mean_loss", "val/loss")),
    ("scores", ("val/miou", "val/pixel_acc", "val/mean_acc")),
    ("learning rate", ("lr",)),
)
COLOURS = ("#9db7d5", "#1f4e8c", "#d1701f")  # told apart by colour-blind people too
Curve = tuple[list[float], list[float]]  # steps, values


def draw_curves(metrics: Path, target: Path) -> bool:
    """Writes the picture (PNG); false where there is nothing to draw yet."""
    curves = read_curves(metrics)
    drawn = [(title, [name for name in names if name in curves]) for title, names in TITLES]
    drawn = [(title, names) for title, names in drawn if names]
    if not drawn:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width = 5 * len(drawn)
    figure = Figure(figsize=(width, 4), dpi=110)
    FigureCanvasAgg(figure)  # pyplot would look for a screen
    panels: Any = figure.subplots(1, len(drawn), squeeze=False)[0]
    # margins in inches: a layout that matplotlib computes takes as long as the drawing
    figure.subplots_adjust(left=0.7 / width, right=1 - 0.15 / width, bottom=0.5 / 4, top=1 - 0.35 / 4, wspace=0.2)
    for panel, (title, names) in zip(panels, drawn, strict=True):
        for name, colour in zip(names, COLOURS, strict=False):
            steps, values = curves[name]
            marker = "o" if len(steps) < 40 and name != "train/loss" else ""
            panel.plot(steps, values, label=name, color=colour, marker=marker, markersize=4, linewidth=1.5)
        panel.set_title(title)
        panel.set_xlabel("step")
        panel.locator_params(axis="x", nbins=6)  # five digits side by side
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(target)
    return True


def read_curves(metrics: Path) -> dict[str, Curve]:
    """Every column of metrics.csv that has values, against the optimizer steps made so far."""
    curves: dict[str, Curve] = {}
    if not metrics.is_file():
        return curves
    with metrics.open(newline="") as file:
        for row in csv.DictReader(file):
            if not (row.get("step") or "").isdigit():
                continue
            for name, value in row.items():
                if name in ("step", "epoch") or not value:
                    continue
                steps, values = curves.setdefault(name, ([], []))
                steps.append(int(row["step"]) + 1)
                values.append(float(value))
    return curves
