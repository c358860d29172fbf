"""Anyone's images and masks by two globs and a class table, in every way that masks are stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import labels, picture, save_palette

MakeData = Callable[..., Any]
BY_ID = "classes: [{name: road, ids: [7, 8]}, {name: car, id: 26, colour: [0, 0, 142]}]\nignore: [0]\n"
BY_COLOUR = "classes: [{name: road, colour: [128, 64, 128]}, {name: car, colour: [0, 0, 142]}]\nignore: [[0, 0, 0]]\n"
STORED = np.array([0, 7, 26])  # ignored, road, car
COLOURS = np.array([(0, 0, 0), (128, 64, 128), (0, 0, 142)], np.uint8)
CLASSES = np.array([255, 0, 1], np.uint8)


def meaning(number: int) -> np.ndarray:
    """0 ignored, 1 road, 2 car."""
    return np.random.default_rng(number).integers(0, 3, (20, 24))


def write(root: Path, kind: str, count: int = 10) -> None:
    for folder in ("images", "masks"):
        (root / folder / "bei Nacht").mkdir(parents=True)
    for number in range(count):
        name = f"bei Nacht/größe {number}" if number % 2 else f"plain{number}"
        Image.fromarray(picture(20, 24, number)).save(root / "images" / f"{name}.png")
        mask = meaning(number)
        path = root / "masks" / f"{name}_gt"
        if kind == "index":
            Image.fromarray(STORED[mask].astype(np.uint8)).save(f"{path}.png")
        elif kind == "palette":
            save_palette(STORED[mask].astype(np.uint8), Path(f"{path}.png"))
        elif kind == "colour":
            Image.fromarray(COLOURS[mask]).save(f"{path}.png")
        elif kind == "16 bit":
            Image.fromarray((STORED[mask] + 300).astype(np.uint16)).save(f"{path}.png")
        elif kind == "npy":
            np.save(f"{path}.npy", STORED[mask].astype(np.int64))
        else:
            Image.fromarray(STORED[mask].astype(np.uint16)).save(f"{path}.tif")


def table_for(root: Path, kind: str) -> None:
    text = BY_COLOUR if kind == "colour" else BY_ID
    if kind == "16 bit":
        text = "classes: [{name: road, id: 307}, {name: car, id: 326}]\nignore: [300]\n"
    (root / "classes.yaml").write_text(text)


def options(root: Path, kind: str = "index") -> tuple[str, ...]:
    suffix = {"npy": "npy", "tif": "tif"}.get(kind, "png")
    return (
        "data=folder", f"data.root={root}", "data.num_classes=2", "data.images=images/**/*.png",
        f"data.masks=masks/**/*_gt.{suffix}",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["index", "palette", "colour", "16 bit", "npy", "tif"])
def test_every_kind_of_mask(tmp_path: Path, make_data: MakeData, kind: str) -> None:
    write(tmp_path, kind)
    table_for(tmp_path, kind)
    data = make_data(*options(tmp_path, kind))
    data.prepare()
    assert list(data.classes) == ["road", "car"]
    for sample in [*data.dataset("train"), *data.dataset("val")]:
        number = int(sample.name.strip("abcdefghijklmnopqrstuvwxyzßö NB_"))
        np.testing.assert_array_equal(sample.mask, CLASSES[meaning(number)])
    assert {pair.name for pair in data.listed("val")} <= {
        *(f"bei Nacht__größe {number}" for number in range(10)),
        *(f"plain{number}" for number in range(10)),
    }


def test_a_seeded_split_is_stable(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path, "index", count=20)
    table_for(tmp_path, "index")
    train, val = ([pair.name for pair in make_data(*options(tmp_path)).listed(split)] for split in ("train", "val"))
    assert len(val) == 4
    assert not set(train) & set(val)
    assert [pair.name for pair in make_data(*options(tmp_path)).listed("val")] == val
    other = make_data(*options(tmp_path), "data.split_seed=1").listed("val")
    assert [pair.name for pair in other] != val


def test_split_by_lists(tmp_path: Path, make_data: MakeData) -> None:
    write(tmp_path, "index")
    table_for(tmp_path, "index")
    (tmp_path / "train.txt").write_text("plain0\nimages/plain2.png\nbei Nacht__größe 3\n")
    (tmp_path / "val.txt").write_text("größe 5.png\n")
    lists = "data.lists={train: train.txt, val: val.txt}"
    data = make_data(*options(tmp_path), lists)
    assert [pair.name for pair in data.listed("train")] == ["plain0", "plain2", "bei Nacht__größe 3"]
    assert [pair.name for pair in data.listed("val")] == ["bei Nacht__größe 5"]
    (tmp_path / "val.txt").write_text("plain99\n")
    with pytest.raises(FileNotFoundError, match=r"val\.txt: no image for plain99"):
        make_data(*options(tmp_path), lists).listed("val")


def test_split_by_folders(tmp_path: Path, make_data: MakeData) -> None:
    for split in ("train", "val"):
        for part in ("image", "label"):
            (tmp_path / split / part).mkdir(parents=True)
        Image.fromarray(picture(20, 24)).save(tmp_path / split / "image" / f"{split}1.png")
        Image.fromarray(np.full((20, 24), 7, np.uint8)).save(tmp_path / split / "label" / f"{split}1.png")
    table_for(tmp_path, "index")
    base = options(tmp_path)[:3]
    globs = ("'data.images={split}/image/*.png'", "'data.masks={split}/label/*.png'")
    data = make_data(*base, *(glob.strip("'").replace("={", "='{") + "'" for glob in globs))
    assert [pair.name for pair in data.listed("val")] == ["val1"]
    data.prepare()


def test_what_does_not_fit_is_named(tmp_path: Path, make_data: MakeData, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, "index")
    table_for(tmp_path, "index")
    Image.fromarray(labels(20, 24, 2)).save(tmp_path / "masks" / "alone_gt.png")
    with caplog.at_level(logging.WARNING):
        make_data(*options(tmp_path)).prepare()
    assert "1 masks have no image and are not used" in caplog.text
    (tmp_path / "masks" / "plain4_gt.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"masks/plain4_gt\.png: no such file; it is the mask of .*plain4\.png"):
        make_data(*options(tmp_path)).prepare()
    with pytest.raises(FileNotFoundError, match=r"no images under .*; there are images/\*\.png \(5\), "):
        make_data(*options(tmp_path), "data.images=images/*.jpg").prepare()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("classes: []", "no `classes`"),
        ("- road", "holds a list"),
        ("classes: [1, 2]", "class 1; expected name"),
        ("classes: [{name: road, id: x}]", "id x; expected a whole number"),
        ("classes: [{name: road, ids: 3}]", "class road has ids 3; expected a list"),
        ("classes: [{name: road, id: 1, colour: red}]", r"colour red; expected \[R, G, B\]"),
        ("classes: [road, car]\nignore: 7", "ignore 7; expected a list"),
        ("classes: [{name: road, id: 1}, {name: car, id: 1}]", "id 1 belongs to road and to car"),
        ("classes: [{name: road, id: 1}]\nignore: [1]", "id 1 is ignored and belongs to road"),
        ("classes: [{name: road, farbe: red}]", "expected name, and id, ids, colour or colours"),
        ("classes: [{name: road, colour: [300, 0, 0]}]", r"colour \[300, 0, 0\]; expected \[R, G, B\]"),
        ("classes: [road, car, tree]", r"data\.num_classes=2; data=folder has 3 classes"),
        ("classes: [", "cannot be read as YAML"),
    ],
)
def test_a_wrong_class_table_is_refused(tmp_path: Path, make_data: MakeData, table: str, message: str) -> None:
    (tmp_path / "classes.yaml").write_text(table)
    with pytest.raises(ValueError, match=message):
        make_data(*options(tmp_path))


def test_a_class_table_is_looked_for_here_and_in_the_root(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, here = tmp_path / "data", tmp_path / "here"
    here.mkdir()
    write(root, "index")
    monkeypatch.chdir(here)
    table = "data.class_table=table.yaml"
    with pytest.raises(FileNotFoundError) as error:
        make_data(*options(root), table)
    draft = "python -m seglight.check with the same keys writes a draft"
    for place in (here / "table.yaml", root / "table.yaml", "data.class_table=table.yaml: no such file", draft):
        assert str(place) in str(error.value)
    (root / "table.yaml").write_text("classes: [in, root]")
    assert make_data(*options(root), table).classes == ("in", "root")
    (here / "table.yaml").write_text("classes: [right, here]")
    assert make_data(*options(root), table).classes == ("right", "here")
    assert make_data(*options(root), "data.class_table={classes: [{name: a, id: 7}, b]}").classes == ("a", "b")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("data.images=images", "data.images=images: a glob below data.root"),
        ("data.images=/absolute/*.jpg", r"data.images=/absolute/\*.jpg: a glob below data.root"),
        ("data.images=images/**.png", r"images/\*\*.png: no glob below"),
        ("data.masks=null", "data.train_split=train: its images have no masks, which training needs"),
        ("data.lists=train.txt", "data.lists=train.txt: a list file a split is needed"),
        ("data.val_fraction=1", "data.val_fraction=1: a number above 0 and below 1 is needed"),
        ("data.val_fraction=-0.5", "data.val_fraction=-0.5: a number above 0 and below 1 is needed"),
        ("data.root=nowhere", "data.root=nowhere: no such folder"),
    ],
)
def test_wrong_settings_of_a_folder(tmp_path: Path, make_data: MakeData, option: str, message: str) -> None:
    write(tmp_path, "index")
    table_for(tmp_path, "index")
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        make_data(*options(tmp_path), option).setup("fit")
    assert "\n" not in str(error.value)
