"""Counts the pixels of each class, reading masks in parallel."""

# Shapes: K classes

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from seglight.data.pair import Pair
from seglight.data.reader import Reader
from seglight.data.workers import own_cores


def count_classes(pairs: Sequence[Pair], reader: Reader, num_classes: int, skip: bool = False) -> Tensor:
    """Pixels of each class over all masks, int64 [K]; ignored pixels are left out.

    `skip` leaves unreadable masks out: training names them, and refuses too many.
    """

    def one(pair: Pair) -> Tensor:
        try:
            mask = reader.mask(pair)
        except (ValueError, OSError):
            if not skip:
                raise
            return torch.zeros(num_classes, dtype=torch.int64)
        return torch.from_numpy(np.bincount(mask.reshape(-1), minlength=256)[:num_classes])

    total = torch.zeros(num_classes, dtype=torch.int64)
    with ThreadPoolExecutor(own_cores()) as pool:  # decoding releases the interpreter lock
        for counts in pool.map(one, (pair for pair in pairs if pair.mask is not None)):
            total += counts
    return total
