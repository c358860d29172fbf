"""The torch dataset: reads a pair, augments it, and says which file failed."""

# Shapes: H W pixels

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from seglight.data.augmentation import Augmentation
from seglight.data.pair import Pair
from seglight.data.reader import Reader


@dataclass(slots=True)
class Sample:
    """One image [H, W, 3] and mask [H, W], uint8; `failures` says which files were skipped on the way to it."""

    image: NDArray[np.uint8] | None
    mask: NDArray[np.uint8] | None
    name: str
    failures: tuple[str, ...] = ()


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

    def __getitem__(self, key: tuple[int, int] | int) -> Sample:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        failures: list[str] = []
        for attempt in range(len(self.pairs) if self.substitute else 1):
            pair = self.pairs[(index + attempt) % len(self.pairs)]
            try:
                image, mask = self.reader(pair)
            except (ValueError, OSError) as error:
                if not self.skip:
                    raise
                failures.append(str(error))
                continue
            if self.augment is not None:
                image, mask = self.augment(image, mask, (self.seed, epoch, index))
            return Sample(image, mask, pair.name, tuple(failures))
        return Sample(None, None, self.pairs[index].name, tuple(failures))
