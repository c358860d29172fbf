"""Which images are seen, in what order, by which rank: a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest
from typing import Any

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Sampler

NOT_COUNTED = -1  # the epoch of a sample that the loader takes names and labels from
Key = tuple[int, int]  # (epoch, index): what a sample's randomness is drawn from


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of ranks; (0, 1) outside distributed training."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def dealt(parts: Iterable[Iterable[Any]]) -> list[Any]:
    """What each rank has (never None) as one list, in the order in which `EvaluationSampler` deals images out."""
    return [item for turn in zip_longest(*parts) for item in turn if item is not None]


class TrainingSampler(Sampler[Key]):
    """Shuffles every epoch and gives every rank the same number of images (the first few serve twice if need be).

    `replacement` draws each image independently, as the FCN authors' release does.
    Lightning calls `set_epoch`, so that a resumed run goes on with the order it would have had; it leaves out the first
    `start` images of the epoch, over all ranks, which the run has seen.
    """

    def __init__(self, length: int, seed: int, replacement: bool = False) -> None:
        self.length, self.seed, self.replacement = length, seed, replacement
        self.epoch = self.start = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Key]:
        rank, world = rank_and_world()
        random = np.random.default_rng((self.seed, self.epoch))
        epoch, rest = self.epoch, self.order(random, len(self) * world)[self.start :]
        for index in np.resize(rest, self.to_come(self.start) * world)[rank::world]:
            yield epoch, int(index)

    def to_come(self, start: int) -> int:
        """The images of this rank after the first `start` of all ranks."""
        world = rank_and_world()[1]
        return -(-max(len(self) * world - start, 0) // world)

    def order(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        """The epoch's images over all ranks."""
        if self.replacement:
            return random.integers(self.length, size=count)
        return np.resize(random.permutation(self.length), count)

    def __len__(self) -> int:
        return -(-self.length // rank_and_world()[1])


class EvaluationSampler(Sampler[Key]):
    """Every image exactly once over all ranks, never padded: a repeated image would bias the score.

    A rank without an image of its own gets the first one under the epoch `NOT_COUNTED`, for Lightning leaves a rank
    without a batch out of the evaluation, where the others wait for its counts.
    """

    def __init__(self, length: int) -> None:
        self.length = length

    def __iter__(self) -> Iterator[Key]:
        rank, world = rank_and_world()
        if rank >= self.length > 0:
            yield NOT_COUNTED, 0
        for index in range(rank, self.length, world):
            yield 0, index

    def __len__(self) -> int:
        rank, world = rank_and_world()
        return max(len(range(rank, self.length, world)), min(self.length, 1))


class Batches(Sampler[list[Key]]):
    """Batches of `size` keys; `drop_last` leaves out a last one that is not full.

    An epoch that goes on with another batch size than it began with may leave a rest that full batches do not fit. Its
    batches are nearly equal then, so that every image is seen; none is larger than `size`, and no more come than an
    epoch has.
    """

    def __init__(self, sampler: Any, size: int, drop_last: bool = False) -> None:
        self.sampler, self.size, self.drop_last = sampler, size, drop_last

    def __iter__(self) -> Iterator[list[Key]]:
        keys = iter(self.sampler)
        for size in self.sizes(getattr(self.sampler, "start", 0)):
            yield list(islice(keys, size))

    def __len__(self) -> int:
        images = len(self.sampler)
        return images // self.size if self.drop_last else -(-images // self.size)

    def sizes(self, start: int = 0) -> list[int]:
        """How many images each batch of this rank has after the first `start` images of all ranks."""
        images = self.sampler.to_come(start) if start else len(self.sampler)
        seen = len(self.sampler) - images
        count = len(self) - seen // self.size
        if seen % self.size == 0 and count > 0:
            return [min(self.size, images - number * self.size) for number in range(count)]
        count = min(-(-images // self.size), len(self))
        images = min(images, count * self.size)
        return [images // count + (number < images % count) for number in range(count)]
