"""Lists the pairs of a split and checks what can be checked without decoding every file."""

from __future__ import annotations

import codecs
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from seglight.data.decode import image_size
from seglight.data.pair import Pair
from seglight.data.reader import Reader, form, size_mismatch

log = logging.getLogger(__name__)

T = TypeVar("T")
SIZES_CHECKED, FILES_READ = 64, 4  # a few headers and files: tenths of a second on any data set


def read_ids(path: Path) -> list[str]:
    """The ids of a list file, one a line; an id listed twice is an error."""
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # as PowerShell's > writes
        lines = content.decode("utf-16" if wide else "utf-8-sig").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file; expected a list of ids, one a line") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not text in UTF-8; expected a list of ids, one a line") from None
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise ValueError(f"{path}: the list is empty; expected ids, one a line")
    refuse_twice(ids, str(path))
    return ids


def refuse_twice(names: Sequence[str], where: str) -> None:
    """A sample that is listed twice would count twice in every score."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{where}: listed more than once: {', '.join(twice[:5])} ({len(twice)} in all); once expected")


def check_pairs(pairs: Sequence[Pair], reader: Reader, what: str, root: Path | None) -> None:
    """Not empty, no name twice, every file there; sizes and labels of a few, spread over the list."""
    if not pairs:
        raise ValueError(f"{what}: no images{'' if root is None else f' under {root}'}; expected at least one")
    refuse_twice([pair.name for pair in pairs], what)
    if root is None:
        return
    missing = missing_files(pairs)
    if missing:
        raise FileNotFoundError(f"{missing[0]}: no such file ({what} lists it; {len(missing)} missing in all)")
    for pair in spread(pairs, SIZES_CHECKED):
        if pair.mask is not None and (size := form(reader, pair)[:2]) != (stored := image_size(pair.mask)):
            raise size_mismatch(pair, size, stored)
    for pair in spread(pairs, FILES_READ):
        reader(pair)


def say_padding(pairs: Sequence[Pair], reader: Reader, crop: tuple[int, int]) -> None:
    """Warns where crops are larger than the images; a few of them are looked at."""
    sizes = [form(reader, p)[:2] if p.image.is_file() else reader(p)[1].shape for p in spread(pairs, FILES_READ)]
    height, width = (max(side) for side in zip(*sizes, strict=True))
    if height < crop[0] and width < crop[1]:
        log.warning(
            "data.crop_size=[%d, %d] is larger than the images (%d x %d): what is missing is padded and ignored (255)",
            *crop, width, height,
        )  # fmt: skip


def spread(pairs: Sequence[T], count: int) -> Sequence[T]:
    """At most `count` items, evenly spread over the list."""
    return pairs[:: max(1, -(-len(pairs) // max(1, count)))]


def missing_files(pairs: Sequence[Pair]) -> list[Path]:
    """The files that are not there, found by listing each folder once."""
    names: dict[Path, set[str]] = {}
    missing = []
    for path in (path for pair in pairs for path in (pair.image, pair.mask) if path is not None):
        folder = path.parent
        if folder not in names:
            names[folder] = set(os.listdir(folder)) if folder.is_dir() else set()
        if path.name not in names[folder]:
            missing.append(path)
    return missing
