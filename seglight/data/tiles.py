"""`data.tile=512 data.tile_overlap=64`: large images are cut into windows as they are read; no files are written."""

# Shapes: H W pixels

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seglight.data.cache_content import key
from seglight.data.pair import Pair, Window
from seglight.data.reader import Reader, form, size_mismatch
from seglight.data.sampler import NOT_COUNTED, EvaluationSampler, Key, rank_and_world
from seglight.data.workers import own_cores
from seglight.ignore import IGNORE_INDEX
from seglight.values import whole

Save = Callable[[NDArray[np.uint8], str, Path], Any]


@dataclass
class Tiles:
    """Windows of `side` pixels, of which neighbours share `overlap`; the last of a row ends where the image does."""

    side: int
    overlap: int = 0
    cut_out: dict[str, Window] = field(default_factory=dict)  # by name

    @classmethod
    def of(cls, tile: Any, overlap: Any) -> Tiles | None:
        """From `data.tile` and `data.tile_overlap`; None where images stay whole."""
        whole("data.tile_overlap", overlap, 0)
        if tile is None:
            return None
        if overlap >= whole("data.tile", tile):
            raise ValueError(f"data.tile_overlap={overlap}: a whole number below data.tile={tile} is needed")
        return cls(tile, overlap)

    def cut(self, pairs: Sequence[Pair], reader: Reader, skip: bool = False) -> list[Pair]:
        """The windows of all images, each a pair with a name of its own, in the order of the images.

        skip: an image whose size cannot be read stays one pair, without a window; reading it says what is wrong.
        """

        def size_of(pair: Pair) -> tuple[int, int] | None:
            try:
                return form(reader, pair)[:2]
            except (ValueError, OSError):
                if not skip:
                    raise
                return None

        with ThreadPoolExecutor(own_cores()) as pool:  # headers
            sizes = list(pool.map(size_of, pairs))
        found = [
            replace(pair, name=name_of(pair.name, window), window=window)
            for pair, size in zip(pairs, sizes, strict=True)
            for window in ([None] if size is None else self.windows(size))
        ]
        self.cut_out |= {pair.name: pair.window for pair in found if pair.window is not None}
        return found

    def windows(self, size: tuple[int, int]) -> Iterator[Window]:
        """Those of an image (H, W). Their inner parts cover it, and no pixel is in two of them."""
        rows, columns = (self.along(length) for length in size)
        for top, bottom, *middle in rows:
            for left, right, *centre in columns:
                yield Window(top, left, bottom, right, (middle[0], centre[0], middle[1], centre[1]), size)

    def along(self, length: int) -> list[tuple[int, int, int, int]]:
        """Start and end of the windows along an axis, and of their inner parts, which meet half way in the overlap."""
        side = min(self.side, length)
        starts = [*range(0, length - side, self.side - self.overlap), length - side]
        meets = [0, *((start + side + other) // 2 for start, other in pairwise(starts)), length]
        return [(start, start + side, *meets[number : number + 2]) for number, start in enumerate(starts)]

    def image_of(self, name: str) -> str:
        """The name of the image that a window is from."""
        return name.rpartition("@")[0]

    def sampler(self, pairs: Sequence[Pair]) -> EvaluationSampler:
        """Every window once, all of an image's on one rank."""
        return WindowsOfImages(list(Counter(key(pair) for pair in pairs).values()))

    def stitched(self, save: Save) -> Save:
        """`save` for the masks of windows: the mask of an image is handed on once its windows are there."""
        waiting: dict[str, tuple[NDArray[np.uint8], set[str]]] = {}

        def put(mask: NDArray[np.uint8], name: str, folder: Path) -> None:
            window, image = self.cut_out[name], self.image_of(name)
            if image not in waiting:
                missing = {name_of(image, one) for one in self.windows(window.image)}
                waiting[image] = np.full(window.image, IGNORE_INDEX, np.uint8), missing
            whole_mask, missing = waiting[image]
            top, left, bottom, right = window.inner
            whole_mask[top:bottom, left:right] = window.of_part(mask)
            missing.discard(name)
            if not missing:
                save(waiting.pop(image)[0], image, folder)

        return put


def name_of(image: str, window: Window | None) -> str:
    """A window's own name."""
    return f"{image}@" if window is None else f"{image}@y{window.top}x{window.left}"


def window_of(pair: Pair, reader: Reader) -> Window:
    """A pair's window; ValueError says why its image has none."""
    if pair.window is None:
        reader(pair)
        raise ValueError(f"{pair.image}: its size could not be read")
    return pair.window


class WindowsOfImages(EvaluationSampler):
    """Images dealt out over the ranks, each with all its windows. counts: windows of each image, in their order."""

    def __init__(self, counts: Sequence[int]) -> None:
        super().__init__(sum(counts))
        self.counts = counts

    def __iter__(self) -> Iterator[Key]:
        rank, world = rank_and_world()
        if rank >= len(self.counts) > 0:
            yield NOT_COUNTED, 0
        starts = np.concatenate([[0], np.cumsum(self.counts)]).tolist()
        for image in range(rank, len(self.counts), world):
            yield from ((0, index) for index in range(starts[image], starts[image + 1]))

    def __len__(self) -> int:
        rank, world = rank_and_world()
        return max(sum(self.counts[rank::world]), min(self.length, 1))


class TileReader:
    """Reads windows. A file that cannot be read by parts is decoded whole, and kept until another one is.

    Neighbouring windows overlap. scored: each pixel of the overlap is scored in one window only, and ignored in the
    other.
    """

    def __init__(self, reader: Reader, scored: bool) -> None:
        self.reader, self.scored = reader, scored
        self.kept: dict[str, tuple[str, Any]] = {}

    def __call__(self, pair: Pair) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        window = window_of(pair, self.reader)
        if not hasattr(self.reader, "image_part"):
            image, mask = (window.of_image(whole) for whole in self.once("pair", self.reader, pair))
        else:
            image, invalid = self.image(pair, window)
            mask = self.labels(pair, window)
            mask = mask if invalid is None else np.where(invalid, np.uint8(IGNORE_INDEX), mask)
        return np.ascontiguousarray(image), self.counted(mask, window)

    def mask(self, pair: Pair) -> NDArray[np.uint8]:
        window = window_of(pair, self.reader)
        return self.counted(self.labels(pair, window), window)

    def image(self, pair: Pair, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """The image's window and where it has no data."""
        reader: Any = self.reader
        part: tuple[NDArray[Any], NDArray[np.bool_] | None] | None = reader.image_part(pair, window)
        if part is not None:
            return part
        image, invalid = self.once("image", reader.image, pair)
        return window.of_image(image), None if invalid is None else window.of_image(invalid)

    def invalid(self, pair: Pair) -> NDArray[np.bool_] | None:
        """Where the image's window has no data [H, W]."""
        reader: Any = self.reader
        if not hasattr(reader, "all_data") or reader.all_data(pair):
            return None
        assert pair.window is not None
        return self.image(pair, pair.window)[1]

    def labels(self, pair: Pair, window: Window) -> NDArray[np.uint8]:
        """The mask's window."""
        if pair.mask is None:
            return np.full(window.size, IGNORE_INDEX, np.uint8)
        reader: Any = self.reader
        part = reader.mask_part(pair, window) if hasattr(reader, "mask_part") else None
        if part is not None:
            return part  # type: ignore[no-any-return]
        whole = self.once("mask", reader.mask, pair)
        if whole.shape != window.image:
            raise size_mismatch(pair, window.image, whole.shape)
        return window.of_image(whole)

    def counted(self, mask: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        """The mask, 255 where another window's counts."""
        if not self.scored:
            return np.ascontiguousarray(mask)
        inner = np.full_like(mask, IGNORE_INDEX)
        window.of_part(inner)[:] = window.of_part(mask)
        return inner

    def once(self, what: str, read: Callable[[Pair], Any], pair: Pair) -> Any:
        """`read(pair)`, of the last file kept."""
        name, found = self.kept.get(what, ("", None))
        if name != key(pair):
            found = read(pair)
            self.kept[what] = (key(pair), found)
        return found

    def form(self, pair: Pair) -> tuple[int, int, int, int]:
        """(H, W, C, bytes of a number) of a window."""
        assert pair.window is not None
        return *pair.window.size, *form(self.reader, pair)[2:]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "kept": {}}
