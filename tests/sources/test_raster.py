"""A raster by windows: the classes of the whole image, georeferenced, with its no-data; wrong bands are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seglight
from seglight.data.decode import read_image
from seglight.data.pixels import Pixels
from seglight.sources.listing import Item, items
from seglight.sources.network import Network
from seglight.sources.outputs import Outputs
from seglight.sources.raster import Windows, predict_raster

rasterio = pytest.importorskip("rasterio")
PLACE = rasterio.transform.from_origin(500_000, 5_000_000, 0.5, 0.5)


def raster(path: Path, pixels: np.ndarray[Any, Any], **profile: Any) -> Item:
    """A GeoTIFF of bands [C, H, W], as an item."""
    count, height, width = pixels.shape
    profile = {"crs": "EPSG:32633", "transform": PLACE, **profile}
    with rasterio.open(path, "w", driver="GTiff", dtype=pixels.dtype, count=count, height=height, width=width,
                       **profile) as file:  # fmt: skip
        file.write(pixels)
    (item,) = items(str(path), path.parent / "out")
    assert item.kind == "raster"
    return item


def colours(height: int = 200, width: int = 330, bands: int = 3) -> np.ndarray[Any, Any]:
    """Blotches from 1 to 255, of which a network makes several classes."""
    small = np.random.default_rng(0).integers(1, 256, (bands, 9, 12), dtype=np.uint8)
    planes = [Image.fromarray(band).resize((width, height), Image.Resampling.BICUBIC) for band in small]
    return np.stack([np.maximum(np.asarray(plane), 1) for plane in planes])


@pytest.fixture(scope="module")
def network(run_dir: Path) -> Network:
    return Network(seglight.load_run(run_dir), "cpu")


def test_windows_give_the_classes_of_the_whole_image(network: Network, tmp_path: Path) -> None:
    pixels = colours()
    whole = network.run.predict(np.moveaxis(pixels, 0, -1))
    assert len(whole.shares) > 1
    item = raster(tmp_path / "map.tif", pixels)
    for margin, least in ((96, 1.0), (32, 0.95)):  # 96 covers the receptive field of unet_small
        predict_raster(item, network, Outputs(tmp_path / "out"), Windows(64, margin))
        with rasterio.open(tmp_path / "out" / "map.tif") as file:
            same = file.read(1) == whole.mask
            assert same.mean() >= least
            assert (file.crs, file.transform, file.nodata) == ("EPSG:32633", PLACE, 255)
            assert file.colormap(1)[1][:3] == tuple(network.palette[1])
            assert file.tags()["classes"].startswith("background, ")
    assert Image.open(tmp_path / "out" / "map_overlay.jpg").size == (330, 200)


def test_no_data_stays_no_data(network: Network, tmp_path: Path) -> None:
    pixels = colours()
    pixels[:, :70, :100] = 0
    predict_raster(raster(tmp_path / "a.tif", pixels, nodata=0), network, Outputs(tmp_path / "out"), Windows(64, 32))
    alpha = np.full((1, 200, 330), 255, np.uint8)
    alpha[:, :70, :100] = 0
    four = np.concatenate([colours(), alpha])
    item = raster(tmp_path / "b.tif", four, photometric="RGB", alpha="yes")
    predict_raster(item, network, Outputs(tmp_path / "out"), Windows(64, 32))
    for name in ("a.tif", "b.tif"):
        with rasterio.open(tmp_path / "out" / name) as file:
            mask = file.read(1)
            assert (mask[:70, :100] == 255).all()
            assert (mask[70:] < 9).all()
            assert (mask[:70, 100:] < 9).all()


@pytest.mark.parametrize("deep", [False, True])
def test_what_the_run_calls_no_data_is_none_in_rasters_too(run_dir: Path, tmp_path: Path, deep: bool) -> None:
    run, pixels = seglight.load_run(run_dir), colours()
    pixels[:, :70, :100] = 250
    pixels[0, 80:90, :100] = 250  # in one band alone it is a value
    where = np.zeros((200, 330), bool)
    where[:70, :100] = True
    stored = (
        np.where(where & (np.arange(200)[:, None] > 40), np.nan, pixels / 255).astype(np.float32) if deep else pixels
    )
    vars(run)["pixels"] = Pixels(nodata=np.float32(250 / 255) if deep else 250, value_range=((0, 1),) if deep else None)
    item = raster(tmp_path / "a.tif", stored)
    predict_raster(item, Network(run, "cpu"), Outputs(tmp_path / "out"), Windows(512, 32))
    with rasterio.open(tmp_path / "out" / "a.tif") as file:
        mask = file.read(1)
    assert ((mask == 255) == where).all()
    assert (mask == run.predict(item.path)).mean() > 0.999


def test_bands_and_deeper_values_are_named_by_the_user(network: Network, tmp_path: Path) -> None:
    deep = colours(bands=5).astype(np.uint16) * 16
    item, outputs = raster(tmp_path / "deep.tif", deep), Outputs(tmp_path / "out", overlay=False)
    with pytest.raises(ValueError, match=r"deep.tif: 5 bands; the network takes 3: bands=\[1,2,3\]"):
        predict_raster(item, network, outputs, Windows())
    with pytest.raises(ValueError, match=r"bands=\[1, 2, 9\]: three bands are needed, each from 1 to 5"):
        predict_raster(item, network, outputs, Windows(bands=[1, 2, 9]))
    with pytest.raises(ValueError, match=r"deep.tif: uint16 pixels; value_range=\[low,high\]"):
        predict_raster(item, network, outputs, Windows(bands=[3, 2, 1]))
    assert not list((tmp_path / "out").glob("*"))
    predict_raster(item, network, outputs, Windows(bands=[3, 2, 1], value_range=[0, 255 * 16]))
    expected = network.run.predict(np.moveaxis(colours(bands=5)[[2, 1, 0]], 0, -1))
    with rasterio.open(tmp_path / "out" / "deep.tif") as file:
        assert (file.read(1) == expected).mean() > 0.999


def test_a_large_png_goes_by_windows_and_a_broken_raster_is_named(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seglight.sources.listing.LARGE", 100 * 100)
    Image.fromarray(np.moveaxis(colours(), 0, -1)).save(tmp_path / "large.png")
    (item,) = items(str(tmp_path / "large.png"), tmp_path / "out")
    predict_raster(item, network, Outputs(tmp_path / "out"), Windows(64, 96))
    with rasterio.open(tmp_path / "out" / "large.tif") as file:
        assert (file.read(1) == network.run.predict(read_image(tmp_path / "large.png"))).all()
    content = Path(raster(tmp_path / "map.tif", colours(), tiled=True, blockxsize=64, blockysize=64).path).read_bytes()
    for name, size in (("cut.tif", len(content) // 2), ("header.tif", 6)):
        (tmp_path / name).write_bytes(content[:size])
        with pytest.raises(ValueError, match=rf"{name}: cannot be read"):
            predict_raster(Item(tmp_path / name, "cut", "raster"), network, Outputs(tmp_path / "out"), Windows(64, 32))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["large.tif", "large_overlay.jpg"]
