"""`convert`: objects' outlines become masks to the pixel, and what cannot be is one message and leaves nothing."""

from __future__ import annotations

import base64
import io
import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seglight import compose
from seglight.config import build
from seglight.convert import convert

HEIGHT, WIDTH = 24, 30


def counts(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed code: runs of 0 and 1 in turn, down the columns."""
    flat = mask.astype(np.uint8).T.reshape(-1)
    ends = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *ends, flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def polygon(top: int, left: int, bottom: int, right: int) -> list[float]:
    return [left, top, right, top, right, bottom, left, bottom]


def save(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(path)


def coco(folder: Path, name: str = "annotations.json") -> dict[str, Any]:
    """Two images: two polygons, of which the smaller comes first, on a run-length code and a crowd; and nothing."""
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.4
    content = {
        "images": [
            {"id": number, "file_name": f"photos/{number}.png", "height": HEIGHT, "width": WIDTH} for number in (7, 8)
        ],
        "categories": [{"id": 90, "name": "dog"}, {"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "segmentation": [polygon(4, 4, 8, 8), polygon(20, 2, 22, 5)]},
            {"id": 2, "image_id": 7, "category_id": 3, "segmentation": [polygon(2, 2, 12, 16)]},
            {
                "id": 3, "image_id": 7, "category_id": 90,
                "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts(noise)},
            },
            {
                "id": 4, "image_id": 7, "category_id": 3, "iscrowd": 1,
                "segmentation": {"size": [HEIGHT, WIDTH], "counts": compressed(box(10, 10, 24, 30))},
            },
        ],
    }  # fmt: skip
    for number in (7, 8):
        save(folder / "photos" / f"{number}.png")
    (folder / name).write_text(json.dumps(content))
    return content


def compressed(mask: np.ndarray) -> str:
    """COCO's compressed code, by pycocotools."""
    from pycocotools import mask as of_coco

    return of_coco.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


def expected() -> np.ndarray:
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH)) < 0.4
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[box(10, 10, 24, 30)] = 255
    mask[noise] = 2  # dog: the largest
    mask[box(2, 2, 12, 16)] = 1
    mask[box(4, 4, 8, 8) | box(20, 2, 22, 5)] = 2
    return mask


def converted(*overrides: str) -> Path:
    return convert(compose(*overrides, config_name="convert"))


def masks(caplog: pytest.LogCaptureFixture, split: str) -> dict[str, np.ndarray]:
    """What `data=folder` reads by the keys that the command says."""
    line = next(text for text in reversed(caplog.messages) if text.startswith("train with:"))
    data = build(compose(*shlex.split(line.partition("seglight.train ")[2])), "data")
    return {pair.name: data.reader(split)(pair)[1] for pair in data.pairs(split)}


def test_coco(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    coco(tmp_path)
    out = converted(f"source={tmp_path}/annotations.json", "format=coco", f"out={tmp_path}/out")
    read = masks(caplog, "all")
    assert read.keys() == {"photos__7", "photos__8"}
    np.testing.assert_array_equal(read["photos__7"], expected())
    assert not read["photos__8"].any()
    assert np.asarray(Image.open(out / "masks/photos/7.png").convert("RGB"))[0, 0].tolist() in ([0, 0, 0], [0, 128, 0])
    splits = f"source={{train: {tmp_path}/annotations.json, held: {tmp_path}/other.json}}"
    content = coco(tmp_path, "other.json")
    for row in content["images"]:
        save(tmp_path / f"others/{row['id']}.png")
        row["file_name"] = f"others/{row['id']}.png"
    (tmp_path / "other.json").write_text(json.dumps(content))
    converted(splits, "format=coco", f"out={tmp_path}/two", "background=ignore", "classes=[dog,cat]", "link=false")
    shifted = np.choose(expected(), [255, 1, 0], mode="clip")
    shifted[expected() == 255] = 255
    np.testing.assert_array_equal(masks(caplog, "held")["others__7"], shifted)
    assert not (tmp_path / "two/images/others/7.png").is_symlink()


def test_labelme(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    png = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(png, "PNG")
    picture = io.BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), 50, np.uint8)).save(picture, "JPEG")

    def shape(label: str, kind: str, points: list[list[float]], **more: str) -> dict[str, Any]:
        return {"label": label, "shape_type": kind, "points": points, **more}

    shapes = [
        shape("road", "mask", [[1, 2], [4, 5]], mask=base64.b64encode(png.getvalue()).decode()),
        shape("car", "rectangle", [[10, 4], [20, 12]]),
        shape("road", "polygon", [[0, 0], [8, 0], [8, 10], [0, 10]]),
        shape("__ignore__", "rectangle", [[5, 5], [30, 24]]),
        shape("car", "line", [[0, 0], [9, 9]]),
        shape("car", "rectangle", [[40, 0], [50, 9]]),
        shape("car", "mask", [[28, -2], [32, 2]], mask=base64.b64encode(png.getvalue()).decode()),
        shape("sign", "circle", [[25, 20], [25, 21]]),
    ]
    size = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    (tmp_path / "in/sub").mkdir(parents=True)
    save(tmp_path / "in/a.png")
    (tmp_path / "in/a.json").write_text(json.dumps({"imagePath": "a.png", "shapes": shapes, **size}))
    inside = {"imagePath": "..\\b.jpg", "imageData": base64.b64encode(picture.getvalue()).decode(), "shapes": []}
    (tmp_path / "in/sub/a.json").write_text(json.dumps(inside | size))
    out = converted(f"source={tmp_path}/in", "format=labelme", f"out={tmp_path}/out")
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)  # background, car, road, sign
    mask[box(5, 5, 24, 30)] = 255
    mask[box(4, 10, 12, 20)] = mask[box(0, 0, 10, 8)] = 0
    mask[box(0, 0, 10, 8)] = 2
    mask[box(4, 10, 12, 20)] = 1
    mask[[19, 19, 20, 20], [24, 25, 24, 25]] = 3
    mask[2:6, 1:5][np.eye(4, dtype=bool)] = 2
    np.testing.assert_array_equal(masks(caplog, "all")["a"], mask)
    assert (out / "images/sub/a.jpg").read_bytes() == picture.getvalue()
    assert "1 of the kind line" in caplog.text
    assert "2 objects have no pixel inside their image and are left out, e.g. " in caplog.text
    assert "a.json: shape 6" in caplog.text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c["annotations"][0].update(category_id=4), "annotation 1 of image 7: its category is 4"),
        (lambda c: c["annotations"][0].update(image_id=5), "annotation 1 of image 5: the file has no such image"),
        (lambda c: c["images"][0].update(file_name="x.png"), "x.png: no such image"),
        (lambda c: c["images"][0].update(height=25), "30 x 24 pixels; its annotations are of 30 x 25"),
        (
            lambda c: c["annotations"][2]["segmentation"]["counts"].append(9),
            "annotation 3 of image 7: .*its counts add up to 729, the image has 720 pixels",
        ),
        (
            lambda c: c["annotations"][1].update(segmentation="zz"),
            "annotation 2 of image 7: .*a list of polygons, or a run-length code",
        ),
        (lambda c: [row.pop("segmentation") for row in c["annotations"]], "boxes do not say which pixels"),
        (lambda c: c.pop("categories"), "no list of categories"),
        (lambda c: c["images"][1].update(file_name="photos/7.png"), "the same name as"),
        (
            lambda c: c["annotations"][1].update(segmentation=[[0, 0, 1e8, 0, 1e8, 1e8]]),
            r"annotation 2 of image 7: .*a point at 1e\+08, and the image has 30 x 24 pixels",
        ),
        (
            lambda c: c["annotations"][1].update(segmentation=[[0, 0, 10**400, 0, 1, 1]]),
            "annotation 2 .*: its segmentation cannot be read",
        ),
        (
            lambda c: c["annotations"][2]["segmentation"].update(counts=[360.5, 359.5]),
            "annotation 3 of image 7: .*its counts are no whole numbers",
        ),
        (
            lambda c: c["annotations"][2].update(segmentation={"size": [HEIGHT, WIDTH], "counts": "52203"}),
            "annotation 3 of image 7: .*its counts add up to .*, the image has 720 pixels",
        ),
        (
            lambda c: c["annotations"][2].update(segmentation={"size": [12, 30], "counts": [360]}),
            "annotation 3 of image 7: .*its code is of 30 x 12 pixels, the image of 30 x 24",
        ),
        (
            lambda c: c["annotations"][1].update(segmentation=[2, 2, 9, 2, 9, 9]),
            "annotation 2 .*: polygons are a list of",
        ),
        (lambda c: c["annotations"][1].update(image_id="7"), r'no such image \(the id is "7" here and 7 there\)'),
        (
            lambda c: c["annotations"][1].update(category_id="3"),
            r'its category is 3; .* \(the id is "3" here and 3 there\)',
        ),
        (lambda c: c["images"][1].update(id=7), "two images have the same id, 7"),
        (lambda c: c["images"][1].update(file_name=""), "image 8: its file_name is '', which names no file"),
        (lambda c: c["images"][1].update(file_name="."), "image 8: its file_name is '.', which names no file"),
        (lambda c: c["images"][1].update(file_name=8), "image 8: its file_name is 8, which names no file"),
        (lambda c: c["images"][1].update(height=None), "image 8: its size is 30 x None; whole numbers from 1"),
        (lambda c: c["images"][1].update(width=float("inf")), "image 8: its size is inf x 24; whole numbers from 1"),
        (lambda c: c["images"][1].update(id=[8]), r"images: the id \[8\]; a number or a text is needed"),
        (lambda c: c["categories"][1].update(id=c["categories"][0]["id"]), "the categories .* have the same id"),
        (lambda c: c["categories"][1].update(id=None), "categories: the id None; a number or a text is needed"),
        (lambda c: c["annotations"][1].update(image_id={}), "annotations: the image_id {}; a number or a text"),
        (lambda c: c["annotations"][1].update(category_id=[]), r"annotation 2 of image 7: its category is \[\]"),
    ],
)
def test_what_cannot_be_converted_leaves_nothing(tmp_path: Path, change: Any, says: str) -> None:
    content = coco(tmp_path)
    change(content)
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        converted(f"source={tmp_path}/annotations.json", "format=coco", f"out={tmp_path}/out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations.json", "photos"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"imagePath": ""}, "its imagePath is '', which names no file"),
        ({"imagePath": 5}, "its imagePath is 5, which names no file"),
        ({"imageHeight": [24]}, r"its size is 30 x \[24\]; whole numbers from 1"),
        ({"shapes": 3}, "its shapes are no list"),
        ({"imagePath": "not_there.png", "imageData": 7}, "imageData cannot be read"),
    ],
)
def test_strange_files_of_labelme_are_named(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    save(tmp_path / "a.png")
    content = {"imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": []}
    (tmp_path / "a.json").write_text(json.dumps(content | change))
    with pytest.raises(ValueError, match=rf"a\.json: {says}"):
        converted(f"source={tmp_path}/a.json", "format=labelme", f"out={tmp_path}/out")


@pytest.mark.parametrize(
    ("keys", "nothing", "backdrop", "dog"),
    [
        (["background=class"], 0, 0, 1),
        (["background=ignore"], 255, 255, 0),
        (["background=ignore", "classes=[dog,background]"], 255, 1, 0),
        (["background=class", "classes=[dog,background]"], 1, 1, 0),
    ],
)
def test_every_spelling_of_background_is_the_background(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keys: list[str], nothing: int, backdrop: int, dog: int
) -> None:
    caplog.set_level("INFO")
    boxes = {"dog": [[2, 2], [20, 20]], "_background_": [[4, 4], [10, 10]], "Background": [[24, 2], [28, 6]]}
    shapes = [{"label": label, "shape_type": "rectangle", "points": points} for label, points in boxes.items()]
    content = {"imagePath": "a.png", "imageHeight": HEIGHT, "imageWidth": WIDTH, "shapes": shapes}
    save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(content))
    converted(f"source={tmp_path}/a.json", "format=labelme", f"out={tmp_path}/out", *keys)
    mask = np.full((HEIGHT, WIDTH), nothing, np.uint8)
    mask[box(2, 2, 20, 20)] = dog
    mask[box(4, 4, 10, 10) | box(2, 24, 6, 28)] = backdrop
    np.testing.assert_array_equal(masks(caplog, "all")["a"], mask)


def test_broken_files_and_folders_that_are_there(tmp_path: Path) -> None:
    coco(tmp_path)
    arguments = (f"source={tmp_path}/annotations.json", f"out={tmp_path}/photos")
    with pytest.raises(ValueError, match="photos: it is there already; a new folder is needed"):
        converted(*arguments, "format=coco")
    with pytest.raises(ValueError, match="a file of COCO; format=coco reads it"):
        converted(arguments[0], f"out={tmp_path}/out", "format=labelme")
    (tmp_path / "annotations.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"annotations\.json: cannot be read as JSON"):
        converted(arguments[0], f"out={tmp_path}/out", "format=coco")
