"""`data=streaming`: samples from litdata chunks, in a folder or an object store; for data that outgrows one disk."""

# Shapes: H W pixels, K classes

from __future__ import annotations

import io
import json
import logging
import multiprocessing
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import Dataset, get_worker_info

from seglight.data.augmentation import Augmentation
from seglight.data.datamodule import SegmentationData
from seglight.data.dataset import Lazily, Sample
from seglight.data.decode import fast_jpeg, jpeg_content
from seglight.data.pair import Pair
from seglight.data.reader import Reader, form
from seglight.data.sampler import NOT_COUNTED, TrainingSampler
from seglight.data.splitting import Selection
from seglight.data.workers import available_cores
from seglight.ignore import IGNORE_INDEX

log = logging.getLogger(__name__)

CHUNK_BYTES = "64MB"
WINDOW = 8  # chunks that are shuffled together
INDEX = "index.json"  # of a split's chunks
FORMATS = ("str", "bytes")  # of a sample's parts; litdata has others, and pickle is one of them
LOADER = "PyTreeLoader"
PART: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
SAMPLE = {"type": "builtins.dict", "context": ["name", "image", "mask"], "children_spec": [PART] * 3}
ABOUT = "seglight.json"  # classes and palette, in each split's index


def litdata() -> Any:
    """The optional package, imported when it is needed."""
    import litdata as package

    logging.getLogger("litdata").setLevel(logging.WARNING)
    return package


def write_chunks(data: SegmentationData, splits: Sequence[str], folder: Path) -> None:
    """Writes `folder`/<split>: JPEG files as they are, other images and class-index masks as PNGs, in chunks."""
    package = litdata()
    about = {"name": data.name, "classes": list(data.classes), "palette": [list(c) for c in data.palette]}
    for split in splits:
        pairs = data.listed(split)
        refuse_deep(data, pairs, split)
        encode = partial(encode_pair, reader=data.reader(split))
        start = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        workers = min(available_cores(), len(pairs))
        log.info("data=%s, split %s: %d images to chunks in %s", data.name, split, len(pairs), folder / split)
        package.optimize(
            encode, pairs, str(folder / split), chunk_bytes=CHUNK_BYTES, num_workers=workers, mode="overwrite",
            keep_data_ordered=True, verbose=False, start_method=start,
        )  # fmt: skip
        index = folder / split / INDEX
        index.write_text(json.dumps({**json.loads(index.read_text()), ABOUT: about}))


def refuse_deep(data: SegmentationData, pairs: Sequence[Pair], split: str) -> None:
    """ValueError where an image is more than chunks hold."""
    reader = data.reader(split)
    deep = (pair for pair in pairs if pair.image.is_file() and form(reader, pair)[2:] != (3, 1))
    if (pair := next(deep, None)) is not None:
        raise ValueError(
            f"{pair.image}: chunks hold RGB images of 8 bits; train on the files of others, with data.cache=disk"
        )


def encode_pair(pair: Pair, reader: Reader) -> dict[str, Any]:
    """One sample as litdata stores it."""
    image, mask = reader(pair)
    content = jpeg_content(pair.image) if pair.image.is_file() and pair.frame == 0 else None
    kept = content is not None and fast_jpeg(content) is not None
    return {"name": pair.name, "image": content if kept else png(image), "mask": png(mask)}


def png(array: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "png", compress_level=6)
    return buffer.getvalue()


def decode_png(content: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(content), formats=["PNG", "JPEG"]) as image:
        return np.array(image)


class ForeignChunks(ValueError):
    """Chunks that `write_chunks` does not write."""


def refuse_foreign(index: Any) -> None:
    """ForeignChunks where reading a sample could run code or write elsewhere: litdata does what the index asks for."""
    try:
        config, files = index["config"], [chunk["filename"] for chunk in index["chunks"]]
        spec = json.loads(config["data_spec"])[1]
        sample = {**spec, "context": json.loads(spec["context"])}
        formats, loader = config["data_format"], config.get("item_loader") or LOADER
    except (KeyError, TypeError, IndexError, ValueError):
        raise ForeignChunks("it cannot be understood") from None
    if other := [name for name in formats if name not in FORMATS]:
        raise ForeignChunks(f"the format {other[0]} is not read")
    if sample != SAMPLE or loader != LOADER:  # litdata imports what some of these name
        raise ForeignChunks("its samples are not a name, an image and a mask")
    if other := [name for name in files if not isinstance(name, str) or Path(name).name != name]:
        raise ForeignChunks(f"the chunk {other[0]} is not a name in its folder")


class ChunkedDataset(Dataset[Sample]):
    """Samples of one split by (epoch, index); each process opens the chunks for itself."""

    def __init__(self, place: str, augment: Augmentation | None = None, seed: int = 0) -> None:
        self.place, self.augment, self.seed = place, augment, seed
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
        image, mask = fast_jpeg(item["image"]), decode_png(item["mask"])
        if image is None:
            image = decode_png(item["image"])
        if self.augment is not None:
            image, mask = self.augment(image, mask, (self.seed, epoch, index))
        if epoch == NOT_COUNTED:
            mask = np.full_like(mask, IGNORE_INDEX)
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


class Streaming(SegmentationData):
    """Chunks under `chunks`, a folder or an address such as s3://bucket/path, with a part for each split."""

    def __init__(self, *, chunks: str, split: str = "val", **options: Any) -> None:
        self.chunks = str(chunks).rstrip("/")
        about = ChunkedDataset(f"{self.chunks}/{split}").index().get(ABOUT)
        if about is None:
            raise ValueError(f"{self.chunks}/{split}: chunks without class names; expected those that fetch writes")
        self.classes = tuple(about["classes"])
        self.palette = tuple((r, g, b) for r, g, b in about["palette"])
        super().__init__(split=split, **options)
        if self.selection != Selection():
            raise ValueError(
                "data=streaming: chunks are read whole; fetch format=litdata data=NAME data.fraction=... (or "
                "data.folds) writes chunks of the images that are wanted"
            )

    def prepare(self) -> None:
        for split in (self.train_split, self.split):
            len(self.dataset(split))

    def setup(self, stage: str | None = None) -> None:
        self.prepare()

    def dataset(self, split: str, train: bool = False) -> Any:
        return ChunkedDataset(f"{self.chunks}/{split}", self.augment if train else None, self.seed)

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
        return ChunkReader(ChunkedDataset(f"{self.chunks}/{split}"))

    def fast_reader(self, split: str) -> Reader:
        return self.reader(split)


class ChunkReader:
    """Reads single samples, for what goes through a split in order (`check`, class counts)."""

    def __init__(self, data: ChunkedDataset) -> None:
        self.data = data
        self.lock = threading.Lock()  # litdata keeps one chunk open for all threads

    def __call__(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        with self.lock:
            sample = self.data[int(pair.name)]
        assert sample.image is not None
        assert sample.mask is not None
        return sample.image, sample.mask

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        return self(pair)[1]
