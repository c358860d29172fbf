"""Images come out upright as RGB uint8 however they were stored, masks as stored; broken files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglight.data.decode import fast_jpeg, image_size, read_image, read_mask
from seglight.data.labels import ColourLabels, IndexLabels, MappedLabels
from tests.data.conftest import labels, picture, save_palette


def test_jpeg_is_decoded_as_pillow_does_to_the_bit(tmp_path: Path) -> None:
    for quality, subsampling in ((95, 0), (75, 2), (30, 1)):
        path = tmp_path / f"{quality}.jpg"
        Image.fromarray(picture(67, 101)).save(path, quality=quality, subsampling=subsampling)
        assert fast_jpeg(path.read_bytes()) is not None
        np.testing.assert_array_equal(read_image(path), np.asarray(Image.open(path)))


STORED = {
    "png": ("L", "LA", "RGBA", "P", "1", "I;16"),
    "tif": ("L", "LA", "RGBA", "P", "CMYK", "1", "I;16"),
    "jpg": ("L", "CMYK"),
}


@pytest.mark.parametrize(("suffix", "mode"), [(suffix, mode) for suffix, modes in STORED.items() for mode in modes])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"image.{suffix}"
    if mode == "I;16":
        Image.fromarray(picture(8, 9)[..., 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(picture(8, 9)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (8, 9, 3)
    assert image.dtype == (np.float32 if mode == "I;16" else np.uint8)
    if mode == "I;16":
        np.testing.assert_allclose(image[..., 1], picture(8, 9)[..., 0], rtol=1e-6)
    elif mode in ("L", "1"):
        assert (image[..., 0] == image[..., 2]).all()
    elif mode != "CMYK":
        assert np.abs(image.astype(int) - np.asarray(Image.open(path).convert("RGB"))).max() <= 1


def test_exif_orientation_turns_the_image_and_its_size(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise to be seen upright
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    image = read_image(path)
    assert image.shape == (30, 20, 3)
    assert image_size(path) == (30, 20)
    assert image[:10].mean() > 250
    assert image[20:].mean() < 5


def test_palette_masks_are_indices_and_colour_masks_stay_colours(tmp_path: Path) -> None:
    mask = labels(10, 12, 21)
    save_palette(mask, tmp_path / "palette.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "palette.png"), mask)
    Image.open(tmp_path / "palette.png").convert("RGB").save(tmp_path / "colours.png")
    assert read_mask(tmp_path / "colours.png").shape == (10, 12, 3)


@pytest.mark.parametrize("suffix", ["npy", "tif", "png"])
def test_masks_of_more_than_eight_bits(tmp_path: Path, suffix: str) -> None:
    stored = labels(10, 12, 5).astype(np.uint16) + 1000
    path = tmp_path / f"mask.{suffix}"
    np.save(path, stored) if suffix == "npy" else Image.fromarray(stored).save(path)
    np.testing.assert_array_equal(read_mask(path), stored)
    mapped = MappedLabels({**{1000 + i: i for i in range(5)}, 1255: 255})(read_mask(path), path)
    np.testing.assert_array_equal(mapped, labels(10, 12, 5))


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kept", [0, 2, 0.5, -40])
def test_a_broken_file_is_named(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"broken.{suffix}"
    Image.fromarray(picture(50, 60)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=r"expected an image|cannot be decoded") as error:
            read(path)
        assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for name in ("none.jpg", "none.npy", "none.mat"):
        with pytest.raises(FileNotFoundError, match=name):
            read_mask(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"none\.jpg"):
        read_image(tmp_path / "none.jpg")


@pytest.mark.parametrize("name", ["with space.png", "straße_日本.png", "straße_日本.jpg"])
def test_names_with_spaces_and_other_letters(tmp_path: Path, name: str) -> None:
    Image.fromarray(picture(5, 6)).save(tmp_path / name)
    assert read_image(tmp_path / name).shape == (5, 6, 3)


def test_tiny_and_huge_images(tmp_path: Path) -> None:
    Image.fromarray(picture(1, 1)).save(tmp_path / "tiny.jpg")
    assert read_image(tmp_path / "tiny.jpg").shape == (1, 1, 3)
    Image.new("L", (12000, 9000)).save(tmp_path / "huge.png", compress_level=1)
    assert read_image(tmp_path / "huge.png").shape == (9000, 12000, 3)


def test_labels_out_of_range_name_file_value_and_what_is_expected() -> None:
    stored = np.array([[0, 20], [21, 255]], np.uint8)
    with pytest.raises(ValueError, match=r"m\.png: label 21 \(1 px\) is out of range; expected 0 to 20, or 255"):
        IndexLabels(21)(stored, Path("m.png"))
    assert IndexLabels(22)(stored, Path("m.png")) is stored  # nothing is copied
    with pytest.raises(ValueError, match=r"label -1 \(2 px\)"):
        IndexLabels(3)(np.array([[0, -1], [-1, 255]], np.int32), Path("m.png"))
    with pytest.raises(ValueError, match=r"label 9 .* expected one of \[0, 3\]"):
        MappedLabels({0: 0, 3: 1})(np.array([[0, 3, 9]], np.uint8), Path("m.png"))


def test_an_rgb_mask_where_indices_are_expected_is_refused() -> None:
    for reader in (IndexLabels(3), MappedLabels({0: 0})):
        with pytest.raises(ValueError, match=r"m\.png: an RGB mask; expected .* data=folder"):
            reader(np.zeros((4, 4, 3), np.uint8), Path("m.png"))


def test_colours_become_classes_and_a_strange_one_is_named() -> None:
    table = ColourLabels({(0, 0, 0): 255, (128, 64, 128): 0, (0, 0, 142): 1})
    stored = np.array([[[0, 0, 142], [128, 64, 128]], [[0, 0, 0], [0, 0, 142]]], np.uint8)
    np.testing.assert_array_equal(table(stored, Path("m.png")), [[1, 0], [255, 1]])
    stored[1, 1] = (9, 8, 7)
    with pytest.raises(ValueError, match=r"m\.png: colour \(9, 8, 7\) at row 1, column 1"):
        table(stored, Path("m.png"))


def test_float_labels_must_be_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[0.0, 2.0]]))
    np.testing.assert_array_equal(read_mask(tmp_path / "m.npy"), [[0, 2]])
    np.save(tmp_path / "m.npy", np.array([[0.0, 2.5]]))
    with pytest.raises(ValueError, match=r"m\.npy: labels are not whole numbers, e\.g\. 2\.5"):
        read_mask(tmp_path / "m.npy")
