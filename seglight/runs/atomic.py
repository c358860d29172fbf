"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def written_whole(target: Path, mode: str = "w", check: Callable[[Path], None] | None = None) -> Iterator[IO[Any]]:
    """A file to write that takes the target's place once it is on disk and `check` has read it; else it is removed."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open(mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(partial)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name is on disk too
    finally:
        os.close(folder)


def remove_partial(folder: Path) -> None:
    """Removes what a killed process was writing."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)
