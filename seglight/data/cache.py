"""Decoded images and masks as one array of bytes, in a memory-mapped file or in shared memory."""

# Shapes: H W pixels

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seglight.data.cache_content import Place, extents, fill, image_at, key, layout, mask_at
from seglight.data.memory import available_memory, refuse_too_large
from seglight.data.pair import Pair
from seglight.data.reader import Reader

log = logging.getLogger(__name__)

FORMAT = 2  # of the files; another number makes everybody build anew
PARTIAL = ".partial"  # ends the name of a folder that is being built


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

    def __call__(self, pair: Pair) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        return image_at(self.bytes(), self.place(pair)), self.mask(pair)

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        return mask_at(self.bytes(), self.place(pair))

    def form(self, pair: Pair) -> tuple[int, int, int, int]:
        """(H, W, C, bytes of a number) of an image."""
        return self.place(pair)[1:]

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
        places, failures, total = layout(pairs, reader, skip)
        refuse_too_large(total, available_memory(), f"data.cache=ram holds {title}", "memory; data.cache=disk does not")
        storage = torch.UntypedStorage._new_shared(max(1, total))  # type: ignore[no-untyped-call]
        tensor: Tensor = torch.empty(0, dtype=torch.uint8).set_(storage, 0, (max(1, total),))  # type: ignore[call-overload]
        fill(tensor.numpy(), pairs, places, failures, reader, f"data.cache=ram: {title}", skip)
        return CachedReader(places, failures, tensor)
    return disk_cache(pairs, reader, title, folder, skip)


def disk_cache(pairs: Sequence[Pair], reader: Reader, title: str, folder: Path, skip: bool) -> CachedReader:
    """Opens the cache of these pairs in their present state, building it first where there is none.

    Its folder's name has a hash of the settings, and one of every file's path, size and time of change. One process
    builds, the others wait. A build that broke off is never opened. A whole cache is never removed: another run may
    read it.
    """
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    name = (
        f"{title.replace(' ', '_').replace('/', '_')}-{short_hash(f'{FORMAT} {reader!r}')}-{short_hash(state(pairs))}"
    )
    place = folder / name
    with locked(lock_of(place)) as alone:
        cache = opened(place)
        if cache is None:
            remove_broken_off(folder, place if alone else None)
            shutil.rmtree(place, ignore_errors=True)
            build(place, pairs, reader, title, skip)
            cache = opened(place)
    assert cache is not None
    return cache


def opened(place: Path) -> CachedReader | None:
    """The cache in a folder; None where it is not there or not whole."""
    try:
        index = json.loads((place / "index.json").read_text())
        size = (place / "pixels.bin").stat().st_size
    except (OSError, ValueError):
        return None
    places: dict[str, Place] = {name: tuple(place) for name, place in index["places"].items()}
    if size < max((extents(place)[2] for place in places.values()), default=0):
        return None
    return CachedReader(places, index["failures"], place / "pixels.bin")


def build(place: Path, pairs: Sequence[Pair], reader: Reader, title: str, skip: bool) -> None:
    """Decodes everything into a folder beside `place`, which gets its name once it is whole."""
    places, failures, total = layout(pairs, reader, skip)
    free = shutil.disk_usage(place.parent).free
    where = f"disk; remove old caches (rm -r {place.parent}/*) or set data.cache_dir"
    refuse_too_large(total, free, f"data.cache=disk writes {title} to {place.parent}", where)
    partial = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")
    partial.mkdir()
    try:
        pixels = np.memmap(partial / "pixels.bin", np.uint8, mode="w+", shape=(max(1, total),))
        fill(pixels, pairs, places, failures, reader, f"data.cache=disk: {title}", skip)
        pixels.flush()
        (partial / "index.json").write_text(json.dumps({"places": places, "failures": failures}))
        with suppress(OSError):  # where there are no locks, another process may have been faster
            partial.rename(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    caches = [path for path in place.parent.iterdir() if (path / "index.json").is_file()]
    log.info("data.cache=disk: %d images, %.2f GB, in %s", len(places), total / 1e9, place)
    if len(caches) > 1:
        log.info("%s holds %d caches; remove those that no run reads any more", place.parent, len(caches))


def remove_broken_off(folder: Path, own: Path | None) -> None:
    """Removes what killed processes were building: nobody holds its lock, or this process does (`own`)."""
    for partial in folder.glob(f"*{PARTIAL}"):
        place = folder / partial.name.removesuffix(PARTIAL).rpartition(".")[0]
        with nullcontext(True) if place == own else locked(lock_of(place), wait=False) as alone:
            if alone:
                shutil.rmtree(partial, ignore_errors=True)


def lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


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


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[bool]:
    """One process at a time; yields whether this one has the lock, which some file systems do not give."""
    with path.open("a") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except (ImportError, OSError):
            alone = False
            log.debug("no lock on %s", path)
        yield alone
