"""Images of many bands and more than eight bits: nothing of them is lost on the way to the network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from seglight import Predictor, compose, load_run
from seglight.check import check
from seglight.data.pixels import pixels_of
from seglight.deploy import tracing
from seglight.evaluation.scoring import score
from seglight.run_facts import facts
from seglight.runs.run import Run
from seglight.sources.images import predictions
from seglight.sources.listing import Item
from seglight.sources.network import Network
from seglight.training.job import train_run
from tests.conftest import Composed, new_run

MakeData = Callable[..., Any]
RANDOM = np.random.default_rng(0)


def bands(count: int, kind: str = "uint16", height: int = 20, width: int = 24) -> np.ndarray:
    """[H, W, C] of 12 bits, or of -1 to 1."""
    if kind == "float32":
        return RANDOM.uniform(-1, 1, (height, width, count)).astype(np.float32)
    return RANDOM.integers(0, 256 if kind == "uint8" else 4096, (height, width, count)).astype(kind)


def store(path: Path, values: np.ndarray, how: str) -> Path:
    if how == "pages":
        with tifffile.TiffWriter(path) as file:
            for band in np.moveaxis(values, -1, 0):
                file.write(band, photometric="minisblack")
    elif how in ("planes", "pixels") and values.shape[2] == 1:
        tifffile.imwrite(path, values[..., 0], photometric="minisblack")
    elif how == "planes":
        tifffile.imwrite(path, np.moveaxis(values, -1, 0), photometric="minisblack", planarconfig="separate")
    elif how == "pixels":
        tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    elif how == "chw":
        np.save(path, np.moveaxis(values, -1, 0))
    else:
        np.savez(path, values)
    return path


@pytest.mark.parametrize("count", [1, 2, 4, 6, 13])
@pytest.mark.parametrize("how", ["pages", "planes", "pixels", "chw", "hwc"])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_every_band_is_read_in_full_precision(tmp_path: Path, count: int, how: str, kind: str) -> None:
    values = bands(count, kind)
    path = store(tmp_path / f"x.{ {'chw': 'npy', 'hwc': 'npz'}.get(how, 'tif') }", values, how)
    limits = {"uint8": [0, 255], "float32": [-1, 1]}.get(kind, [0, 4095])
    axes = {"chw": "chw", "hwc": "hwc"}.get(how)
    pixels = pixels_of({"channels": count, "value_range": limits, "axes": axes})
    image, invalid = pixels.read(path)
    assert invalid is None
    assert image.dtype == (np.uint8 if kind == "uint8" else np.float32)
    low, high = limits
    np.testing.assert_allclose(image, (values.astype(float) - low) / (high - low) * 255, rtol=1e-5, atol=1e-4)
    assert pixels.form(path) == (20, 24, count, image.dtype.itemsize)


def test_twelve_bits_keep_all_their_levels(tmp_path: Path) -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    Image.fromarray(values).save(tmp_path / "grey.png")
    Image.fromarray(values).save(tmp_path / "grey.tif")
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([values, values[::-1], values]))
    for name in ("grey.png", "grey.tif", "colour.png"):
        image, _ = pixels_of({}).read(tmp_path / name)
        assert len(np.unique(image[..., 0])) == 4096
        np.testing.assert_allclose(image[..., 0], values / 65535 * 255, rtol=1e-5)


def test_check_says_what_bands_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path / "own")
    caplog.set_level("INFO")
    keys = ("data=folder", f"data.root={tmp_path / 'own'}", "data.num_classes=2", "samples=0")
    result = check(compose(*keys, f"out={tmp_path / 'out'}", config_name="check"))
    values = result["values"]
    assert values["kind"] == "uint16"
    assert (values["percentiles"]["min"], values["percentiles"]["max"]) == ([1000] * 6, [1000] * 5 + [1008])
    pixels = 5 * 48 * 48  # of the training images
    assert values["histograms"][:5] == [[pixels] + [0] * 31] * 5
    assert values["histograms"][5] == [pixels - 5 * 24 * 24] + [0] * 30 + [5 * 24 * 24]
    assert sum("█" in line for text in caplog.messages for line in text.splitlines()) == 6
    assert "values reach 1,008 of 65,535: data.value_range=[0,1023] or p0.5-99.5" in result["notes"]


def test_bands_are_picked_in_order_and_shown(tmp_path: Path) -> None:
    values = bands(6, "uint8")
    path = store(tmp_path / "x.tif", values, "planes")
    pixels = pixels_of({"channels": 3, "bands": [4, 3, 2], "rgb": [2, 3, 4]})
    image, _ = pixels.read(path)
    np.testing.assert_array_equal(image, values[..., [3, 2, 1]])
    np.testing.assert_array_equal(pixels.pictured(image), values[..., [1, 2, 3]])
    with pytest.raises(ValueError, match=r"data\.bands=\[7, 1, 2\]: .*x\.tif has 6 bands"):
        pixels_of({"bands": [7, 1, 2]}).read(path)
    with pytest.raises(ValueError, match=r"x\.tif: 6 bands; expected 3 \(data\.channels\)"):
        pixels_of({}).read(path)


def test_what_is_no_value_is_ignored_or_refused(tmp_path: Path, make_data: MakeData) -> None:
    values = bands(2, "float32")
    values[:3, :4, 0] = np.nan
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(ValueError, match=r"x\.npy: 12 pixels are NaN or infinite; data\.nodata=nan"):
        pixels_of({"channels": 2, "value_range": [-1, 1], "axes": "hwc"}).read(tmp_path / "x.npy")
    image, invalid = pixels_of({"channels": 2, "value_range": [-1, 1], "nodata": "nan", "axes": "hwc"}).read(
        tmp_path / "x.npy"
    )
    assert invalid is not None
    assert invalid[:3, :4].all()
    assert invalid.sum() == 12
    assert np.isfinite(image).all()
    deep = bands(2)
    deep[5, 6] = 9999
    tifffile.imwrite(tmp_path / "x.tif", np.moveaxis(deep, -1, 0), photometric="minisblack", extratags=[
        (42113, "s", 0, "9999", True)])  # fmt: skip
    _, invalid = pixels_of({"channels": 2}).read(tmp_path / "x.tif")
    assert invalid is not None
    assert np.argwhere(invalid).tolist() == [[5, 6]]
    with pytest.raises(ValueError, match=r"x\.npy: float32 values; data\.value_range="):
        pixels_of({"channels": 2, "nodata": "nan", "axes": "hwc"}).read(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("key", "value"),
    [("value_range", [3, 1]), ("value_range", "p99-1"), ("value_range", [1, 2, 3]), ("bands", [0]), ("rgb", [1, 2]),
     ("axes", "xyz"), ("exif", "turn"), ("nodata", "none"), ("channels", 0)],
)  # fmt: skip
def test_wrong_settings_are_named(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^data.{key}="):
        pixels_of({key: value})


def write(root: Path, count: int = 6, channels: int = 6, size: int = 48) -> Path:
    """Objects that are brighter by 8 of 4096 levels in the last band alone, in pages."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    (root / "classes.yaml").write_text("classes: [background, object]")
    for number in range(count):
        mask = np.zeros((size, size), np.uint8)
        top, left = np.random.default_rng(number).integers(0, size // 2, 2)
        mask[top : top + size // 2, left : left + size // 2] = 1
        values = np.full((size, size, channels), 1000, np.uint16)
        values[..., -1] += 8 * mask
        store(root / "images" / f"{number}.tif", values, "pages")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


@pytest.mark.parametrize("augment", ["none", "light", "standard", "strong", "unet"])
@pytest.mark.parametrize("cache", ["null", "ram"])
def test_augmentations_and_caches_take_them(tmp_path: Path, make_data: MakeData, augment: str, cache: str) -> None:
    write(tmp_path, count=3)
    data = make_data(
        "data=folder", f"data.root={tmp_path}", "data.num_classes=2", "data.channels=6", f"augment={augment}",
        "data.crop_size=64", "data.value_range=[0,4095]", f"data.cache={cache}",
    )  # fmt: skip
    for epoch in range(3):
        batch = next(iter(data.train_dataloader()))
        assert batch["image"].dtype == torch.float32
        assert batch["image"].shape[:2] == (2, 6)
        assert 0 <= batch["image"].min() <= batch["image"].max() <= 255, epoch
    image, _ = data.fast_reader("val")(data.listed("val")[0])
    np.testing.assert_allclose(image[..., 0], 1000 / 4095 * 255, rtol=1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on six bands, its range found in the images. To be read only."""
    root = write(tmp_path_factory.mktemp("bands") / "data")
    data = ["data=folder", f"data.root={root}", "data.num_classes=2", "data.value_range=p0-100"]
    cfg = compose(*data, "data.crop_size=48", "data.batch_size=2", "data.num_workers=0", "trainer.accelerator=cpu",
                  "trainer.max_steps=2", "trainer.precision=32-true", "augment=flip", "data.rgb=[6,5,4]")  # fmt: skip
    run = Run.create(root.parent / "run", cfg, data)
    train_run(run)
    return load_run(run.path)  # type: ignore[no-any-return]


def test_a_run_keeps_what_its_images_say(trained: Run) -> None:
    assert trained.cfg.data.channels == trained.cfg.encoder.in_channels == trained.cfg.net.encoder.in_channels == 6
    assert trained.cfg.data.value_range == [[1000.0, 1001.0]] * 5 + [[1000.0, 1008.0]]
    assert trained.summary["status"] == "completed"
    assert next(iter((trained.path / "predictions").glob("*.png")))


def test_it_predicts_files_and_arrays_alike(trained: Run) -> None:
    path = trained.path.parent / "data/images/0.tif"
    of_file, of_array = trained.predict(path), trained.predict(np.moveaxis(tifffile.imread(path, key=range(6)), 0, -1))
    np.testing.assert_array_equal(of_file.probabilities, of_array.probabilities)
    assert of_file.image.shape == (48, 48, 3)
    assert of_file.image[..., 0].max() == 255  # band 6 is shown as red


def test_the_worst_images_are_drawn_as_all_pictures_are(trained: Run, tmp_path: Path, composed: Composed) -> None:
    score(composed(f"run={trained.path}", f"out={tmp_path}", "worst=1"))
    picture = np.asarray(Image.open(next((tmp_path / "worst").glob("01_*.jpg"))))
    assert picture[60:440, 10:450, 0].max() > 200  # band 6; the first three are black


def test_boundaries_of_windows_are_refused_before_the_pass(trained: Run, tmp_path: Path, composed: Composed) -> None:
    with pytest.raises(ValueError, match=r"boundary=true: data\.tile would count each window as an image"):
        score(composed(f"run={trained.path}", f"out={tmp_path}/out", "data.tile=32", "boundary=true"))
    assert not (tmp_path / "out").exists()


def test_what_has_no_data_has_no_class(trained: Run, tmp_path: Path) -> None:
    run = load_run(trained.path)
    run.cfg.data.nodata = 0
    values = np.full((48, 48, 6), 1000, np.uint16)
    values[:10, :20] = 0
    assert ((run.predict(values).mask == 255) == (values[..., 0] == 0)).all()
    path = tmp_path / "nodata.tif"
    store(path, values, "pages")
    found = list(predictions([Item(path, "nodata")], Network(run, "cpu"), 2, lambda *_: None))
    assert ((found[0][1].mask == 255) == (values[..., 0] == 0)).all()
    about = facts(run, "logits", "float32")
    tracing.write_torch(tracing.trace(run.net, about), tmp_path / "net.pt", about)
    exported = Predictor(tmp_path / "net.pt", threads=1)
    for image in (values, np.full((30, 20, 6), 1008, np.uint16), np.zeros((4, 5, 6), np.uint16)):
        np.testing.assert_array_equal(exported.predict(image).mask, run.predict(image).mask)


@pytest.mark.parametrize("tile", [(), ("data.tile=32", "data.tile_overlap=8")])
def test_saved_predictions_are_255_where_there_is_no_data(
    tile: tuple[str, ...], trained: Run, composed: Composed, tmp_path: Path
) -> None:
    keys = ("save_predictions=true", "worst=0", "data.nodata=1000")
    score(composed(f"run={trained.path}", f"out={tmp_path}", *keys, *tile))
    for path in (files := list((tmp_path / "predictions").glob("*.png"))):
        stored = tifffile.imread(trained.path.parent / "data/images" / f"{path.stem}.tif", key=range(6))
        np.testing.assert_array_equal(np.asarray(Image.open(path)) == 255, (stored == 1000).all(0))
    assert len(files) == 1


def test_eight_bit_runs_are_as_they_were(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    assert run.cfg.encoder.in_channels == 3
    assert run.pixels == pixels_of({})
