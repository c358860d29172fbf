"""`data=streaming`: samples from litdata chunks, in a folder or an object store; for data that outgrows one disk."""

# Shapes: H W pixels, C bands

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.chunked_dataset import ChunkedDataset, ChunkReader, NoDataOfChunks, WindowSampler
from seglight.data.chunks import ABOUT
from seglight.data.datamodule import SegmentationData
from seglight.data.pair import Pair
from seglight.data.pixels import Pixels, numbers, percentiles, pixels_of, settings_of
from seglight.data.reader import Reader
from seglight.data.sampler import TrainingSampler
from seglight.values import typed

# What chooses some of a data set's images, and how it is left out.
PARTS = {"fraction": 1.0, "folds": None, "fold": 0, "group": None, "stratify": False, "split_seed": 0}


class Streaming(SegmentationData):
    """Chunks under `chunks`, a folder or an address such as s3://bucket/path, with a part for each split.

    Images of other bands or more bits than RGB of 8 are read as they were when the chunks were written, unless a key
    says otherwise: `bands` (by their numbers in the files), `channels`, `value_range`, `nodata`, `axes`, `exif`, `rgb`.
    """

    def __init__(
        self,
        *,
        chunks: str,
        split: str = "val",
        bands: Sequence[int] | None = None,
        channels: int = 3,
        value_range: Any = None,
        nodata: float | str | None = None,
        axes: str | None = None,
        exif: str | None = None,
        rgb: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        refuse_parts(options)
        self.chunks = str(chunks).rstrip("/")
        about = ChunkedDataset(f"{self.chunks}/{split}").index().get(ABOUT)
        if about is None:
            raise ValueError(f"{self.chunks}/{split}: chunks without class names; expected those that fetch writes")
        self.classes = tuple(about["classes"])
        self.palette = tuple((r, g, b) for r, g, b in about["palette"])
        super().__init__(split=split, **options)
        self.given = {"bands": bands, "channels": channels, "value_range": value_range, "axes": axes, "exif": exif}
        self.given |= {"nodata": "nan" if str(nodata).lower() == "nan" else nodata, "rgb": rgb}
        self.pixels, self.of_chunks = read_as(self.given, about.get("pixels") or {})

    def prepare(self) -> None:
        for split in (self.train_split, self.split):
            len(self.dataset(split))

    def setup(self, stage: str | None = None) -> None:
        self.prepare()

    def dataset(self, split: str, train: bool = False) -> Any:
        return ChunkedDataset(f"{self.chunks}/{split}", self.augment if train else None, self.seed, self.of_chunks)

    def settled(self) -> dict[str, Any]:
        """How the images are read, where the keys do not say it."""
        return {key: value for key, value in settings_of(self.pixels).items() if value != self.given[key]}

    def pictured(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        return self.pixels.pictured(image)

    def no_data(self, split: str) -> Callable[[str], NDArray[np.bool_] | None]:
        return NoDataOfChunks(self.dataset(split))

    def train_sampler(self, data: Any) -> TrainingSampler:
        return WindowSampler(data.chunk_lengths(), self.seed)

    def unchecked(self, split: str) -> list[Pair]:
        places = (Path(f"{self.chunks}/{split}/{index}") for index in range(self.size(split)))
        return [Pair(place, place, place.name) for place in places]

    def pairs(self, split: str) -> list[Pair]:
        return self.unchecked(split)

    def listed(self, split: str) -> list[Pair]:
        return self.unchecked(split)

    def size(self, split: str) -> int:
        return len(self.dataset(split))

    def reader(self, split: str) -> Reader:
        return ChunkReader(self.dataset(split))

    def fast_reader(self, split: str) -> Reader:
        return self.reader(split)


def refuse_parts(options: Mapping[str, Any]) -> None:
    """ValueError for a key that takes some images, or parts of images: chunks are read whole."""
    for key, usual in PARTS.items():
        if (value := options.get(key, usual)) != usual:
            raise ValueError(
                f"data.{key}={typed(value)}: data=streaming reads every image of its chunks; write chunks of the part: "
                f"python -m seglight.fetch data=NAME format=litdata data.{key}={typed(value)} chunks=FOLDER"
            )
    if options.get("tile") is not None:
        raise ValueError(
            f"data.tile={typed(options['tile'])}: data=streaming reads whole images; an augment with a crop trains on "
            "parts of them, and inference=slide evaluates them by windows"
        )


def read_as(given: Mapping[str, Any], written: Mapping[str, Any]) -> tuple[Pixels, Pixels]:
    """How images are read, with the numbers that bands have in files, and with those that they have in chunks.

    given: the keys of the data set, channels 3 where it is not given. written: how they were read for the chunks.
    """
    if percentiles(given["value_range"]):
        raise ValueError(
            f"data.value_range={given['value_range']}: data=streaming does not look for percentiles; give it to "
            "python -m seglight.fetch data=NAME format=litdata, which keeps what it finds, or give [low,high]"
        )
    said = {key: written.get(key) if value is None else value for key, value in given.items()}
    bands, kept, limits = numbers("bands", given["bands"]), written.get("bands"), said["value_range"]
    if given["channels"] == 3:
        said["channels"] = written.get("channels", 3) if bands is None else 3 if len(bands) == 1 else len(bands)
    if bands is not None and kept is not None and not set(bands) <= set(kept):  # else, reading them says it
        raise ValueError(f"data.bands={typed(list(bands))}: the chunks hold the bands {', '.join(map(str, kept))}")
    if bands is not None and given["value_range"] is None and limits and isinstance(limits[0], Sequence):
        there = list(kept or range(1, len(limits) + 1))
        said["value_range"] = [limits[there.index(band)] for band in bands if band in there] or None
    pixels = pixels_of(said)
    places = None if kept is None or pixels.bands is None else tuple(kept.index(band) + 1 for band in pixels.bands)
    return pixels, pixels if places is None else replace(pixels, bands=places, rgb=None)
