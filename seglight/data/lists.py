"""Which pairs a list file names, however people write such lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seglight.data.listing import read_ids, refuse_twice
from seglight.data.pair import Pair

COLUMNS = (re.compile(r"\s*[\t,;]\s*"), re.compile(r"\s+"))  # between an image and its mask


def chosen(pairs: Sequence[Pair], path: Path, root: Path) -> list[Pair]:
    """The pairs that a list names, in its order; relative to `root` where the list is not here.

    A line is an id, a file name or a path from the root, the list's folder or the images' folder, with or without
    extension; what follows a tab, comma or space is its mask's path. Raises what is not found, or not clear.
    """
    path = path if path.is_absolute() or path.exists() else root / path
    known: dict[str, list[Pair]] = {}
    for pair in pairs:
        for name in {*names_of(pair, root)}:
            known.setdefault(name, []).append(pair)
    lines = read_ids(path)
    found, missing = [], []
    for line in lines:
        image, mask = columns(line, known, path.parent)
        meant = known.get(image, [])
        if len(meant) > 1:
            raise ValueError(
                f"{path}: {image} may be {meant[0].image} or {meant[1].image}; write it with its folder, from {root}"
            )
        if not meant:
            missing.append(line)
            continue
        there = meant[0]
        found.append(there if mask is None else Pair(there.image, mask_file(mask, root, path), there.name))
    if missing:
        raise FileNotFoundError(
            f"{path}: no image for {missing[0]} ({len(missing)} of {len(lines)} ids); data.images matches "
            f"{len(pairs)} files, e.g. {pairs[0].name if pairs else 'none'}"
        )
    refuse_twice([pair.name for pair in found], str(path))
    return found


def names_of(pair: Pair, root: Path) -> Iterator[str]:
    """What a list may call a pair: its name, and each end of its path, with and without extension."""
    yield pair.name
    yield str(pair.image)
    parts = pair.image.relative_to(root).parts
    for start in range(len(parts)):
        ending = "/".join(parts[start:])
        yield ending
        yield ending.removesuffix(pair.image.suffix)


def columns(line: str, known: dict[str, list[Pair]], folder: Path) -> tuple[str, str | None]:
    """The image of a line as it is known, and the mask where the line has one."""
    for separator in (None, *COLUMNS):
        image, mask = line, None
        if separator is not None:
            parts = separator.split(line, maxsplit=1)
            if len(parts) < 2:
                continue
            image, mask = parts
        plain = image.strip("'\"").replace("\\", "/").removeprefix("./")
        for name in (plain, plain.lstrip("/"), str((folder / plain).resolve())):
            if name in known:
                return name, mask or None
    return line, None


def mask_file(text: str, root: Path, path: Path) -> Path:
    """The mask that a list's second column names: from the root, else from the list's folder."""
    text = text.strip("'\"").replace("\\", "/")
    places = [Path(text), *(base / text.lstrip("/") for base in (root, path.parent))]
    place = next((place for place in places if place.is_file()), None)
    if place is None:
        raise FileNotFoundError(f"{places[1]}: no such file; {path} names it as a mask")
    return place
