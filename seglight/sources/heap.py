"""Keeps the process from growing while many large blocks come and go."""

from __future__ import annotations

import ctypes
from contextlib import suppress

MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of mallopt(3)
LARGE = 2**20  # bytes


def give_back_large_blocks() -> None:
    """Has the C library hand each freed block of a megabyte and more back to the system at once.

    glibc would raise that limit to what was freed last, up to 32 MB, and keep the blocks below it in a heap that
    crumbles: some 100 MB after 20 windows of a raster. Other C libraries are left as they are.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
