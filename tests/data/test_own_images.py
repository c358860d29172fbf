"""Folders as people bring them: what would be silent is said, what can be read is read."""

from __future__ import annotations

import codecs
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from seglight import compose
from seglight.check import check
from seglight.config import build
from tests.data.conftest import picture

MakeData = Callable[..., Any]
TABLE = "classes: [{name: background, id: 0}, {name: object, id: 1}]\n"


def halves(value: int, shape: tuple[int, int] = (20, 24)) -> np.ndarray:
    """A mask whose right half is an object."""
    mask = np.zeros(shape, np.uint8)
    mask[:, shape[1] // 2 :] = value
    return mask


def write(root: Path, count: int = 6, value: int = 1, image: str = "jpg", mask: str = "png") -> Path:
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.fromarray(picture(20, 24, number)).save(root / "images" / f"{number}.{image}")
        Image.fromarray(halves(value)).save(root / "masks" / f"{number}.{mask}")
    (root / "classes.yaml").write_text(TABLE)
    return root


def options(root: Path, kind: str = "folder") -> tuple[str, ...]:
    return f"data={kind}", f"data.root={root}", "data.num_classes=2"


def names(data: Any, split: str) -> list[str]:
    return [pair.name for pair in data.listed(split)]


def test_masks_of_0_and_255_with_a_table_of_0_and_1(tmp_path: Path, make_data: MakeData) -> None:
    data = make_data(*options(write(tmp_path, value=255)))
    with pytest.raises(ValueError, match="a single class is left, background") as error:
        data.setup("fit")
    for text in ("50% of the pixels are 255 and ignored", "class object never occurs", "{name: object, id: 255}"):
        assert text in str(error.value)
    with pytest.raises(ValueError, match="masks look like 0/255: use"):
        check(compose(*options(tmp_path), f"out={tmp_path / 'out'}", config_name="check"))
    make_data(*options(tmp_path), "data.allow_single_class=true").setup("fit")
    (tmp_path / "classes.yaml").write_text(TABLE.replace("id: 1", "id: 255"))
    make_data(*options(tmp_path)).setup("fit")


def test_a_class_that_no_mask_holds_is_reported(
    tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    (tmp_path / "classes.yaml").write_text("classes: [background, object, sky]")
    make_data("data=folder", f"data.root={tmp_path}", "data.num_classes=3").setup("fit")
    assert "class sky never occurs" in caplog.text


def test_masks_that_ignore_everything_are_counted(
    tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, count=10)
    for number in (1, 2):
        Image.fromarray(np.full((20, 24), 255, np.uint8)).save(tmp_path / "masks" / f"{number}.png")
    lists = "data.lists={train: train.txt, val: val.txt}"
    (tmp_path / "val.txt").write_text("0\n")
    (tmp_path / "train.txt").write_text("1\n2\n3\n4\n5\n")
    make_data(*options(tmp_path), lists).setup("fit")
    assert "2 of 5 masks ignore every pixel" in caplog.text
    (tmp_path / "train.txt").write_text("1\n2\n3\n")
    with pytest.raises(ValueError, match="2 of 3 masks ignore every pixel, more than half"):
        make_data(*options(tmp_path), lists).setup("fit")


@pytest.mark.parametrize("name", [path.stem for path in (Path(__file__).parents[2] / "conf/loss").glob("*.yaml")])
def test_an_image_without_labels_adds_nothing_to_any_loss(name: str) -> None:
    loss = build(compose(f"loss={name}"), "loss")
    if hasattr(loss, "set_class_counts"):
        loss.set_class_counts(torch.tensor([5, 3, 2]))
    logits = torch.randn(1, 3, 8, 8, requires_grad=True)
    value = loss(logits, torch.full((1, 8, 8), 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_extensions_match_whatever_their_case(
    tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    (tmp_path / "images" / "3.jpg").rename(tmp_path / "images" / "3.JPG")
    (tmp_path / "images" / "4.jpg").rename(tmp_path / "images" / "4.jpeg")
    data = make_data(*options(tmp_path), "data.images=images/*.jpg")
    assert sorted(names(data, "train") + names(data, "val")) == ["0", "1", "2", "3", "5"]
    assert "1 image files beside them are left out" in caplog.text
    assert "4.jpeg" in caplog.text
    (tmp_path / "images" / "0.JPG").write_bytes((tmp_path / "images" / "0.jpg").read_bytes())
    with pytest.raises(ValueError, match=r"0\.(jpg|JPG): .* matches it by the same name as .*0\.(jpg|JPG)"):
        make_data(*options(tmp_path), "data.images=images/*.jpg").prepare()


def test_files_of_file_managers_are_skipped(
    tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path)
    for name in ("images/._0.jpg", "masks/._0.png", "images/.DS_Store", "images/Thumbs.db"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    with caplog.at_level(logging.INFO):
        for globs in ((), ("data.images=images/*.jpg", "data.masks=masks/*.png")):
            data = make_data(*options(tmp_path), *globs)
            assert len(names(data, "train") + names(data, "val")) == 6
    assert "skipped 4 hidden files" in caplog.text


def test_every_extension_in_one_folder(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path, count=3)
    for number, suffix in enumerate(("png", "webp", "bmp", "gif", "tif"), 3):
        Image.fromarray(picture(20, 24, number)).save(tmp_path / "images" / f"{number}.{suffix}")
        Image.fromarray(halves(1)).save(tmp_path / "masks" / f"{number}.png")
    data = make_data(*options(tmp_path), "data.images=images/*")
    data.prepare()
    assert sorted(names(data, "train") + names(data, "val")) == [str(number) for number in range(8)]
    (tmp_path / "images" / "3.jpg").write_bytes((tmp_path / "images" / "0.jpg").read_bytes())
    with pytest.raises(ValueError, match=r"3\.png: .* matches it by the same name as .*3\.jpg"):
        make_data(*options(tmp_path)).prepare()


LISTS = {
    "a byte order mark and CRLF": codecs.BOM_UTF8 + b"sub/0\r\nsub/1\r\n\r\n",
    "UTF-16, as PowerShell writes": "sub/0\r\nsub/1\r\n".encode("utf-16"),
    "with extension": b"sub/0.jpg\nsub/1.jpg",
    "from the root": b"images/sub/0.jpg\nimages/sub/1\n",
    "from the list's folder": b"../images/sub/0.jpg\n../images/sub/1.jpg\n",
    "Windows paths": b"images\\sub\\0.jpg\r\nimages\\sub\\1.jpg\r\n",
    "a column for the mask after a tab": b"sub/0.jpg\tmasks/sub/0.png\nsub/1.jpg\tmasks/sub/1.png\n",
    "after a comma": b"sub/0.jpg, masks/sub/0.png\nsub/1.jpg, masks/sub/1.png\n",
    "after a space": b"/images/sub/0.jpg /masks/sub/0.png\n/images/sub/1.jpg /masks/sub/1.png\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_lists_as_people_write_them(tmp_path: Path, make_data: MakeData, kind: str) -> None:
    write(tmp_path, count=0)
    for part, array in (("images", picture(20, 24)), ("masks", halves(1))):
        (tmp_path / part / "sub").mkdir()
        for number in range(3):
            Image.fromarray(array).save(tmp_path / part / "sub" / f"{number}.{'jpg' if part == 'images' else 'png'}")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_bytes(LISTS[kind])
    (tmp_path / "lists" / "val.txt").write_text("2\n")
    data = make_data(*options(tmp_path), "data.lists={train: lists/train.txt, val: lists/val.txt}")
    data.setup("fit")
    assert names(data, "train") == ["sub__0", "sub__1"]
    assert [pair.mask for pair in data.listed("train")] == [tmp_path / f"masks/sub/{n}.png" for n in (0, 1)]


def test_an_id_that_two_folders_have_is_refused(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path, count=0)
    for folder in ("a", "b"):
        for part in ("images", "masks"):
            (tmp_path / part / folder).mkdir()
            Image.fromarray(halves(1)).save(tmp_path / part / folder / "1.png")
    (tmp_path / "train.txt").write_text("1\n")
    with pytest.raises(ValueError, match=r"1 may be .*/a/1\.png or .*/b/1\.png; write it with its folder"):
        make_data(*options(tmp_path), "data.lists={train: train.txt}").listed("train")


def test_roboflows_folders(tmp_path: Path, make_data: MakeData) -> None:
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        for number in range(2):
            Image.fromarray(picture(20, 24, number)).save(tmp_path / split / f"{split}{number}_jpg.rf.1a.jpg")
            Image.fromarray(halves(1)).save(tmp_path / split / f"{split}{number}_jpg.rf.1a_mask.png")
        (tmp_path / split / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, object\n")
    data = make_data(*options(tmp_path, "roboflow"))
    data.setup("fit")
    assert data.classes == ("background", "object")
    assert names(data, "valid") == ["valid0_jpg.rf.1a", "valid1_jpg.rf.1a"]


def test_cvats_folders(tmp_path: Path, make_data: MakeData) -> None:
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (tmp_path / folder).mkdir(parents=True)
    for number in range(5):
        Image.fromarray(picture(20, 24, number)).save(tmp_path / "JPEGImages" / f"{number}.jpg")
        if number < 4:  # an image that nobody has annotated is in no list
            colours = np.array([(0, 0, 0), (250, 50, 83)], np.uint8)[halves(1)]
            Image.fromarray(colours).save(tmp_path / "SegmentationClass" / f"{number}.png")
    (tmp_path / "labelmap.txt").write_text("# label:color_rgb:parts:actions\nbackground:0,0,0::\nobject:250,50,83::\n")
    (tmp_path / "ImageSets/Segmentation/default.txt").write_text("0\n1\n2\n3\n")
    data = make_data(*options(tmp_path, "cvat"))
    data.setup("fit")
    assert sorted(names(data, "train") + names(data, "val")) == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(data.dataset("val")[0].mask, halves(1))


def test_masks_of_the_stored_pixels_where_exif_turns_the_image(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(6):
        Image.fromarray(picture(20, 24, number)).save(tmp_path / "images" / f"{number}.jpg", exif=exif)
    with pytest.raises(ValueError, match=r"24 x 20 pixels; expected 20 x 24, .* EXIF .* data\.exif=ignore"):
        make_data(*options(tmp_path)).prepare()
    data = make_data(*options(tmp_path), "data.exif=ignore")
    data.prepare()
    assert data.dataset("val")[0].image.shape == (20, 24, 3)


def test_masks_stored_as_jpeg(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path, value=255, mask="jpg")
    noise = np.random.default_rng(0).integers(0, 5, (20, 24))
    for number in range(6):
        mask = np.where(halves(255) > 0, 255 - noise, noise).astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.jpg", quality=95)
    (tmp_path / "classes.yaml").write_text(TABLE.replace("id: 1", "id: 255"))
    with pytest.raises(ValueError, match=r"JPEG is lossy.* data\.mask_tolerance=N .*pixels, .*%, lie up to \d+ beside"):
        make_data(*options(tmp_path)).prepare()
    data = make_data(*options(tmp_path), "data.mask_tolerance=20")
    data.prepare()
    np.testing.assert_array_equal(data.dataset("val")[0].mask, halves(1))
