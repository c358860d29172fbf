"""`check` reads everything: what is wrong is named, what is there is counted and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seglight import compose
from seglight.check import check
from tests.conftest import Command
from tests.data.conftest import labels, picture, save_palette, write_voc


@pytest.fixture
def voc_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEGLIGHT_DATA", str(tmp_path))
    return write_voc(tmp_path, train=10, val=4) / "VOCdevkit" / "VOC2012"


def checked(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    """check.json, whether or not something was wrong."""
    try:
        check(compose("data=voc", f"out={tmp_path / 'out'}", *overrides, config_name="check"))
    except ValueError as error:
        (tmp_path / "error.txt").write_text(str(error))
    result: dict[str, Any] = json.loads((tmp_path / "out" / "check.json").read_text())
    return result


def test_a_good_data_set_is_counted_and_drawn(voc_root: Path, tmp_path: Path) -> None:
    result = checked(tmp_path)
    assert not (tmp_path / "error.txt").exists()
    assert result["problems"] == []
    masks = [labels(40 + number, 60 - number, 21, number) for number in range(10)]
    counts = np.bincount(np.concatenate([mask.reshape(-1) for mask in masks]), minlength=256)
    train = result["splits"]["train"]
    assert list(train["pixels"].values()) == counts[:21].tolist()
    assert train["ignored_pixels"] == counts[255]
    assert train["images_with"]["person"] == sum(bool((mask == 15).any()) for mask in masks)
    assert (train["height"], train["width"]) == ({"min": 40, "max": 49}, {"min": 51, "max": 60})
    labelled = np.array([[(mask < 21).sum() * (mask == k).any() for mask in masks] for k in range(21)]).sum(1)
    frequency = counts[:21] / labelled  # a class's share of the labelled pixels of the images that have it
    assert list(train["class_weights"].values()) == pytest.approx(np.median(frequency) / frequency, abs=1e-4)
    sheet = Image.open(tmp_path / "out" / "samples.png")
    assert sheet.width > 1500
    assert len(np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)) > 1000


def test_the_sheet_shows_what_the_network_will_see(voc_root: Path, tmp_path: Path) -> None:
    checked(tmp_path)
    plain = np.asarray(Image.open(tmp_path / "out" / "samples.png"))
    checked(tmp_path, "augment=strong", "data.crop_size=64")
    augmented = np.asarray(Image.open(tmp_path / "out" / "samples.png"))
    assert plain.shape != augmented.shape  # crops are square


def test_everything_that_is_wrong_is_named_with_its_file(voc_root: Path, tmp_path: Path) -> None:
    images, masks = voc_root / "JPEGImages", voc_root / "SegmentationClass"
    (images / "2012_train000.jpg").write_bytes((images / "2012_train000.jpg").read_bytes()[:300])
    (images / "2012_train001.jpg").write_bytes(b"")
    (images / "2012_train002.jpg").unlink()
    save_palette(labels(11, 12, 21), masks / "2012_train003.png")
    save_palette(np.full((44, 56), 42, np.uint8), masks / "2012_train004.png")
    Image.fromarray(picture(45, 55)).save(masks / "2012_train005.png")
    save_palette(np.full((46, 54), 255, np.uint8), masks / "2012_train006.png")
    (images / "2012_val000.jpg").write_bytes((images / "2012_train007.jpg").read_bytes())
    save_palette(labels(47, 53, 21), masks / "2012_val000.png")
    result = checked(tmp_path)
    expected = [
        "2012_train000.jpg: cannot be decoded as an image, 300 bytes",
        "2012_train001.jpg: the file is empty (0 bytes)",
        "2012_train002.jpg: no such file",
        "2012_train003.png: the mask is 12 x 11 pixels; expected 57 x 43",
        "2012_train004.png: label 42 (2,464 px) is out of range; expected 0 to 20, or 255",
        "2012_train005.png: an RGB mask; expected class indices",
        "2012_val000.jpg (val): the same image as",
    ]
    assert len(result["problems"]) == len(expected)
    for entry, text in zip(result["problems"], expected, strict=True):
        assert text in entry["problem"]
        assert text in (tmp_path / "error.txt").read_text()
    assert "data=voc: 7 problems" in (tmp_path / "error.txt").read_text()
    assert result["splits"]["train"]["images"] == 10
    assert any("1 of 4 masks ignore every pixel" in note for note in result["notes"])


def test_a_split_without_a_good_image_still_gets_its_report(voc_root: Path, tmp_path: Path) -> None:
    for mask in (voc_root / "SegmentationClass").glob("2012_val*.png"):
        mask.write_bytes(b"no image")
    problems = checked(tmp_path)["problems"]
    assert len(problems) == len(list((voc_root / "SegmentationClass").glob("2012_val*.png")))
    assert all("2012_val" in str(entry) for entry in problems)


def test_images_that_look_alike_in_two_splits(voc_root: Path, tmp_path: Path) -> None:
    copy = Image.open(voc_root / "JPEGImages/2012_train003.jpg").resize((90, 70))
    mask = np.asarray(Image.open(voc_root / "SegmentationClass/2012_train003.png").resize((90, 70), 0))
    for name, image in (("copy", copy), ("grey", Image.new("RGB", (90, 70), (80, 80, 80)))):
        image.save(voc_root / f"JPEGImages/{name}.jpg", quality=60)
        save_palette(mask, voc_root / f"SegmentationClass/{name}.png")
    lists = voc_root / "ImageSets/Segmentation"
    (lists / "val.txt").write_text((lists / "val.txt").read_text() + "copy\ngrey\n")
    result = checked(tmp_path)
    images = voc_root / "JPEGImages"
    assert result["nearly_equal"] == [[f"{images}/2012_train003.jpg (train)", f"{images}/copy.jpg (val)"]]
    assert "1 pairs of images look alike" in result["notes"][-1]
    assert not result["problems"]


@pytest.mark.parametrize("kind", ["numbers", "colours", "jpeg"])
def test_a_draft_of_a_class_table_that_reads_the_masks(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for folder in ("images", "masks"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    for number in range(4):
        mask = np.zeros((40, 60), np.uint8)
        mask[:, 5 * number + 10 :] = 1
        Image.fromarray(picture(40, 60, number)).save(tmp_path / f"own/images/{number}.png")
        stored = np.array([[7, 9, 30], [250, 50, 83]], np.uint8)[mask] if kind == "colours" else mask * 255
        Image.fromarray(stored).save(tmp_path / f"own/masks/{number}.{'jpg' if kind == 'jpeg' else 'png'}")
    arguments = ("data=folder", f"data.root={tmp_path / 'own'}")
    check(compose(*arguments, f"out={tmp_path / 'draft'}", config_name="check"))
    keys = next(text for text in caplog.messages if "then add" in text).partition("then add ")[2].split()
    draft = tmp_path / "draft" / "classes.yaml"
    edited = draft.read_text() + "# mine\n"
    draft.write_text(edited)
    with pytest.raises(ValueError, match=r"classes\.yaml is there and holds other classes: use it"):
        check(compose(*arguments, f"out={tmp_path / 'draft'}", config_name="check"))
    assert draft.read_text() == edited
    result = check(compose(*arguments, f"out={tmp_path / 'out'}", *keys, config_name="check"))
    classes = ["class_0", "class_1"] if kind == "colours" else ["background", "object"]
    pixels = np.zeros(2, int)
    for split in result["splits"].values():
        assert list(split["pixels"]) == classes
        assert split["ignored_pixels"] == 0
        pixels += list(split["pixels"].values())
    right = 40 * (50 + 45 + 40 + 35)
    assert pixels.tolist() == [4 * 40 * 60 - right, right]


def test_ids_listed_twice_and_an_empty_split(voc_root: Path, tmp_path: Path) -> None:
    lists = voc_root / "ImageSets" / "Segmentation"
    (lists / "twice.txt").write_text("2012_train000\n2012_train000\n")
    (lists / "empty.txt").write_text("")
    for split, message in (("twice", "listed more than once: 2012_train000"), ("empty", "the list is empty")):
        with pytest.raises(ValueError, match=message):
            check(compose("data=voc", f"splits=[{split}]", f"out={tmp_path}", config_name="check"))


def test_the_command(voc_root: Path, tmp_path: Path, command: Command) -> None:
    (voc_root / "JPEGImages" / "2012_train002.jpg").unlink()
    done = command("check", "data=voc", SEGLIGHT_DATA=str(tmp_path))
    assert done.returncode == 1
    assert "2012_train002.jpg: no such file" in done.stderr
    assert "Traceback" not in done.stderr
    assert "person" in done.stdout
    assert "10/10" in done.stdout
    assert done.stdout.strip().splitlines()[-1] == "wrote: outputs/check/voc"
