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


def count_classes(pairs: Sequence[Pair], reader: Reader, num_classes: int) -> Tensor:
    """Pixels of each class over all masks, int64 [K]; ignored pixels are left out."""

    def one(pair: Pair) -> Tensor:
        return torch.from_numpy(np.bincount(reader.mask(pair).reshape(-1), minlength=256)[:num_classes])

    total = torch.zeros(num_classes, dtype=torch.int64)
    with ThreadPoolExecutor(own_cores()) as pool:  # decoding releases the interpreter lock
        for counts in pool.map(one, (pair for pair in pairs if pair.mask is not None)):
            total += counts
    return total
