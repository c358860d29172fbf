"""A short hash of a split's files: it tells whether a data set is still the one that a run was trained on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from seglight.data.pair import Pair

PIECES, PIECE = 16, 4096  # of a larger file: pieces of so many bytes, evenly spread; a smaller one is read whole


def fingerprints(data: Any) -> dict[str, str]:
    """The hash of each split that training uses; none of data that lists no files (drawn, streamed, foreign)."""
    listed = getattr(data, "listed", None)
    if listed is None:
        return {}
    splits = dict.fromkeys((data.train_split, data.split))
    return {str(split): hashed for split in splits if (hashed := fingerprint(listed(split)))}


def fingerprint(pairs: Sequence[Pair]) -> str:
    """Of names, sizes and bytes of all images and masks, in their order; empty where no file is there."""
    files = [path for pair in pairs for path in (pair.image, pair.mask) if path is not None]
    with ThreadPoolExecutor(16) as pool:
        ends = list(pool.map(content_of, files))
    if not any(ends):
        return ""
    hashed = hashlib.blake2b(digest_size=16)
    for pair in pairs:
        hashed.update(f"{pair.name}\0{pair.frame}\0".encode())
    for end in ends:
        hashed.update(end)
    return hashed.hexdigest()


def content_of(path: Path) -> bytes:
    """A file's size and bytes of it, the last ones among them; nothing where there is no such file.

    A compressed image differs to its end wherever it was changed. A large uncompressed one is read in pieces: a change
    between two of them is not seen.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size <= PIECES * PIECE:
                return size.to_bytes(8, "little") + file.read()
            found = size.to_bytes(8, "little")
            for number in range(PIECES):
                file.seek((size - PIECE) * number // (PIECES - 1))
                found += file.read(PIECE)
            return found
    except OSError:
        return b""
