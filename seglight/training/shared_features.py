"""Kept features that the jobs of a sweep share: `<sweep>/.features/`, which goes when all jobs are done.

A shelf is a folder in it, of one split's images and one encoder. It grows by pieces: each rank's `<number>-<rank>.bin`,
then `<number>.json`, which says what they hold. Without the latter a piece is not there: the next one writes over what
a killed job left. One job at a time adds.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from seglight.data.loader import Collate
from seglight.data.sampler import Key
from seglight.runs.atomic import remove_partial, written_whole
from seglight.runs.lock import HeldByAnotherError, held
from seglight.runs.run import Run
from seglight.training.feature_files import Entry, Place, read, write
from seglight.training.feature_records import Record, View

log = logging.getLogger(__name__)

FOLDER = ".features"


@contextmanager
def offered(sweep: Path) -> Iterator[None]:
    """While jobs of a sweep train, the folder is there for what they share."""
    folder = sweep / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()  # where nothing is in it


class Sharing(NamedTuple):
    """Where a job shares its features, and its config, which says with which jobs."""

    folder: Path
    cfg: DictConfig


def offered_to(run: Run) -> Sharing | None:
    """None for a run that is no job of a sweep, or of one that is done."""
    folder = run.path.parent / FOLDER
    return Sharing(folder, run.cfg) if run.cfg.get("sweep") and folder.is_dir() else None


def remove(sweep: Path) -> None:
    """When all jobs are done."""
    shutil.rmtree(sweep / FOLDER, ignore_errors=True)


@dataclass
class Shelf:
    """What lies in a folder, by view. shapes: [C, h, w] of the stages' maps of an image; size: its height and width."""

    folder: Path
    pieces: int = 0
    entries: dict[View, Entry] = field(default_factory=dict)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    size: tuple[int, ...] = ()

    @classmethod
    def of(cls, folder: Path) -> Shelf:
        shelf = cls(folder)
        while (path := folder / f"{shelf.pieces}.json").is_file():
            piece = json.loads(path.read_text())
            shelf.shapes, shelf.size = [tuple(shape) for shape in piece["shapes"]], tuple(piece["size"])
            views = [(index, bytes.fromhex(variant)) for index, variant in piece["views"]]
            shelf.put(views, [(name, [place(p) for p in places]) for name, places in piece["entries"]])
        return shelf

    def put(self, views: Sequence[View], entries: Iterable[Entry]) -> None:
        """Takes a piece in: what it holds joins what is there of the same view."""
        for view, (name, places) in zip(views, entries, strict=True):
            _, before = self.entries.get(view, (name, [None] * len(places)))
            self.entries[view] = name, [new or old for new, old in zip(places, before, strict=True)]
        self.pieces += 1

    def missing(self, views: Iterable[View], needed: Sequence[bool]) -> list[View]:
        """The views of which not every needed map is there."""
        return [view for view in views if view not in self.entries or None in self.read_of(view, needed)]

    def read_of(self, view: View, needed: Sequence[bool]) -> list[Place | None]:
        """The places of a view's image, mask and needed maps."""
        _, places = self.entries[view]
        return [place for place, is_read in zip(places, (True, True, *needed), strict=True) if is_read]

    def write(self, rank: int, views: Sequence[View], records: Iterable[Record]) -> list[Entry]:
        """Writes this rank's records of a new piece, without the tensors that are there."""

        def new() -> Iterator[tuple[str, list[Tensor | None]]]:
            for view, record in zip(views, records, strict=True):
                _, there = self.entries.get(view, ("", [None] * len(record.tensors())))
                yield record.name, [None if old else x for x, old in zip(record.tensors(), there, strict=True)]

        path = self.folder / f"{self.pieces}-{rank}.bin"
        try:
            entries = write(path, new())
            with path.open("rb") as file:
                os.fsync(file.fileno())  # before the piece counts
        except BaseException:
            path.unlink(missing_ok=True)  # the disk may be full
            raise
        return entries

    def finish(self, views: Sequence[View], entries: Sequence[Entry]) -> None:
        """Writes what the piece holds that all ranks have written: now it counts."""
        named = [(index, variant.hex()) for index, variant in views]
        piece = {"shapes": self.shapes, "size": self.size, "views": named, "entries": entries}
        with written_whole(self.folder / f"{self.pieces}.json") as file:
            json.dump(piece, file)

    def records(self, views: Iterable[View], needed: Sequence[bool]) -> list[Record]:
        """With the needed maps alone."""
        chosen = []
        for name, places in map(self.entries.__getitem__, views):
            kept = zip(places, (True, True, *needed), strict=True)
            chosen.append((name, [place if is_read else None for place, is_read in kept]))
        return read(self.folder, chosen)

    def has_images_of(self, dataset: Any, keys: dict[View, Key]) -> bool:
        """Whether the data set gives the images and masks that are there; three are looked at."""
        there = [view for view in keys if view in self.entries]
        for view in {there[i] for i in (0, len(there) // 2, -1)} if there else ():
            (record,) = self.records([view], [False] * len(self.shapes))
            batch = Collate("")([dataset[keys[view]]])
            if not (torch.equal(batch["image"][0], record.image) and torch.equal(batch["mask"][0], record.mask)):
                log.info("data.cache=features: %s is another image in other jobs, so nothing is shared", record.name)
                return False
        return True


def place(stored: Sequence[object] | None) -> Place | None:
    """A place as JSON has it."""
    if stored is None:
        return None
    file, start, shape, kind = stored
    return Place(file, start, tuple(shape), kind)  # type: ignore[arg-type]


@contextmanager
def opened(folder: Path, wait: bool) -> Iterator[Shelf | None]:
    """A shelf, for this process alone; where another job has it, waits for that one, or gives None."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / ".lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(held(lock, wait=False))
        except HeldByAnotherError:
            if not wait:
                yield None
                return
            log.info("data.cache=features: waits for another job of this sweep, which makes them")
            stack.enter_context(held(lock, wait=True))
        remove_partial(folder)
        yield Shelf.of(folder)
