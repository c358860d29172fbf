"""A lock that one process at a time holds, and that ends with it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HeldByAnotherError(ValueError):
    """Another process has it."""


@contextmanager
def held(path: Path, wait: bool) -> Iterator[None]:
    """Holds the lock file `path`; where another process has it, waits for it or raises `HeldByAnotherError`."""
    with path.open("w") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))  # flock would outlive us in our workers
        except (BlockingIOError, PermissionError):
            raise HeldByAnotherError(f"{path} is locked by another process") from None
        yield
