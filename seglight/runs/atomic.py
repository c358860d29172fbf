"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def whole_path(target: Path) -> Iterator[Path]:
    """A path to write to that takes the target's place at the end; for libraries that open their files themselves."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(partial):
            raise OSError(error.errno, error.strerror, str(target)) from None  # the name that a user knows
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name is on disk too
    finally:
        os.close(folder)


@contextmanager
def written_whole(target: Path, mode: str = "w", check: Callable[[Path], None] | None = None) -> Iterator[IO[Any]]:
    """A file to write that takes the target's place once it is on disk and `check` has read it; else it is removed."""
    with whole_path(target) as partial:
        with partial.open(mode) as file:
            yield file
        if check is not None:
            check(partial)


def remove_partial(folder: Path) -> None:
    """Removes what a killed process was writing."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)
