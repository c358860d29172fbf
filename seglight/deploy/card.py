"""The model card beside an exported file: data, classes, scores, cost, how to use it. Markdown, as the Hub reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seglight.deploy.about import About


def card(about: About, file: Path, size: int, costs: Sequence[tuple[str, str]], licence: str | None) -> str:
    """Its text. file, size: the export's name and bytes. costs: names and values of what the network costs."""
    loop = 'mask = predictor.predict("image.jpg").mask  # class indices uint8 [H, W]'
    version = about.versions.get("seglight", "")
    shape = "logits float32 [B, K, H, W]" if about.output == "logits" else "class indices uint8 [B, H, W]"
    kind = "uint8" if about.value_range is None else f"float32 from 0 to 255 ({about.value_range} in the files)"
    if about.nodata is not None:
        kind += f", 0 where every band is {about.nodata} (no data; `predict` gives 255 there)"
    parts = [
        f"""---
license: {licence or "unknown"}
library_name: seglight
pipeline_tag: image-segmentation
tags: [semantic-segmentation, {file.suffix.removeprefix(".").replace("xml", "openvino").replace("pt", "torchscript")}]
---

# {about.name}

Semantic segmentation of {len(about.classes)} classes, trained on {about.data} with seglight {version}.

```python
import seglight

predictor = seglight.Predictor("{file.name}")
{loop}
```

Input `images`: {kind} [B, {about.bands}, H, W]{", RGB" if about.bands == 3 else ""}, any number and size.
The network normalises them itself.
Output `{about.output}`: {shape}.
""",
        section("Scores", scores(about), ("score", "value")),
        section("Classes", classes(about), ("index", "class", "colour", "IoU")),
        section("Cost", [*costs, ("file", f"{size / 1e6:,.1f} MB, {about.precision}")], ("what", "value")),
        section(
            "Checked against PyTorch",
            [(where, f"{value:.2g}") for where, value in about.differences.items()],
            ("pixels", "largest difference of the logits" if about.output == "logits" else "share of other classes"),
        ),
        f"## Licence\n\n{licence or 'Not stated. That of the training data may bind the weights too.'}\n",
    ]
    return "\n".join(part for part in parts if part)


def scores(about: About) -> list[tuple[str, str]]:
    """The whole image set's scores, and what int8 cost."""
    rows = [(name, points(value)) for name, value in about.scores.items() if "/iou/" not in name]
    if about.int8:
        said = f"{about.int8['split']}, {about.int8['images']} images: mIoU"
        rows.append((f"{said}, float32", points(about.int8["float32"])))
        rows.append((f"{said}, int8", f"{points(about.int8['int8'])} ({cost(about)})"))
    return rows


def cost(about: About) -> str:
    """What int8 costs, in points of mIoU."""
    return f"{100 * (about.int8['int8'] - about.int8['float32']):+.2f} points"


def classes(about: About) -> list[tuple[str, ...]]:
    """One row a class."""
    iou = {name.partition("/iou/")[2]: value for name, value in about.scores.items() if "/iou/" in name}
    return [
        (str(index), name, "#{:02x}{:02x}{:02x}".format(*colour), points(iou.get(name)))
        for index, (name, colour) in enumerate(zip(about.classes, about.palette, strict=False))
    ]


def points(value: float | None) -> str:
    """A score; a class that does not occur has none."""
    return "-" if value is None else f"{value:.4f}"


def section(title: str, rows: Sequence[Sequence[str]], head: Sequence[str]) -> str:
    """A heading and a table; nothing where there are no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return f"## {title}\n\n" + "".join(f"| {' | '.join(map(safe, line))} |\n" for line in lines)


def safe(text: Any) -> str:
    """A cell's text."""
    return str(text).replace("|", "\\|").replace("\n", " ")
