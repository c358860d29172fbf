"""What litdata chunks hold: a name, an image and a mask each, as bytes that run no code; written by `fetch`."""

# Shapes: H W pixels, C bands

from __future__ import annotations

import io
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seglight.data.bands import Stored, read_stored
from seglight.data.decode import fast_jpeg, jpeg_content
from seglight.data.pair import Pair
from seglight.data.pixels import Pixels, settings_of
from seglight.data.reader import FileReader, Reader
from seglight.data.workers import available_cores

if TYPE_CHECKING:
    from seglight.data.datamodule import SegmentationData

log = logging.getLogger(__name__)

CHUNK_BYTES = "64MB"
INDEX = "index.json"  # of a split's chunks
FORMATS = ("str", "bytes")  # of a sample's parts; litdata has others, and pickle is one of them
LOADER = "PyTreeLoader"
PART: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
SAMPLE = {"type": "builtins.dict", "context": ["name", "image", "mask"], "children_spec": [PART] * 3}
ABOUT = "seglight.json"  # classes, palette and how images are read, in each split's index
PACKED = b"PK"  # the first bytes of an archive of arrays


def litdata() -> Any:
    """The optional package, imported when it is needed."""
    import litdata as package

    logging.getLogger("litdata").setLevel(logging.WARNING)
    return package


def write_chunks(data: SegmentationData, splits: Sequence[str], folder: Path) -> None:
    """Writes `folder`/<split>, all or none: JPEG files as they are, other images of RGB in 8 bits, and masks, as PNGs.

    Images of other bands or more bits are arrays of stored values: the bands that `data.bands` chooses, all without it.
    """
    litdata()  # says how to install it
    if data.tiles is not None:
        raise ValueError(f"data.tile={data.tiles.side}: chunks hold whole images; leave it out")
    about: dict[str, Any] = {"name": data.name, "classes": list(data.classes), "palette": [*map(list, data.palette)]}
    with tempfile.TemporaryDirectory(prefix=".chunks-", dir=folder) as unfinished:
        for split in splits:
            write_split(data, split, Path(unfinished), about)
        for split in splits:
            shutil.rmtree(folder / split, ignore_errors=True)
            os.replace(Path(unfinished) / split, folder / split)


def write_split(data: SegmentationData, split: str, folder: Path, about: dict[str, Any]) -> None:
    """Writes `folder`/<split>. ValueError names a file that cannot be read."""
    pairs, reader, failed = data.listed(split), data.reader(split), folder / f"{split}.failed"
    encode_pair(pairs[0], reader)  # what is wrong with all of them is said before anything is written
    if settings := settings_of(getattr(reader, "pixels", None) or Pixels()):
        about["pixels"] = settings
    start = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    workers = min(available_cores(), len(pairs))
    log.info("data=%s, split %s: %d images to chunks", data.name, split, len(pairs))
    litdata().optimize(
        partial(encode_until, reader=reader, failed=failed), pairs, str(folder / split), chunk_bytes=CHUNK_BYTES,
        num_workers=workers, mode="overwrite", keep_data_ordered=True, verbose=False, start_method=start,
    )  # fmt: skip
    if failed.exists():
        raise ValueError(failed.read_text())
    index = folder / split / INDEX
    index.write_text(json.dumps({**json.loads(index.read_text()), ABOUT: about}))


def encode_until(pair: Pair, reader: Reader, failed: Path) -> dict[str, Any] | None:
    """One sample, in a worker. Where its file is wrong, `failed` says so; nothing is encoded from then on."""
    if failed.exists():
        return None
    try:
        return encode_pair(pair, reader)
    except (ValueError, OSError) as error:
        with suppress(FileExistsError), failed.open("x") as file:  # the first one's words
            file.write(str(error))
        return None


def encode_pair(pair: Pair, reader: Reader) -> dict[str, Any]:
    """One sample as litdata stores it. ValueError names an image that chunks do not hold."""
    if not isinstance(reader, FileReader):
        image, mask = reader(pair)
        if image.dtype != np.uint8 or image.shape[2] != 3:
            raise ValueError(f"{pair.name}: of a reader that is no FileReader, chunks hold RGB images of 8 bits alone")
    elif reader.pixels is None or reader.all_data(pair):
        image, _ = reader.image(pair)
        mask = reader.labels_of(pair, image.shape[:2])
    else:
        pixels = reader.pixels
        stored = read_stored(pair.image, pair.frame, pixels.axes, pixels.exif == "apply")
        image, invalid = pixels.image(stored, pair.image)
        mask = reader.labels_of(pair, image.shape[:2])
        if invalid is not None or not pixels.ordinary or image.dtype != np.uint8:
            if pixels.bands is not None:
                stored = replace(stored, values=pixels.chosen(stored, pair.image), alpha=())
            return {"name": pair.name, "image": pack(stored), "mask": png(mask)}
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


def pack(stored: Stored) -> bytes:
    """An archive (.npz) of an image's values as they are, and of what its file says of them."""
    parts: dict[str, Any] = {"values": stored.values, "alpha": np.array(stored.alpha, np.int64)}
    if stored.nodata is not None:
        parts["nodata"] = np.float64(stored.nodata)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **parts)
    return buffer.getvalue()


def unpack(content: bytes) -> Stored:
    """The other way round; never a pickle."""
    with np.load(io.BytesIO(content), allow_pickle=False) as parts:
        nodata = float(parts["nodata"]) if "nodata" in parts else None
        return Stored(parts["values"], nodata, tuple(parts["alpha"].tolist()))


def decode_image(content: bytes, pixels: Pixels, where: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """A sample's image [H, W, C] as the network takes it, and where it has no data [H, W]."""
    if content[:2] == PACKED:  # litdata gives bytes or a view of them
        return pixels.image(unpack(content), where)
    image = fast_jpeg(content)
    if image is None:
        image = decode_png(content)
    return (image, None) if pixels.ordinary else pixels.image(Stored(image), where)


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
