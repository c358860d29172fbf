"""`data.cache=features`: a frozen encoder's maps of every image, made once; each epoch then costs the decoder alone."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence, Sized
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch.distributed as dist
from lightning import LightningDataModule

from seglight.data.datamodule import SegmentationData
from seglight.data.loader import Collate, Loader
from seglight.data.memory import available_memory, refuse_too_large
from seglight.data.progress import progress_bar
from seglight.data.sampler import Batches, Key, dealt, rank_and_world
from seglight.data.variants import Variants
from seglight.training.feature_encoding import Encoding, encoding, refuse
from seglight.training.feature_files import Entry, read, write
from seglight.training.feature_key import feature_key
from seglight.training.feature_records import Record, StackRecords, StoredFeatures, View
from seglight.training.shared_features import Sharing, Shelf, opened

log = logging.getLogger(__name__)

MEMORY_SHARE = 0.5  # of the free memory is what features may take before they go to a file


class FeatureData(LightningDataModule):
    """`data`, its batches with `maps`: what `task.net.encoder` gives for them.

    folder: where maps go that do not fit into half of the free memory, or that several ranks share; removed by
    `close`. sweep: where a sweep's jobs share theirs. ValueError where maps of one epoch would be wrong in another.
    """

    def __init__(self, data: SegmentationData, task: Any, folder: Path, sweep: Sharing | None = None) -> None:
        super().__init__()
        self.data, self.task, self.folder, self.sweep = data, task, folder, sweep
        refuse(data, task)
        try:
            self.variants = Variants(data.augment)
        except ValueError as error:
            raise ValueError(
                f"data.cache=features keeps each image's maps: {error}; set augment=none or augment=flip"
            ) from error
        self.cache = "features"
        self.loaders: dict[str, Loader] = {}
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed

    def __getattr__(self, name: str) -> Any:
        if name == "data":
            raise AttributeError(name)
        return getattr(self.data, name)

    def setup(self, stage: str | None = None) -> None:
        self.data.setup(stage)

    def train_dataloader(self) -> Any:
        return self.stored("train", self.data.train_dataloader(), self.variants, self.epochs())

    def val_dataloader(self) -> Any:
        return self.stored("val", self.data.val_dataloader(), Variants(None), 1)

    def epochs(self) -> int:
        """The epochs this run can have."""
        trainer: Any = self.trainer
        counts = [trainer.max_epochs] if trainer.max_epochs and trainer.max_epochs > 0 else []
        if trainer.max_steps > 0:
            counts.append(trainer.max_steps)
        if not counts and self.variants.count > 1:
            raise ValueError("data.cache=features needs trainer.max_epochs: it keeps the views that will be drawn")
        return min(counts, default=1)

    def close(self) -> None:
        """Gives memory and files back."""
        self.loaders.clear()
        if rank_and_world()[0] == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def stored(self, title: str, loader: Any, variants: Variants, epochs: int) -> Loader:
        """A loader like `loader` whose batches have maps; what it needs is made on first use."""
        if title not in self.loaders:
            dataset = loader.dataset
            keys = views(variants, dataset.seed, len(dataset), epochs)
            with encoding(self.task, self.trainer) as encode:
                records = self.of_sweep(encode, title, dataset, keys)
                if records is None:
                    records = self.made(encode, title, dataset, list(keys.values()))
            stored = StoredFeatures(dict(zip(keys, records, strict=True)), variants, dataset.seed)
            self.loaders[title] = Loader(
                stored,
                loader.batches,
                collate_fn=StackRecords(loader.collate_fn),
                pin_memory=loader.pin_memory,
            )
        return self.loaders[title]

    def of_sweep(self, encode: Encoding, title: str, dataset: Any, keys: dict[View, Key]) -> list[Record] | None:
        """The records that jobs of a sweep share, those that none has made yet added; None where they cannot be."""
        if self.sweep is None or self.data.features == "ram":
            return None
        try:
            return self.on_shelf(self.sweep, encode, title, dataset, keys)
        except OSError as error:  # a disk that another job has filled
            if rank_and_world()[1] > 1:
                raise
            log.warning("%s, not shared by this sweep: %s", said(title, dataset, keys), error)
            return None

    def on_shelf(
        self, sweep: Sharing, encode: Encoding, title: str, dataset: Any, keys: dict[View, Key]
    ) -> list[Record] | None:
        """`of_sweep`; OSError where the folder cannot be written."""
        rank, world = rank_and_world()
        with ExitStack() as stack:
            mine = None
            if rank == 0:
                name = feature_key(sweep.cfg, self.data, self.task, self.trainer, title == "train")
                mine = stack.enter_context(opened(sweep.folder / name, wait=world == 1))
            shelf: Shelf | None = of_first_rank(mine)
            if shelf is None or not shelf.has_images_of(dataset, keys):
                return None
            if shelf.shapes:
                encode.expect(shelf.shapes, shelf.size)
            lacking = {view: keys[view] for view in shelf.missing(keys, encode.needed)}
            if lacking and not self.add(shelf, encode, title, dataset, lacking):
                return None
            if not lacking:
                log.info("%s, shared by this sweep", said(title, dataset, keys))
        return shelf.records(keys, encode.needed)

    def add(self, shelf: Shelf, encode: Encoding, title: str, dataset: Any, keys: dict[View, Key]) -> bool:
        """Makes a piece of a shelf; False where the disk cannot hold it."""
        rank, world = rank_and_world()
        added, drawn = list(keys), list(keys.values())
        size = self.estimate(encode, dataset, drawn)
        if not of_first_rank(size < 0.9 * shutil.disk_usage(shelf.folder).free):
            return False
        log.info("%s, about %s in %s, for this sweep", said(title, dataset, keys), readable(size), shelf.folder)
        shelf.shapes, shelf.size = encode.shapes, encode.size
        entries = shelf.write(rank, added[rank::world], self.encoded(encode, title, dataset, drawn[rank::world]))
        entries = of_all_ranks(entries)
        if rank == 0:
            shelf.finish(added, entries)
        shelf.put(added, entries)
        return True

    def made(self, encode: Encoding, title: str, dataset: Any, keys: list[Key]) -> list[Record]:
        """The records of `keys` for this run alone, of which each rank makes its share."""
        rank, world = rank_and_world()
        size = self.estimate(encode, dataset, keys)
        records = self.encoded(encode, title, dataset, keys[rank::world])
        if self.fits(size, f"{said(title, dataset, keys)}, about {readable(size)}"):
            return list(records)
        entries = write(self.folder / f"{title}-{rank}.bin", ((x.name, x.tensors()) for x in records))
        return read(self.folder, of_all_ranks(entries))

    def encoded(self, encode: Encoding, title: str, dataset: Any, keys: list[Key]) -> Iterator[Record]:
        """The records of `keys`, one after the other."""
        loader = self.data.loader(dataset, Batches(keys, 1), Collate(""))
        with progress_bar(f"features: {title}", len(keys)) as advance:
            for batch in loader:
                yield encode(batch)
                advance()

    def fits(self, size: int, say: str) -> bool:
        """Whether so many bytes go into memory, else into the folder; ValueError where they do not fit there."""
        kind, world = self.data.features, rank_and_world()[1]
        if kind == "ram" and world > 1:
            raise ValueError("data.cache=features_ram: several ranks share a file; set data.cache=features")
        if kind == "ram" or (kind == "auto" and world == 1 and size < MEMORY_SHARE * available_memory()):
            refuse_too_large(size, available_memory(), say, "memory; data.cache=features_disk needs none")
            log.info("%s in memory", say)
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        refuse_too_large(size, shutil.disk_usage(self.folder).free, say, f"{self.folder}; choose another run.dir")
        log.info("%s in %s", say, self.folder)
        return False

    def estimate(self, encode: Encoding, dataset: Any, keys: Sequence[Key]) -> int:
        """Bytes of all records, by those of three."""
        some = sorted({0, len(keys) // 2, len(keys) - 1})
        collate = Collate("")
        sizes: list[int] = [encode(collate([dataset[keys[i]]])).bytes() for i in some]
        return round(sum(sizes) / len(sizes) * len(keys))


def of_first_rank(value: Any) -> Any:
    """What the first rank has, on all of them."""
    box = [value]
    if rank_and_world()[1] > 1:
        dist.broadcast_object_list(box)
    return box[0]


def of_all_ranks(entries: list[Entry]) -> list[Entry]:
    """The entries of all ranks, whose shares lie interleaved, on each of them."""
    world = rank_and_world()[1]
    if world == 1:
        return entries
    shares: list[Any] = [None] * world
    dist.all_gather_object(shares, entries)
    return dealt(shares)


def views(variants: Variants, seed: int, length: int, epochs: int) -> dict[View, Key]:
    """Each image's outcomes in `epochs` epochs, with the first (epoch, index) that draws it."""
    found: dict[View, Key] = {}
    for epoch in range(epochs if variants.count > 1 else 1):
        for index in range(length):
            found.setdefault((index, variants((seed, epoch, index))), (epoch, index))
        if len(found) == length * variants.count:
            break
    return found


def said(title: str, dataset: Any, keys: Sized) -> str:
    """Which images, as the log names them."""
    count = f"{len(dataset)} images" + (f" in {len(keys)} views" if len(keys) != len(dataset) else "")
    return f"data.cache=features: {title}, {count}"


def readable(size: int) -> str:
    """Bytes as a person says them."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
