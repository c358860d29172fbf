"""`data.cache=features`: a frozen encoder's maps of every image, made once; each epoch then costs the decoder alone.

Shapes: B batch, C channels, H W pixels.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning import LightningDataModule
from torch import Tensor

from seglight.data.datamodule import SegmentationData
from seglight.data.loader import Collate, Loader
from seglight.data.memory import available_memory, refuse_too_large
from seglight.data.progress import progress_bar
from seglight.data.sampler import Batches, rank_and_world
from seglight.data.variants import Variants
from seglight.freeze_policy import NEVER
from seglight.models import EncoderDecoder
from seglight.models.decoders.decoder import Decoder
from seglight.models.encoder_decoder import reaching
from seglight.parts import parts
from seglight.training.feature_records import Record, StackRecords, StoredFeatures, read, write

log = logging.getLogger(__name__)

MEMORY_SHARE = 0.5  # of the free memory is what features may take before they go to a file


class FeatureData(LightningDataModule):
    """`data`, its batches with `maps`: what `task.net.encoder` gives for them.

    folder: where maps go that do not fit into half of the free memory, or that several ranks share; removed by
    `close`. ValueError where maps of one epoch would be wrong in another.
    """

    def __init__(self, data: SegmentationData, task: Any, folder: Path) -> None:
        super().__init__()
        self.data, self.task, self.folder = data, task, folder
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
            records = self.make(title, dataset, list(keys.values()))
            stored = StoredFeatures(dict(zip(keys, records, strict=True)), variants, dataset.seed)
            self.loaders[title] = Loader(
                stored,
                loader.batches,
                collate_fn=StackRecords(loader.collate_fn),
                pin_memory=loader.pin_memory,
            )
        return self.loaders[title]

    def make(self, title: str, dataset: Any, keys: list[tuple[int, int]]) -> list[Record]:
        """The records of `keys`, of which each rank makes its share."""
        rank, world = rank_and_world()
        mine = keys[rank::world]
        loader = self.data.loader(dataset, Batches(mine, 1), Collate(""))
        with encoding(self.task, self.trainer) as encode, progress_bar(f"features: {title}", len(mine)) as advance:

            def encoded() -> Iterator[Record]:
                for batch in loader:
                    yield encode(batch)
                    advance()

            size = self.estimate(encode, dataset, keys)
            count = f"{len(dataset)} images" + (f" in {len(keys)} views" if len(keys) != len(dataset) else "")
            if self.fits(size, f"data.cache=features: {title}, {count}, about {readable(size)}"):
                return list(encoded())
            path = self.folder / f"{title}-{rank}.bin"
            places = write(path, encoded())
        return gathered(path, places, len(keys))

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

    def estimate(self, encode: Any, dataset: Any, keys: Sequence[tuple[int, int]]) -> int:
        """Bytes of all records, by those of three."""
        some = sorted({0, len(keys) // 2, len(keys) - 1})
        collate = Collate("")
        sizes: list[int] = [encode(collate([dataset[keys[i]]])).bytes() for i in some]
        return round(sum(sizes) / len(sizes) * len(keys))


def gathered(path: Path, places: Any, count: int) -> list[Record]:
    """The `count` records of all ranks, whose shares lie interleaved; this rank's are at `places` of its file."""
    world = rank_and_world()[1]
    shares: list[Any] = [(path, places)]
    if world > 1:
        shares = [None] * world
        dist.all_gather_object(shares, (path, places))
    records: list[Any] = [None] * count
    for share, (file, its) in enumerate(shares):
        records[share::world] = read(file, its)
    return records


@contextmanager
def encoding(task: Any, trainer: Any) -> Iterator[Any]:
    """Within it, a function from a batch of one image to its `Record`, computed as the run would compute it."""
    net, device = task.net, task.device
    training = net.training
    net.eval()
    needed: list[bool] = []

    def encode(batch: dict[str, Any]) -> Record:
        image = batch["image"].to(device).contiguous(memory_format=task.memory_format)
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            maps = net.maps(image)
        if not needed:
            needed.extend(read_by_decoder(net, maps, tuple(image.shape[-2:])))
        read = zip(maps, needed, strict=True)
        kept = [x[0].permute(1, 2, 0).contiguous().cpu() if used else None for x, used in read]
        return Record(batch["name"][0], batch["image"][0].contiguous(), batch["mask"][0].clone(), kept)

    try:
        yield encode
    finally:
        net.train(training)


def read_by_decoder(net: EncoderDecoder, maps: Sequence[Tensor], size: tuple[int, int]) -> list[bool]:
    """Which of the stages' maps reach the logits, the auxiliary head's too."""
    sources = [x.detach().float().requires_grad_() for x in maps]
    with torch.enable_grad():
        logits = [pair[0] for pair in net.pairs_of_maps(sources, sources[0].new_zeros(1, *size).long())]
        return reaching(logits, sources)


def views(variants: Variants, seed: int, length: int, epochs: int) -> dict[tuple[int, bytes], tuple[int, int]]:
    """Each image's outcomes in `epochs` epochs, with the first (epoch, index) that draws it."""
    found: dict[tuple[int, bytes], tuple[int, int]] = {}
    for epoch in range(epochs if variants.count > 1 else 1):
        for index in range(length):
            found.setdefault((index, variants((seed, epoch, index))), (epoch, index))
        if len(found) == length * variants.count:
            break
    return found


def readable(size: int) -> str:
    """Bytes as a person says them."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def refuse(data: SegmentationData, task: Any) -> None:
    """ValueError where the maps of one epoch would be wrong in another, or are not all that a step needs."""
    net, policy = task.net, task.policy
    if data.on_error != "raise":
        raise ValueError("data.cache=features needs data.on_error=raise: check data first (python -m seglight.check)")
    stages = [part for part in parts(net) if part.depth > 0]
    if not isinstance(net, EncoderDecoder) or not stages:
        raise ValueError(f"data.cache=features: {type(net).__name__} has no encoder and decoder to part")
    trained = [part for part in stages if not policy.head_only and policy.first_epoch(part) < NEVER]
    if trained:
        first = min(policy.first_epoch(part) for part in trained)
        raise ValueError(
            f"data.cache=features needs an encoder that never trains (freeze=encoder or head_only); with "
            f"freeze={policy.name} {len(trained)} of its {len(stages)} stages train, from epoch {first} on"
        )
    kind = type(net.decoder)
    if kind.segment is not Decoder.segment or kind.training_pairs is not Decoder.training_pairs:
        raise ValueError(f"data.cache=features: decoder {kind.__name__} takes images apart itself; set data.cache=null")
