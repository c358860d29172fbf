"""The peak of a run's memory is its own."""

from __future__ import annotations

import numpy as np

from seglight.peak_memory import peak_memory, reset_peak_memory

MB = 1_000_000


def test_what_was_allocated_counts_until_the_next_run() -> None:
    reset_peak_memory()
    before = peak_memory()
    block = np.ones(200 * MB, np.uint8)
    held = peak_memory()
    assert 190 * MB < held - before < 250 * MB
    del block
    assert peak_memory() > held - MB  # the kernel counts pages in batches
    reset_peak_memory()
    assert peak_memory() < held - 150 * MB


def test_what_an_earlier_run_left_behind_does_not_count() -> None:
    """In a cycle, and in a heap that the C library would keep."""
    reset_peak_memory()
    before = peak_memory()
    left: list[object] = [np.ones(60_000, np.uint8) for _ in range(4000)]
    left.append(left)
    kept = np.ones(60_000, np.uint8)  # at the heap's end
    del left
    reset_peak_memory()
    assert peak_memory() < before + 40 * MB
    assert kept.all()
