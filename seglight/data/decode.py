"""Decodes image and mask files into arrays; a file that cannot be decoded is named with what is wrong."""

# Shapes: H W pixels

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

EXIF_ORIENTATION = 0x0112
Image.MAX_IMAGE_PIXELS = 2**30  # maps and slides of 12,000 x 9,000 and more are everyday data, not an attack
JPEG_END = b"\xff\xd9"


def read_image(path: Path, frame: int = 0, turn: bool = True) -> NDArray[Any]:
    """The image as RGB [H, W, 3], upright unless `turn` is false, whatever it was stored as (grey, CMYK, palette).

    uint8; of 16 bits float32 from 0 to 255, which loses none of them.
    """
    content = jpeg_content(path)
    pixels = None if content is None else fast_jpeg(content)
    if pixels is not None:
        return pixels
    if deep_png(path):
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        if stored is not None:
            grey = stored.ndim == 2
            return from_16_bits(np.repeat(stored[..., None], 3, 2) if grey else stored[..., [2, 1, 0]])
    return to_rgb(decode(path, frame, turn), path)


def read_mask(path: Path, frame: int = 0) -> NDArray[Any]:
    """The stored values: [H, W] integers (palette PNGs as indices), or [H, W, 3] uint8 where colours are stored."""
    if path.suffix == ".npy":
        return read_array(path)
    if path.suffix == ".mat":
        return read_sbd(path)
    image = decode(path, frame)
    if image.mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
        return np.array(image.convert("RGB"), dtype=np.uint8)
    if image.mode == "LA":
        image = image.getchannel(0)
    values = np.array(image)
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        return whole_numbers(values, path)
    return values


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) as `read_image` will return it, from the file's header."""
    if path.suffix == ".npy":
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
        return int(shape[0]), int(shape[1])
    if path.suffix == ".mat":
        height, width = read_sbd(path).shape
        return height, width
    with open_image(path) as image:
        width, height = image.size
        return (width, height) if by_a_quarter(image) else (height, width)


def is_turned(path: Path) -> bool:
    """Whether the file's EXIF orientation turns the image by a quarter."""
    try:
        with open_image(path) as image:
            return by_a_quarter(image)
    except (ValueError, OSError):
        return False


def by_a_quarter(image: Image.Image) -> bool:
    """Whether its EXIF orientation turns it by a quarter."""
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except (OSError, SyntaxError):  # of a PNG all is read for it; decoding says what is wrong with the file
        return False


def jpeg_content(path: Path) -> bytes | None:
    """The file's content if it is a JPEG, by its first two bytes."""
    try:
        with path.open("rb") as file:
            start = file.read(2)
            return start + file.read() if start == b"\xff\xd8" else None
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None


def fast_jpeg(content: bytes) -> NDArray[np.uint8] | None:
    """RGB [H, W, 3] of a whole colour JPEG, equal to Pillow's to the bit and a quarter faster; else None.

    Left to Pillow: what has no end (OpenCV may return a part of it), grey and CMYK, and what may have to be turned.
    """
    if JPEG_END not in content[-64:] or plain_channels(content) != 3:
        return None
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if pixels is None else np.asarray(pixels, np.uint8)


def plain_channels(content: bytes) -> int:
    """The colour channels that a JPEG's frame header names; 0 where there is none, or Exif data before it."""
    position = 2
    while position + 9 < len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if content[position + 4 : position + 8] == b"Exif":
            return 0
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return content[position + 9]
        position += 2 + length
    return 0


def open_image(path: Path) -> Image.Image:
    """The file opened, its header read."""
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except Exception as error:
        raise undecodable(path, error) from None


def decode(path: Path, frame: int = 0, turn: bool = True) -> Image.Image:
    """The file decoded to its last pixel and, with `turn`, turned upright by its EXIF orientation."""
    with open_image(path) as image:
        try:
            if frame:
                image.seek(frame)
            image.load()
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        except Exception as error:
            raise undecodable(path, error) from None
        return ImageOps.exif_transpose(image) if orientation != 1 and turn else image


def refuse_pages(path: Path) -> None:
    """ValueError where a file is a TIFF of several pages, of which the first alone would be read."""
    if path.suffix.lower() in (".tif", ".tiff"):
        with open_image(path) as image:
            if (pages := getattr(image, "n_frames", 1)) > 1:
                raise ValueError(
                    f"{path}: a TIFF of {pages} pages; give one of them, as an array or Pillow's image, or let "
                    f"`python -m seglight.predict source={path}` write a mask for each"
                )


def undecodable(path: Path, error: Exception) -> ValueError:
    """The error for a file that is there but broken."""
    size = path.stat().st_size
    if size == 0:
        return ValueError(f"{path}: the file is empty (0 bytes); expected an image")
    return ValueError(f"{path}: cannot be decoded as an image, {size:,} bytes ({error}); truncated or another format?")


def to_rgb(image: Image.Image, path: Path) -> NDArray[Any]:
    """RGB [H, W, 3]: uint8, or of 16 bits float32 from 0 to 255 (65535 is 255)."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(
                f"{path}: {values.dtype} pixels from {values.min()} to {values.max()}; expected 8 or 16 bits a channel"
            )
        return from_16_bits(np.repeat(values[..., None], 3, 2))
    if image.mode == "F":
        raise ValueError(f"{path}: floating-point pixels; expected 8 or 16 bits a channel; data=folder reads them")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def from_16_bits(values: NDArray[Any]) -> NDArray[np.float32]:
    """0 to 65535 as 0 to 255."""
    return values.astype(np.float32) * np.float32(255 / 65535)


def deep_png(path: Path) -> bool:
    """Whether it is a PNG of 16 bits a channel, of which Pillow reads colours as 8."""
    with path.open("rb") as file:
        start = file.read(25)
    return start[:8] == b"\x89PNG\r\n\x1a\n" and start[24:] == b"\x10"


def is_tiff(path: Path) -> bool:
    """Whether a file starts as a TIFF does."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None


def frame_count(path: Path) -> int:
    """The images in a file: more than one in a TIFF stack."""
    with open_image(path) as image:
        return int(getattr(image, "n_frames", 1))


def read_sbd(path: Path) -> NDArray[np.uint8]:
    """The class mask of one of SBD's .mat files (GTcls.Segmentation)."""
    from scipy.io import loadmat

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        mask: NDArray[np.uint8] = loadmat(path, squeeze_me=True, struct_as_record=False)["GTcls"].Segmentation
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as one of SBD's .mat files ({error}); expected GTcls") from None
    return mask


def read_array(path: Path) -> NDArray[Any]:
    """A mask stored as .npy: [H, W] whole numbers, or [H, W, 3] uint8 colours."""
    try:
        values: NDArray[Any] = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    except Exception as error:
        raise ValueError(f"{path}: cannot be read as a .npy array ({error})") from None
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values[0] if values.shape[0] == 1 else values[..., 0]
    if values.ndim != 2 and not (values.ndim == 3 and values.shape[2] == 3 and values.dtype == np.uint8):
        raise ValueError(f"{path}: shape {values.shape} {values.dtype}; expected [H, W] labels or [H, W, 3] uint8")
    if values.dtype == np.bool_:
        return np.asarray(values, np.uint8)
    return whole_numbers(values, path) if values.dtype.kind == "f" else values


def whole_numbers(values: NDArray[Any], path: Path) -> NDArray[np.int64]:
    """Labels stored as floating-point numbers, as integers; refused where one is not whole."""
    rounded = np.round(values).astype(np.int64)
    if not np.array_equal(rounded, values):
        raise ValueError(f"{path}: labels are not whole numbers, e.g. {values[rounded != values].flat[0]}")
    return rounded
