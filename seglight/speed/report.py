"""What was measured, in the terminal, as JSON and CSV, and as a picture."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seglight.runs.atomic import whole_path, written_whole
from seglight.speed.rounds import Measured

COLUMNS = (
    "variant", "device", "height", "width", "batch_size", "p50_ms", "p95_ms", "images_per_second", "peak_memory_mb",
    "first_call_ms", "reason",
)  # fmt: skip
BAR, REST = "#1f4e8c", "#d1701f"  # told apart by colour-blind people too


def print_table(found: Sequence[Measured], title: str) -> None:
    """A row for each variant and size, then why some have no numbers."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left")
    for name in ("pixels", "variant", "p50 ms", "p95 ms", "images/s", "peak MB"):
        table.add_column(name, justify="left" if name in ("pixels", "variant") else "right", overflow="fold")
    size = None
    for m in (m for m in found if m.reason is None):
        if size not in (None, (m.height, m.width)):
            table.add_section()
        size = (m.height, m.width)
        memory = "-" if m.peak is None else f"{m.peak / 1e6:,.0f}"
        numbers = f"{m.ms(50):,.1f}", f"{m.ms(95):,.1f}", f"{1000 * m.batch / m.ms(50):,.2f}", memory
        table.add_row(f"{m.height} x {m.width}", escape(m.variant), *numbers)
    Console(width=None if sys.stdout.isatty() else 110).print(table)
    reasons: dict[tuple[str, str], list[str]] = {}
    for m in (m for m in found if m.reason is not None):
        reasons.setdefault((m.variant, m.reason or ""), []).append(f"{m.height} x {m.width}")
    for (variant, reason), sizes in reasons.items():
        print(f"not measured: {variant} at {', '.join(sizes)}: {reason}")


def write(found: Sequence[Measured], circumstances: dict[str, Any], folder: Path) -> None:
    """latency.json (every timed call too), latency.csv and latency.png."""
    results = [{**m.row(), "ms": [round(1000 * s, 3) for s in m.turns]} for m in found]
    with written_whole(folder / "latency.json") as file:
        json.dump({**circumstances, "results": results}, file, indent=1)
    with whole_path(folder / "latency.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(m.row() for m in found)
    with whole_path(folder / "latency.png") as path:
        draw([m for m in found if m.reason is None], circumstances["title"], path)


def draw(found: Sequence[Measured], title: str, target: Path) -> None:
    """A column of panels for each size: milliseconds with a line up to p95, and peak memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = list(dict.fromkeys((m.height, m.width) for m in found))
    rows = max(sum((m.height, m.width) == size for m in found) for size in sizes)
    figure = Figure(figsize=(2 + 4.5 * len(sizes), 2 + 0.7 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)  # pyplot would look for a screen
    panels: Any = figure.subplots(2, len(sizes), squeeze=False)
    for column, size in enumerate(sizes):
        here = [m for m in found if (m.height, m.width) == size]
        names = [m.variant for m in here]
        upper, lower = panels[0][column], panels[1][column]
        p50 = [m.ms(50) for m in here]
        bars = upper.barh(names, p50, color=BAR, xerr=[[0] * len(here), [m.ms(95) - m.ms(50) for m in here]])
        upper.bar_label(bars, [f" {value:,.1f}" for value in p50], padding=4)
        upper.set_title(f"{size[0]} x {size[1]} pixels")
        upper.set_xlabel("ms a call: median, line to 95 %")
        bars = lower.barh(names, [(m.peak or 0) / 1e6 for m in here], color=REST)
        lower.bar_label(bars, ["not known" if m.peak is None else f" {m.peak / 1e6:,.0f}" for m in here])
        lower.set_xlabel("MB at the peak")
        for panel in (upper, lower):
            panel.invert_yaxis()
            panel.margins(x=0.2)
    figure.suptitle(title)
    figure.savefig(target, format="png")
