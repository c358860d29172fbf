"""Decoded images and masks as one array of bytes, in a memory-mapped file or in shared memory."""

# Shapes: H W pixels

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seglight.data.cache_content import Place, fill, key, layout
from seglight.data.pair import Pair
from seglight.data.reader import Reader

log = logging.getLogger(__name__)

FORMAT = 1  # of the files; another number makes everybody build anew


class CachedReader:
    """Reads pairs from `pixels`, a file of bytes or a tensor in shared memory.

    What was unreadable when it was built raises that error again.
    """

    def __init__(self, places: dict[str, Place], failures: dict[str, str], pixels: Tensor | Path) -> None:
        self.places, self.failures, self.pixels = places, failures, pixels
        self.mapped: NDArray[np.uint8] | None = None

    def bytes(self) -> NDArray[np.uint8]:
        """All the bytes, the file mapped once a process."""
        if self.mapped is None:
            self.mapped = (
                np.memmap(self.pixels, np.uint8, mode="r") if isinstance(self.pixels, Path) else self.pixels.numpy()
            )
            self.mapped.flags.writeable = False  # a transform that works in place must not change the cache
        return self.mapped

    def __call__(self, pair: Pair) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        start, height, width = self.place(pair)
        image = self.bytes()[start : start + 3 * height * width]
        return image.reshape(height, width, 3), self.mask(pair)

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        start, height, width = self.place(pair)
        start += 3 * height * width
        return self.bytes()[start : start + height * width].reshape(height, width)

    def place(self, pair: Pair) -> Place:
        if key(pair) in self.failures:
            raise ValueError(self.failures[key(pair)])
        return self.places[key(pair)]

    def __getstate__(self) -> dict[str, Any]:
        """Travels to spawned workers without the map; shared memory travels as a handle."""
        return {**self.__dict__, "mapped": None}


def cached(
    kind: str, pairs: Sequence[Pair], reader: Reader, title: str, folder: Path, skip: bool = False
) -> CachedReader:
    """The pairs decoded once: `disk` in a file under `folder`, `ram` in memory that all workers share.

    `skip` keeps the errors of unreadable files instead of raising the first.
    """
    if kind == "ram":
        places, failures, total = layout(pairs, skip)
        refuse_too_large(total, available_memory(), f"data.cache=ram holds {title}", "memory; data.cache=disk does not")
        storage = torch.UntypedStorage._new_shared(max(1, total))  # type: ignore[no-untyped-call]
        tensor: Tensor = torch.empty(0, dtype=torch.uint8).set_(storage, 0, (max(1, total),))  # type: ignore[call-overload]
        fill(tensor.numpy(), pairs, places, failures, reader, f"data.cache=ram: {title}", skip)
        return CachedReader(places, failures, tensor)
    return disk_cache(pairs, reader, title, folder, skip)


def disk_cache(pairs: Sequence[Pair], reader: Reader, title: str, folder: Path, skip: bool) -> CachedReader:
    """Opens the file for these pairs in their present state, building it first where there is none.

    Its name has a hash of the settings and one of every file's path, size and time of change. One process builds, the
    others wait; a build that broke off is never opened.
    """
    settings = short_hash(f"{FORMAT} {reader!r}")
    prefix = f"{title.replace(' ', '_').replace('/', '_')}-{settings}-"
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f"{prefix}lock"):
        place = folder / f"{prefix}{short_hash(state(pairs))}"
        if not (place / "index.json").exists():
            for old in folder.glob(f"{prefix}*"):  # of files that have changed since, or a build that broke off
                if old.is_dir():
                    shutil.rmtree(old)
            build(place, pairs, reader, title, skip)
        index = json.loads((place / "index.json").read_text())
    places = {name: (start, height, width) for name, (start, height, width) in index["places"].items()}
    return CachedReader(places, index["failures"], place / "pixels.bin")


def build(place: Path, pairs: Sequence[Pair], reader: Reader, title: str, skip: bool) -> None:
    """Decodes everything into `place`; its index comes last, by a rename."""
    places, failures, total = layout(pairs, skip)
    free = shutil.disk_usage(place.parent).free
    refuse_too_large(total, free, f"data.cache=disk writes {title} to {place.parent}", "disk; set data.cache_dir")
    place.mkdir()
    try:
        pixels = np.memmap(place / "pixels.bin", np.uint8, mode="w+", shape=(max(1, total),))
        fill(pixels, pairs, places, failures, reader, f"data.cache=disk: {title}", skip)
        pixels.flush()
    except BaseException:
        shutil.rmtree(place)
        raise
    part = place / "index.part"
    part.write_text(json.dumps({"places": places, "failures": failures}))
    os.replace(part, place / "index.json")
    log.info("data.cache=disk: %d images, %.2f GB, in %s", len(places), total / 1e9, place)


def state(pairs: Sequence[Pair]) -> str:
    """Every file's path, size and time of change, as one text."""
    lines = []
    for pair in pairs:
        for path in (pair.image, pair.mask):
            if path is None:
                continue
            try:
                status = path.stat()
                lines.append(f"{path}#{pair.frame} {status.st_size} {status.st_mtime_ns}")
            except OSError:
                lines.append(f"{path} missing")
    return "\n".join(lines)


def short_hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def refuse_too_large(needed: int, free: int, what: str, where: str) -> None:
    """ValueError before anything is built that would not fit."""
    if needed > 0.9 * free:
        raise ValueError(f"{what}: {needed / 1e9:.1f} GB; {free / 1e9:.1f} GB are free in {where}")


def available_memory() -> int:
    """Bytes that can still be used, by the system and in this container; very many where neither says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 1 << 60
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 1 << 60)
    return min(free, container_memory())


def container_memory() -> int:
    """Bytes below the limit of the control group, as Docker and SLURM set it."""
    group = Path("/sys/fs/cgroup")
    try:
        name = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        place = group / name.removeprefix("0::/")
        place = place if (place / "memory.max").exists() else group
        limit, used = (int((place / f"memory.{what}").read_text()) for what in ("max", "current"))
        cached = next(
            int(line.split()[1])
            for line in (place / "memory.stat").read_text().splitlines()
            if line.startswith("file ")
        )
    except (OSError, StopIteration, ValueError):  # no such limit
        return 1 << 60
    return max(limit - used + cached, 0)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; where the system has no such locks, two may build and the later one's files stay."""
    with path.open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):
            log.debug("no lock on %s", path)
        yield
