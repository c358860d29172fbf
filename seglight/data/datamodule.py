"""The Lightning data module that every data set shares: splits, loaders, checks before the first step."""

# Shapes: B batch, H W pixels, K classes

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from lightning import LightningDataModule
from numpy.typing import NDArray
from torch import Tensor

from seglight.colours import Colour, palette_image
from seglight.data import settings
from seglight.data.augmentation import augmentation
from seglight.data.cache import cached
from seglight.data.counting import count_classes
from seglight.data.dataset import SegmentationDataset
from seglight.data.labels import IndexLabels
from seglight.data.listing import check_pairs, say_padding
from seglight.data.loader import Collate, Loader, start_worker
from seglight.data.occurrence import fault, look, remark
from seglight.data.pair import Pair
from seglight.data.pixels import pictured
from seglight.data.prediction import prediction_file, save_png
from seglight.data.reader import FileReader, Reader
from seglight.data.sampler import Batches, EvaluationSampler, TrainingSampler
from seglight.data.source import Source
from seglight.data.splitting import Selection, classes_in
from seglight.data.tiles import TileReader, Tiles
from seglight.data.workers import worker_count
from seglight.ignore import IGNORE_INDEX
from seglight.values import one_of, typed, whole

log = logging.getLogger(__name__)

FEATURES = {"features": "auto", "features_ram": "ram", "features_disk": "disk"}


class SegmentationData(LightningDataModule):
    """One data set: its classes, its pairs a split, and the loaders over them.

    A subclass gives `classes`, `palette`, `layout` and `pairs(split)`, and `reader(split)` where its masks do not
    store class indices. Batches are {"image": uint8 [B, 3, H, W], "mask": uint8 [B, H, W], "name": list[str]}; deeper
    images are float32 from 0 to 255, of as many bands as the network takes. 255 is ignored. `train_split` is augmented
    and trained on, `split` is evaluated at native resolution.
    """

    classes: Sequence[str] = ()
    palette: Sequence[Colour] = ()
    layout: ClassVar[str] = ""  # what lies under `root`, for the error when it does not
    splits: Sequence[str] = ("train", "val")  # those that the data set has
    ignore_index: int = IGNORE_INDEX
    things: Sequence[str] = ()  # the classes whose objects are numbered one by one
    source: Source | None = None  # where `fetch` gets it

    def __init__(
        self,
        *,
        root: str | Path | None = None,
        name: str | None = None,
        num_classes: int | None = None,
        train_split: str = "train",
        split: str = "val",
        augment: Any = None,
        crop_size: int | Sequence[int] | None = None,  # these three are for the augment configs, which refer to them
        scale: Sequence[float] | None = None,
        rare_classes: Sequence[str | int] = (),
        batch_size: int | str = 8,
        eval_batch_size: int = 1,
        num_workers: int | str = "auto",
        seed: int = 0,
        draw_with_replacement: bool = False,
        on_error: str = "raise",
        allow_single_class: bool = False,
        folds: int | None = None,
        fold: int = 0,
        fraction: float = 1.0,
        group: str | None = None,
        stratify: bool = False,
        split_seed: int = 0,
        tile: int | None = None,
        tile_overlap: int = 0,
        cache: str | None = None,
        cache_dir: str | Path = "~/.cache/seglight",
        **unknown: Any,
    ) -> None:
        super().__init__()
        self.root = None if root is None else Path(root).expanduser()
        self.name = name or type(self).__name__.lower()
        settings.refuse_unknown(unknown, type(self), self.name)
        if num_classes is not None and self.classes and num_classes != len(self.classes):
            raise ValueError(f"data.num_classes={num_classes}; data={self.name} has {len(self.classes)} classes")
        self.train_split, self.split = train_split, split
        self.crop_size = None if crop_size is None else settings.crop_size(crop_size)
        if scale is not None:
            settings.scale_range(scale)
        settings.class_indices(rare_classes, self.classes)
        self.augment = augmentation(augment, self.classes)
        if rare_classes and (self.augment is None or not self.augment.has("rare_classes")):
            text = "augment has no crop that could be moved to them; augment=standard, light, strong and unet have"
            raise ValueError(f"data.rare_classes={typed(rare_classes)}: {text}")
        auto = ", or auto (the largest that fits),"
        self.batch_size = 0 if batch_size == "auto" else whole("data.batch_size", batch_size, note=auto)
        self.eval_batch_size = whole("data.eval_batch_size", eval_batch_size)
        self.num_workers = worker_count(num_workers)
        self.seed, self.draw_with_replacement = whole("data.seed", seed, 0), draw_with_replacement
        self.on_error = one_of("data.on_error", on_error, ("raise", "skip"))
        self.allow_single_class = one_of("data.allow_single_class", allow_single_class, (False, True))
        one_of("data.cache", cache, (None, "none", "disk", "ram", *FEATURES))
        self.features = FEATURES.get(cache or "")  # where a frozen encoder's maps are kept: seglight.training.features
        self.cache = None if cache == "none" or self.features else cache
        if self.cache and self.root is None:
            raise ValueError(f"data.cache={cache}: data={self.name} reads no files that could be kept decoded")
        self.cache_dir = Path(cache_dir)
        self.tiles = Tiles.of(tile, tile_overlap)
        if self.tiles and self.root is None:
            raise ValueError(f"data.tile={tile}: data={self.name} reads no files that could be cut")
        self.selection = Selection(folds, fold, fraction, group, stratify, split_seed)
        self._classes: dict[str, frozenset[int]] = {}  # in each image, where they decide who is in which split
        self.looked = False  # at the classes of the training masks
        self._listed: dict[str, list[Pair]] = {}
        self._counts: dict[str, Tensor] = {}
        self._cached: dict[str, Reader] = {}

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    def pairs(self, split: str) -> list[Pair]:
        """The images and masks of a split, in a fixed order."""
        raise NotImplementedError

    def reader(self, split: str) -> Reader:
        """How the pairs of a split are read."""
        return FileReader(IndexLabels(self.num_classes))

    def unchecked(self, split: str) -> list[Pair]:
        """`pairs(split)` of a data set whose folder is there."""
        if self.root is not None and not self.root.is_dir():
            raise FileNotFoundError(
                f"{self.root}: no such folder. data={self.name} expects there: {self.layout}. Set SEGLIGHT_DATA "
                f"to the folder that holds it, or run: python -m seglight.fetch data={self.name}"
            )
        selection, trains = self.selection, split == self.train_split
        if selection.folds is not None and split in (self.train_split, self.split):
            pool = self.pool()
            pairs = selection.part_of_folds(pool, trains, lambda: self.classes_in(pool, selection.stratify))
        else:
            pairs = self.pairs(split)
        if trains and selection.fraction < 1:
            pairs = selection.part(pairs, lambda: self.classes_in(pairs, True))
        return pairs

    def refuse_unused(self) -> None:
        """ValueError where keys say how images are to be divided, and nothing divides them."""
        self.selection.refuse_unused(self.name)

    def pool(self) -> list[Pair]:
        """The labelled images that `folds` divides."""
        return self.pairs(self.train_split)

    def classes_in(self, pairs: Sequence[Pair], wanted: bool = True) -> dict[str, frozenset[int]] | None:
        """Which classes each image has; None where nobody wants to know."""
        if not wanted:
            return None
        if any(pair.name not in self._classes for pair in pairs):
            self._classes |= classes_in(pairs, self.reader(self.train_split), f"{self.name}: classes of the masks")
        return self._classes

    def listed(self, split: str) -> list[Pair]:
        """The pairs of a split, checked once: not empty, no name twice, every file there, a few of them read."""
        if split not in self._listed:
            pairs = self.unchecked(split)
            check_pairs(pairs, self.reader(split), f"data={self.name}, split {split}", self.root)
            self._listed[split] = pairs
        return self._listed[split]

    def prepare(self) -> None:
        """Raises what is wrong with the splits that will be used, before the first step, where that is cheap."""
        for split in dict.fromkeys((self.train_split, self.split)):
            self.listed(split)

    def setup(self, stage: str | None = None) -> None:
        if stage in (None, "fit") and all(pair.mask is None for pair in self.listed(self.train_split)):
            raise ValueError(f"data.train_split={self.train_split}: its images have no masks, which training needs")
        self.listed(self.split)
        if stage in (None, "fit"):
            self.refuse_unused()
            self.look_at_classes()

    def look_at_classes(self) -> None:
        """Says which classes no training mask holds; ValueError where one class is left, or most masks are ignored."""
        if self.root is None or self.looked:
            return
        where = f"data={self.name}, split {self.train_split}"
        found = look(self.listed(self.train_split), self.reader(self.train_split), self.num_classes)
        if (text := fault(found, self.classes, where)) and not self.allow_single_class:
            raise ValueError(f"{text}. data.allow_single_class=true trains all the same")
        if text := remark(found, self.classes, where):
            log.warning(text)
        self.looked = True

    def dataset(self, split: str, train: bool = False) -> SegmentationDataset:
        """The samples of a split; augmented when they are for training."""
        skip = self.on_error == "skip"
        augment = self.augment if train else None
        pairs, reader = self.cut(self.listed(split), self.fast_reader(split), scored=not train)
        return SegmentationDataset(pairs, reader, augment, self.seed, skip, train)

    def cut(self, pairs: list[Pair], reader: Reader, scored: bool) -> tuple[list[Pair], Reader]:
        """The pairs and their reader; those of their windows where `tile` is set. scored: each pixel counts once."""
        if self.tiles is None:
            return pairs, reader
        return self.tiles.cut(pairs, reader, self.on_error == "skip"), TileReader(reader, scored)

    def fast_reader(self, split: str) -> Reader:
        """The split's reader, behind the cache that `cache` asks for; built on first use."""
        if self.cache is None:
            return self.reader(split)
        if split not in self._cached:
            pairs, skip = self.listed(split), self.on_error == "skip"
            title = f"{self.name} {split}"
            self._cached[split] = cached(self.cache, pairs, self.reader(split), title, self.cache_dir, skip)
        return self._cached[split]

    def train_dataloader(self) -> Loader:
        """Shuffled and augmented; a last batch that is not full is left out, unless it is the only one."""
        data = self.dataset(self.train_split, train=True)
        if self.crop_size is not None and self.augment is not None and self.augment.crops_to(self.crop_size):
            if self.tiles is None:
                say_padding(self.listed(self.train_split), self.reader(self.train_split), self.crop_size)
            else:
                say_padding([pair for pair in data.pairs if pair.window], data.reader, self.crop_size)
        sampler = self.train_sampler(data)
        advice = "set data.batch_size=1, or an augmentation with a crop (augment=standard data.crop_size=...)"
        batches = Batches(sampler, self.batch_size, drop_last=len(sampler) >= self.batch_size)
        return self.loader(data, batches, Collate(advice))

    def train_sampler(self, data: Any) -> TrainingSampler:
        """The order in which training sees the images."""
        return TrainingSampler(len(data), self.seed, self.draw_with_replacement)

    def val_dataloader(self) -> Loader:
        return self.eval_dataloader(self.split)

    def eval_dataloader(self, split: str) -> Loader:
        """Every image of a split once, or every window of its images, unaugmented, at its own resolution."""
        data = self.dataset(split)
        sampler = EvaluationSampler(len(data)) if self.tiles is None else self.tiles.sampler(data.pairs)
        batches = Batches(sampler, self.eval_batch_size)
        return self.loader(data, batches, Collate("set data.eval_batch_size=1"))

    def loader(self, data: Any, batches: Batches, collate: Collate) -> Loader:
        """A loader with this module's workers."""
        return Loader(
            data,
            batches,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            worker_init_fn=start_worker,
            pin_memory=torch.cuda.is_available(),
        )

    def class_counts(self, split: str) -> Tensor:
        """Pixels of each class in a split's masks, int64 [K]; ignored pixels are left out."""
        if split not in self._counts:
            pairs, reader, skip = self.listed(split), self.fast_reader(split), self.on_error == "skip"
            self._counts[split] = count_classes(pairs, reader, self.num_classes, skip)
        return self._counts[split]

    def pictured(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """RGB uint8 [H, W, 3] of an image [H, W, C] as the network takes it, to look at."""
        return pictured(image)

    def settled(self) -> dict[str, Any]:
        """Keys whose values the images themselves say, to be kept in a run's config."""
        return {}

    def no_data(self, split: str) -> Callable[[str], NDArray[np.bool_] | None]:
        """By the name of an evaluated image (or window): where it has no data [H, W], None where it has everywhere."""
        pairs, reader = self.cut(self.listed(split), self.reader(split), scored=True)
        places, invalid = {pair.name: pair for pair in pairs}, getattr(reader, "invalid", lambda _: None)
        return lambda name: invalid(places[name])

    def instances(self, pair: Pair, mask: NDArray[np.uint8]) -> NDArray[np.int32]:
        """The true objects of an image whose class mask is `mask`: [H, W], 0 none, -1 ignored, else its number."""
        raise ValueError(f"data={self.name} has no instance masks; voc, cityscapes and isbi2012 have")

    def save_prediction(self, mask: NDArray[np.uint8], name: str, folder: Path) -> Path:
        """Writes a predicted mask [H, W] of class indices as a palette PNG `<name>.png`; returns its path."""
        path = prediction_file(folder, name)
        save_png(palette_image(mask, self.palette), path)
        return path
