"""Samples of litdata chunks: by number, in windows of chunks for training, one by one for what reads all of them."""

# Shapes: H W pixels, C bands

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, get_worker_info

from seglight.data.augmentation import Augmentation
from seglight.data.chunks import INDEX, ForeignChunks, decode_image, decode_png, litdata, refuse_foreign
from seglight.data.dataset import Lazily, Sample
from seglight.data.pair import Pair
from seglight.data.pixels import Pixels
from seglight.data.sampler import TrainingSampler
from seglight.ignore import IGNORE_INDEX

WINDOW = 8  # chunks that are shuffled together


class ChunkedDataset(Dataset[Sample]):
    """Samples of one split by (epoch, index); each process opens the chunks for itself."""

    def __init__(
        self, place: str, augment: Augmentation | None = None, seed: int = 0, pixels: Pixels | None = None
    ) -> None:
        self.place, self.augment, self.seed, self.pixels = place, augment, seed, pixels or Pixels()
        self.stream: Any = None
        self.owner: int | None = None

    def opened(self) -> Any:
        """litdata's dataset, opened in this process."""
        info = get_worker_info()
        worker = -1 if info is None else info.id
        if self.stream is None or self.owner != worker:
            package = litdata()
            try:
                if "://" not in self.place and not (Path(self.place) / INDEX).is_file():
                    raise FileNotFoundError(f"no {INDEX}")  # litdata would make one
                stream = package.StreamingDataset(self.place)  # fetches the index, and reads no sample yet
                refuse_foreign(json.loads((Path(stream.input_dir.path) / INDEX).read_text()))
                stream[0]
                self.stream, self.owner = stream, worker
            except ForeignChunks as error:
                raise ValueError(
                    f"{self.place}/{INDEX}: {error}; expected chunks that fetch format=litdata writes"
                ) from None
            except (ValueError, FileNotFoundError) as error:
                raise FileNotFoundError(
                    f"{self.place}: no chunks there ({error}). They are made by: python -m seglight.fetch data=NAME "
                    "format=litdata chunks=FOLDER, and read by data=streaming data.chunks=FOLDER"
                ) from None
        return self.stream

    def index(self) -> dict[str, Any]:
        """The split's index, which litdata has fetched."""
        folder = Path(self.opened().cache._cache_dir)
        return dict(json.loads((folder / INDEX).read_text()))

    def chunk_lengths(self) -> list[int]:
        return [chunk["chunk_size"] for chunk in self.index()["chunks"]]

    def __len__(self) -> int:
        return len(self.opened())

    def __getitems__(self, keys: Sequence[tuple[int, int] | int]) -> Lazily:
        return Lazily(self, keys)

    def __getitem__(self, key: tuple[int, int] | int) -> Sample:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        if not 0 <= index < len(self):
            raise IndexError(index)
        item = self.opened()[index]
        image, invalid = decode_image(item["image"], self.pixels, f"{self.place}: {item['name']}")
        mask = decode_png(item["mask"])
        if invalid is not None:
            mask[invalid] = IGNORE_INDEX
        if self.augment is not None:
            image, mask = self.augment(image, mask, (self.seed, epoch, index))
        return Sample(image, mask, item["name"])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "stream": None, "owner": None}


class WindowSampler(TrainingSampler):
    """Chunks in random order, samples shuffled within a window of chunks: workers stay on the chunks they have."""

    def __init__(self, chunk_lengths: Sequence[int], seed: int) -> None:
        super().__init__(sum(chunk_lengths), seed)
        self.chunk_lengths = list(chunk_lengths)

    def order(self, random: np.random.Generator, count: int) -> NDArray[np.int64]:
        starts = np.concatenate([[0], np.cumsum(self.chunk_lengths)])
        chunks = random.permutation(len(self.chunk_lengths))
        windows = [chunks[first : first + WINDOW] for first in range(0, len(chunks), WINDOW)]
        shuffled = [
            random.permutation(np.concatenate([np.arange(starts[c], starts[c + 1]) for c in window]))
            for window in windows
        ]
        return np.resize(np.concatenate(shuffled), count)


class ChunkReader:
    """Reads single samples, for what goes through a split in order (`check`, class counts)."""

    def __init__(self, data: ChunkedDataset) -> None:
        self.data = data
        self.lock = threading.Lock()  # litdata keeps one chunk open for all threads

    def __call__(self, pair: Pair) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        with self.lock:
            sample = self.data[int(pair.name)]
        assert sample.image is not None
        assert sample.mask is not None
        return sample.image, sample.mask

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        return self(pair)[1]


class NoDataOfChunks:
    """Where the images of a split have no data, by name; they are looked for in their order."""

    def __init__(self, data: ChunkedDataset) -> None:
        self.data, self.places = data, dict[str, int]()

    def __call__(self, name: str) -> NDArray[np.bool_] | None:
        stream = self.data.opened()
        while name not in self.places:
            index = len(self.places)
            self.places[stream[index]["name"]] = index
        return decode_image(stream[self.places[name]]["image"], self.data.pixels, name)[1]
