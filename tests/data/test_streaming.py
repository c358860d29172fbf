"""Chunks hold the data set that they were made from, and are read the same by any number of workers."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from seglight import compose
from seglight.data.chunked_dataset import WINDOW, WindowSampler
from seglight.fetch import fetch
from tests.data.conftest import labels, write_voc

MakeData = Callable[..., Any]


@pytest.fixture(scope="module")
def chunks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """SEGLIGHT_DATA with a small VOC, and the folder of its chunks."""
    pytest.importorskip("litdata")
    root = write_voc(tmp_path_factory.mktemp("data"), train=20)
    folder = root / "chunks"
    fetch(compose("data=voc", f"root={root}", "format=litdata", f"chunks={folder}", config_name="fetch"))
    return root, folder


def options(folder: Path) -> tuple[str, ...]:
    return "data=streaming", f"data.chunks={folder}", "data.num_classes=21", "data.crop_size=32"


def test_chunks_hold_the_data_set(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    root, folder = chunks
    streamed, files = make_data(*options(folder)), make_data("data=voc", f"data.root={root}/VOCdevkit/VOC2012")
    assert streamed.classes == files.classes
    assert streamed.palette == files.palette
    streamed.prepare()
    for split in ("train", "val"):
        one, other = streamed.dataset(split), files.dataset(split)
        assert len(one) == len(other)
        for index in range(len(one)):
            assert one[index].name == other[index].name
            np.testing.assert_array_equal(one[index].image, other[index].image)
            np.testing.assert_array_equal(one[index].mask, other[index].mask)
    assert torch.equal(streamed.class_counts("train"), files.class_counts("train"))


def test_what_chunks_cannot_do_is_refused(chunks: tuple[Path, Path], make_data: MakeData, tmp_path: Path) -> None:
    for key in ("data.fraction=0.5", "data.folds=3", "+data.stratify=true"):
        with pytest.raises(ValueError, match=rf"{key.strip('+')}: data=streaming reads every image.*seglight\.fetch"):
            make_data(*options(chunks[1]), key)
    with pytest.raises(ValueError, match=r"data\.tile=64: data=streaming reads whole images"):
        make_data(*options(chunks[1]), "data.tile=64")
    with pytest.raises(ValueError, match=r"data\.tile=16: chunks hold whole images"):
        fetch(compose("data=voc", f"root={chunks[0]}", "format=litdata", "data.tile=16", f"chunks={tmp_path}",
                      config_name="fetch"))  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of five bands of 12 bits, of which a file says that 7 is no data, and chunks of four of its bands."""
    pytest.importorskip("litdata")
    root = tmp_path_factory.mktemp("deep")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(6):
        random = np.random.default_rng(number)
        values = random.integers(100, 4096, (5, 40, 48), np.uint16)
        values[:, :10, number : number + 8] = 7
        tag = [(42113, "s", 0, "7", True)] if number % 2 else []
        path = root / "images" / f"{number}.tif"
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="separate", extratags=tag)
        Image.fromarray(random.integers(0, 2, (40, 48), np.uint8)).save(root / "masks" / f"{number}.png")
    (root / "classes.yaml").write_text("classes: [a, b]")
    fetch(compose(*of_deep(root), "data.value_range=p1-99", "format=litdata", f"chunks={root}/chunks",
                  config_name="fetch"))  # fmt: skip
    return root, root / "chunks"


def of_deep(root: Path) -> tuple[str, ...]:
    return "data=folder", f"data.root={root}", "data.num_classes=2", "data.bands=[5,3,2,1]"


def test_a_bad_file_among_good_ones_is_one_message_and_leaves_what_was_there(
    chunks: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seglight.fetch.what_is_wrong", lambda data: None)  # it looks at a few files, here at all
    root = write_voc(tmp_path / "data", train=6)
    bad = sorted((root / "VOCdevkit/VOC2012/JPEGImages").glob("*.jpg"))[4]
    bad.write_bytes(bad.read_bytes()[:-500])  # its header is whole
    kept = shutil.copytree(chunks[1], tmp_path / "kept")
    before = {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    for folder in (tmp_path / "new", kept):
        with pytest.raises(ValueError, match=rf"{bad.name}: cannot be decoded"):
            fetch(compose("data=voc", f"root={root}", "format=litdata", f"chunks={folder}", config_name="fetch"))
    assert "Traceback" not in "".join(capfd.readouterr())
    assert not (tmp_path / "new").exists()
    assert before == {path: path.read_bytes() for path in kept.rglob("*") if path.is_file()}
    assert sorted(path.name for path in kept.iterdir()) == ["train", "val"]


@pytest.mark.parametrize(
    "changed",
    [
        [],
        ["data.bands=[3,1]", "data.channels=2", "data.value_range=[0,4095]"],
        ["data.nodata=200", "data.value_range=[0,4095]"],
    ],
)
def test_deep_images_are_the_same_batches_as_their_files(
    changed: list[str], deep: tuple[Path, Path], make_data: MakeData
) -> None:
    files = make_data(*of_deep(deep[0]), "data.value_range=p1-99", *changed)
    files.settled()
    streamed = make_data("data=streaming", f"data.chunks={deep[1]}", "data.num_classes=2", *changed)
    for split in ("train", "val"):
        for one, other in zip(streamed.eval_dataloader(split), files.eval_dataloader(split), strict=True):
            assert one["name"] == other["name"]
            assert one["image"].dtype == torch.float32
            assert torch.equal(one["image"], other["image"])
            assert torch.equal(one["mask"], other["mask"])
            lacks, of_files = streamed.no_data(split)(one["name"][0]), files.no_data(split)(one["name"][0])
            assert (lacks is None) == (of_files is None) == ("data.nodata=200" in changed or one["name"][0] in "024")
            assert lacks is None or (lacks == of_files).all()
    assert streamed.train_dataloader().dataset[0].image.shape[2] == len(streamed.pixels.bands)
    found = streamed.settled()
    if not changed:
        assert (found["bands"], found["channels"], len(found["value_range"])) == ([5, 3, 2, 1], 4, 4)


def test_what_chunks_of_bands_lack_is_said(deep: tuple[Path, Path], make_data: MakeData) -> None:
    for key, says in {
        "data.bands=[4]": r"data\.bands=\[4\]: the chunks hold the bands 5, 3, 2, 1",
        "data.value_range=p1-99": "data=streaming does not look for percentiles; give it to",
    }.items():
        with pytest.raises(ValueError, match=says):
            make_data("data=streaming", f"data.chunks={deep[1]}", "data.num_classes=2", key)


def test_any_number_of_workers_sees_the_same(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    loaders = [make_data(*options(chunks[1]), f"data.num_workers={n}").train_dataloader() for n in (0, 2)]
    for epoch in (0, 3):
        for loader in loaders:
            loader.batches.sampler.set_epoch(epoch)
        names = []
        for a, b in zip(*loaders, strict=True):
            assert torch.equal(a["image"], b["image"])
            assert torch.equal(a["mask"], b["mask"])
            names += a["name"]
        assert len(set(names)) == 20


def test_evaluation_is_at_native_resolution(chunks: tuple[Path, Path], make_data: MakeData) -> None:
    batches = list(make_data(*options(chunks[1])).val_dataloader())
    assert [batch["name"] for batch in batches] == [[f"2012_val{number:03d}"] for number in range(3)]
    np.testing.assert_array_equal(batches[2]["mask"][0], labels(42, 58, 21, 2))


class Hostile:
    """What pickle calls when it reads this."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data_format": ["str", "pickle", "bytes"]}, "the format pickle is not read"),
        ({"data_spec": '[1, {"type": "collections.OrderedDict", "context": "[]", "children_spec": []}]'}, "not a name"),
        ({"data_spec": '[1, {"type": "collections.defaultdict"}]'}, "cannot be understood"),
        ({"item_loader": "ParquetLoader"}, "not a name, an image and a mask"),
        ({"filename": "../chunk-0-0.bin"}, r"the chunk \.\./chunk-0-0\.bin is not a name in its folder"),
    ],
)
def test_chunks_that_seglight_does_not_write_are_refused_before_a_sample_is_read(
    change: dict[str, Any], says: str, chunks: tuple[Path, Path], tmp_path: Path, make_data: MakeData
) -> None:
    folder, marker = shutil.copytree(chunks[1], tmp_path / "chunks"), tmp_path / "marker"
    for split in ("train", "val"):
        file = folder / split / "index.json"
        index = json.loads(file.read_text())
        content = pickle.dumps(Hostile(marker))  # as litdata lays out a chunk of one sample
        head = np.array([1, 12, 12 + 12 + 1 + len(content) + 1], np.uint32).tobytes()
        body = np.array([1, len(content), 1], np.uint32).tobytes() + b"a" + content + b"m"
        (folder / split / "chunk-0-0.bin").write_bytes(head + body)
        index["chunks"] = [{**index["chunks"][0], "chunk_size": 1, "chunk_bytes": len(head + body)}]
        index["chunks"][0]["filename"] = change.get("filename", "chunk-0-0.bin")
        index["config"].update({key: value for key, value in change.items() if key != "filename"})
        file.write_text(json.dumps(index))
    with pytest.raises(ValueError, match=says + ".*expected chunks that fetch format=litdata writes"):
        make_data(*options(folder))
    assert not marker.exists()


def test_no_chunks_says_how_they_are_made(tmp_path: Path, make_data: MakeData) -> None:
    pytest.importorskip("litdata")
    with pytest.raises(FileNotFoundError, match=r"no chunks there .* format=litdata chunks=FOLDER"):
        make_data(*options(tmp_path / "nowhere"))


def test_without_litdata_the_error_says_what_to_install(
    tmp_path: Path, make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "litdata", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"seglight\[streaming\]\""):
        make_data(*options(tmp_path))


def test_samples_are_shuffled_within_windows_of_chunks() -> None:
    lengths = [10] * (2 * WINDOW)
    order = [index for _, index in WindowSampler(lengths, seed=0)]
    assert sorted(order) == list(range(sum(lengths)))
    first_half = {index // 10 for index in order[: 10 * WINDOW]}
    assert len(first_half) == WINDOW  # no other chunk is touched meanwhile
    assert order[: 10 * WINDOW] != sorted(order[: 10 * WINDOW])
