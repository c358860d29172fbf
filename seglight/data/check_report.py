"""What `check` has counted, as JSON and as a table."""

# Shapes: K classes

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from seglight.data.checking import SplitReport, median_frequency_weights


def summarise(data: Any, reports: list[SplitReport], problems: list[tuple[str, str]]) -> dict[str, Any]:
    """What check.json holds."""
    splits = {}
    for report in reports:
        pixels, images = report.pixels(data.num_classes), report.images(data.num_classes)
        weights = median_frequency_weights(pixels, report.good)
        sides = np.array([reading.size for reading in report.good] or [(0, 0)])
        splits[report.split] = {
            "images": len(report.readings),
            "height": {"min": int(sides[:, 0].min()), "max": int(sides[:, 0].max())},
            "width": {"min": int(sides[:, 1].min()), "max": int(sides[:, 1].max())},
            "sizes": len(np.unique(sides, axis=0)),
            "pixels": dict(zip(data.classes, pixels.tolist(), strict=True)),
            "images_with": dict(zip(data.classes, images.tolist(), strict=True)),
            "ignored_pixels": report.ignored(),
            "class_weights": {
                name: None if np.isnan(weight) else round(float(weight), 4)
                for name, weight in zip(data.classes, weights, strict=True)
            },
        }
    listed = [{"where": where, "problem": problem} for where, problem in problems]
    return {"data": data.name, "root": str(data.root or ""), "splits": splits, "problems": listed}


def class_table(data: Any, summary: dict[str, Any]) -> Table:
    """Pixels and images of each class a split, and the weights that the first split suggests."""
    splits = summary["splits"]
    sizes = ", ".join(
        f"{name} {split['images']} images of {span(split['width'])} x {span(split['height'])}"
        for name, split in splits.items()
    )
    table = Table(title=f"{data.name}: {sizes}")
    table.add_column("class")
    for name in splits:
        table.add_column(f"{name} pixels", justify="right")
        table.add_column(f"{name} images", justify="right")
    table.add_column("weight", justify="right")
    totals = {name: max(1, sum(split["pixels"].values())) for name, split in splits.items()}
    first = next(iter(splits.values()))
    for label in data.classes:
        cells = []
        for name, split in splits.items():
            cells += [f"{100 * split['pixels'][label] / totals[name]:.2f}%", str(split["images_with"][label])]
        weight = first["class_weights"][label]
        table.add_row(label, *cells, "-" if weight is None else f"{weight:.2f}")
    ignored = []
    for name, split in splits.items():
        share = split["ignored_pixels"] / max(1, totals[name] + split["ignored_pixels"])
        ignored += [f"{100 * share:.2f}%", ""]
    table.add_row("(ignored)", *ignored, "", style="dim")
    return table


def span(sides: dict[str, int]) -> str:
    """One number, or the smallest and the largest."""
    return str(sides["min"]) if sides["min"] == sides["max"] else f"{sides['min']}-{sides['max']}"
