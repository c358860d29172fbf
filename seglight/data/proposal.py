"""A class table for masks that have none: what they store, as a draft to edit."""

# Shapes: H W pixels

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.colours import Colour
from seglight.data.decode import read_mask
from seglight.data.pair import Pair
from seglight.data.progress import progress_bar
from seglight.data.reader import LOSSY
from seglight.data.workers import own_cores
from seglight.ignore import IGNORE_INDEX

MOST = 254  # classes
APART, RARE = 32, 0.001  # in JPEG masks: values nearer to a frequent one are that one; so is what is rarer than this
NOTHING = (0, (0, 0, 0))  # what usually stands for no object

Value = int | Colour


@dataclass
class Stored:
    """What masks store: pixels of each number or colour, and masks that have it."""

    masks: int = 0
    pixels: Counter[Value] = field(default_factory=Counter)
    held_by: Counter[Value] = field(default_factory=Counter)
    palette: Mapping[int, Colour] = field(default_factory=dict)
    spread: int = 0  # by how much JPEG changed them, at most

    def share(self, value: Value) -> float:
        return self.pixels[value] / max(1, self.pixels.total())


def look(pairs: Sequence[Pair], title: str) -> Stored:
    """Reads every mask. ValueError where they store more values than there can be classes."""
    labelled = [(pair.mask, pair.frame) for pair in pairs if pair.mask is not None]
    found = Stored()
    with progress_bar(title, len(labelled)) as advance, ThreadPoolExecutor(own_cores()) as pool:
        for counts in pool.map(lambda place: counted(read_mask(*place)), labelled):
            found.masks += 1
            found.pixels.update(counts)
            found.held_by.update(counts.keys())
            advance()
    if not labelled:
        raise ValueError(f"{title}: there are no masks to look at")
    if any(path.suffix.lower() in LOSSY for path, _ in labelled):
        found = frequent(found)
    elif len(found.pixels) > MOST:
        kind = "numbers" if isinstance(next(iter(found.pixels)), int) else "colours"
        raise ValueError(
            f"{title}: masks hold {len(found.pixels):,} {kind}, e.g. {labelled[0][0]}; at most {MOST} can be classes: "
            "are they photos, or does each object have its own?"
        )
    found.palette = palette_of(labelled[0][0])
    return found


def counted(stored: NDArray[Any]) -> dict[Value, int]:
    """Pixels of each number [H, W] or colour [H, W, 3]."""
    if stored.ndim == 2:
        values, counts = np.unique(stored, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    codes = (stored.astype(np.int32) << np.array([16, 8, 0])).sum(-1)
    values, counts = np.unique(codes, return_counts=True)
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in values.tolist()]
    return dict(zip(colours, counts.tolist(), strict=True))


def frequent(found: Stored) -> Stored:
    """The values that masks stored before JPEG changed some of them: those that are frequent, and far apart."""
    kept = Stored(found.masks)
    for value, count in found.pixels.most_common():
        near = min(kept.pixels, key=lambda other: apart(value, other), default=value)
        if not kept.pixels or (apart(value, near) > APART and found.share(value) > RARE and len(kept.pixels) < MOST):
            near = value
            kept.held_by[value] = found.held_by[value]
        kept.pixels[near] += count
        kept.spread = max(kept.spread, apart(value, near))
    return kept


def apart(one: Value, other: Value) -> int:
    """How far two numbers or colours are apart, in the channel where it is most."""
    return int(np.abs(np.subtract(one, other)).max())


def palette_of(path: Path) -> dict[int, Colour]:
    """The colours that a palette PNG shows its numbers in."""
    try:
        with Image.open(path) as image:
            colours = image.getpalette() if image.mode == "P" else None
    except (OSError, ValueError):
        return {}
    triples = zip(*[iter(colours or [])] * 3, strict=False)
    return {index: (red, green, blue) for index, (red, green, blue) in enumerate(triples)}


def draft(found: Stored) -> tuple[str, int]:
    """The text of a classes.yaml that reads these masks, and how many classes it has."""
    values = sorted(found.pixels)
    ignored = [IGNORE_INDEX] if IGNORE_INDEX in values and values != [0, IGNORE_INDEX] else []
    rows = []
    for index, value in enumerate(value for value in values if value not in ignored):
        rows.append(f"  - {{name: {name_of(value, index, values)}, {stored_as(value, found)}}}  # {said(value, found)}")
    lines = [
        "# A draft: what the masks store. Write the classes' names, and move to `ignore` what is none.",
        "classes:",
    ]
    lines += [*rows, f"ignore: {ignored}{f'  # {said(ignored[0], found)}' if ignored else ''}"]
    return "\n".join(lines) + "\n", len(rows)


def name_of(value: Value, index: int, values: Sequence[Value]) -> str:
    """A name to begin with."""
    if value in NOTHING:
        return "background"
    if len(values) == 2 and values[0] in NOTHING:
        return "object"
    return f"class_{value if isinstance(value, int) else index}"


def stored_as(value: Value, found: Stored) -> str:
    """The keys of a row that say how a class is stored, and the colour that it is shown in."""
    if not isinstance(value, int):
        return f"colour: {list(value)}"
    return f"id: {value}" + (f", colour: {list(found.palette[value])}" if value in found.palette else "")


def said(value: Value, found: Stored) -> str:
    return f"{found.share(value):.2%} of the pixels, in {found.held_by[value]} of {found.masks} masks"
