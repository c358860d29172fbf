"""The torch dataset: reads a pair, augments it, and says which file failed."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from seglight.data.augmentation import Augmentation, AugmentationError
from seglight.data.pair import Pair
from seglight.data.reader import Reader


@dataclass(slots=True)
class Sample:
    """One image [H, W, C], uint8 or float32, and mask [H, W], uint8.

    `failures` are the errors of files that failed on the way to it.
    """

    image: NDArray[Any] | None
    mask: NDArray[np.uint8] | None
    name: str
    failures: tuple[Exception, ...] = ()


class Lazily:
    """The samples of a batch, each made when it is asked for: the last one's memory, still warm, serves the next."""

    def __init__(self, dataset: Dataset[Sample], keys: Sequence[Any]) -> None:
        self.dataset, self.keys = dataset, keys

    def __len__(self) -> int:
        return len(self.keys)

    def __iter__(self) -> Iterator[Sample]:
        return (self.dataset[key] for key in self.keys)


class SegmentationDataset(Dataset[Sample]):
    """Samples by (epoch, index), or by index alone (epoch 0).

    `skip` turns an unreadable file into a `Sample` that carries the failure; while training (`substitute`) the next
    readable image takes its place, so that every rank keeps its number of batches.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        reader: Reader,
        augment: Augmentation | None = None,
        seed: int = 0,
        skip: bool = False,
        substitute: bool = False,
    ) -> None:
        self.pairs, self.reader, self.augment, self.seed = list(pairs), reader, augment, seed
        self.skip, self.substitute = skip, substitute

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitems__(self, keys: Sequence[tuple[int, int] | int]) -> Lazily:
        return Lazily(self, keys)

    def __getitem__(self, key: tuple[int, int] | int) -> Sample:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self.pairs):
            raise IndexError(index)
        failures: list[Exception] = []
        for attempt in range(len(self.pairs) if self.substitute else 1):
            pair = self.pairs[(index + attempt) % len(self.pairs)]
            try:
                image, mask = self.reader(pair)
            except (ValueError, OSError) as error:
                if not self.skip and get_worker_info() is None:
                    raise
                failures.append(error)
                if not self.skip:
                    break  # the loader raises it: out of a worker it would come as a traceback in a message
                continue
            if self.augment is not None:
                try:
                    image, mask = self.augment(image, mask, (self.seed, epoch, index))
                except AugmentationError as error:
                    if get_worker_info() is None:
                        raise
                    failures.append(error)
                    break
            return Sample(image, mask, pair.name, tuple(failures))
        return Sample(None, None, self.pairs[index].name, tuple(failures))
