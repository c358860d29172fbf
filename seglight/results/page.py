"""index.html: a comparison as one page that opens offline. Its data is JSON; its script writes names as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seglight.results.costs import COSTS
from seglight.results.curves import read_curves
from seglight.results.pictures import pictured
from seglight.runs.atomic import written_whole

if TYPE_CHECKING:
    from seglight.results.comparison import Comparison

PARTS = Path(__file__).parent / "page_parts"
SCRIPTS = ("base.js", "table.js", "charts.js", "axes.js", "images.js")
POINTS = 120  # of a curve
LARGEST = 24_000_000  # bytes: below what mail takes
CURVES = ("val/miou", "val/pixel_acc", "val/loss", "train/mean_loss", "train/loss")


def write_page(comparison: Comparison, numbers: dict[str, Any], path: Path) -> None:
    """The page with everything in it; pictures of fewer images where many runs would make it too large."""
    from plotly.offline import get_plotlyjs

    template = (PARTS / "page.html").read_text()
    content = page_data(comparison, numbers)
    while len(text := as_json(content)) > LARGEST - 5_000_000 and content["pictures"]:
        content["pictures"].pop()
    parts = {
        "/*style*/": (PARTS / "page.css").read_text(),
        "/*plotly*/": get_plotlyjs().replace("</script", "<\\/script"),
        "/*data*/": text,
        "/*script*/": "\n".join((PARTS / name).read_text() for name in SCRIPTS),
    }
    with written_whole(path) as file:
        for piece in split_at(template, list(parts)):
            file.write(parts.get(piece, piece))


def split_at(template: str, marks: Sequence[str]) -> list[str]:
    """The template in pieces, each mark a piece of its own: what fills one mark is never searched for another."""
    pieces = [template]
    for mark in marks:
        before, found, after = pieces[-1].partition(mark)
        pieces[-1:] = [before, found, after]
    return pieces


def page_data(c: Comparison, numbers: dict[str, Any]) -> dict[str, Any]:
    """compare.json's content, and what the page alone shows: curves, pictures, colours."""
    return {
        **numbers,
        "cost_names": COSTS,
        "curves": {run.name: curves(run.run.path / "metrics.csv") for run in c.runs},
        "pictures": [asdict(image) for image in pictured(c.runs)],
        "palette": [list(colour) for colour in c.runs[0].palette],
    }


def curves(path: Path) -> dict[str, list[list[float]]]:
    """Steps and values of the curves that are shown, of a long one every so many."""
    found = read_curves(path)
    shown = {}
    for name in CURVES:
        if name in found and not (name == "train/loss" and "train/mean_loss" in found):
            steps, values = found[name]
            every = -(-len(steps) // POINTS)
            shown[name] = [steps[::every], values[::every]]
    return shown


def as_json(content: Any) -> str:
    """JSON that can stand inside a script element; five digits are more than anything here is known to."""
    text = json.dumps(rounded(content), separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def rounded(content: Any) -> Any:
    if isinstance(content, float):
        return float(f"{content:.5g}") if content == content else None
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    return [rounded(value) for value in content] if isinstance(content, list | tuple) else content
