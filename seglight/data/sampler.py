"""Which images are seen, in what order, by which rank: a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray
from torch.utils.data import Sampler

NOT_COUNTED = -1  # the epoch of a sample whose mask is 255 all over
Key = tuple[int, int]  # (epoch, index): what a sample's randomness is drawn from


def rank_and_world() -> tuple[int, int]:
    """This process's rank and the number of ranks; (0, 1) outside distributed training."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


class TrainingSampler(Sampler[Key]):
    """Shuffles every epoch and gives every rank the same number of images (the first few serve twice if need be).

    `replacement` draws each image independently, as the FCN authors' release does.
    Lightning calls `set_epoch`, so that a resumed run goes on with the order it would have had.
    """

    def __init__(self, length: int, seed: int, replacement: bool = False) -> None:
        self.length, self.seed, self.replacement = length, seed, replacement
        self.epoch = 0
        self.start = 0  # images of this rank's share to leave out: a run that was stopped has seen them

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Key]:
        rank, world = rank_and_world()
        random = np.random.default_rng((self.seed, self.epoch))
        epoch = self.epoch
        for index in self.order(random, len(self) * world)[rank::world][self.start :]:
            yield epoch, int(index)

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
