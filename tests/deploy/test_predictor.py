"""The Predictor over real exported files: any size, tiles, what it refuses; and it needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import nn

from seglight import Predictor, build_model, compose
from seglight.deploy import tracing
from seglight.deploy.about import About
from seglight.deploy.predictor import windows
from tests.conftest import Command

CLASSES, PALETTE = ["sky", "road", "car"], [(0, 0, 255), (90, 90, 90), (255, 0, 0)]


def about(**values: Any) -> About:
    return About(CLASSES, PALETTE, **values)


def network(*overrides: str) -> nn.Module:
    torch.manual_seed(0)
    cfg = compose("data=shapes", "data.num_classes=3", "encoder.weights=null", *overrides)
    return build_model(cfg).eval()


def exported(net: nn.Module, folder: Path, said: About, ending: str = "onnx") -> Path:
    """A file of each format, as export writes it."""
    path = folder / f"net.{ending}"
    if ending == "pt":
        tracing.write_torch(tracing.trace(net, said), path, said)
        return path
    tracing.write_onnx(net, folder / "graph.onnx", said)
    if ending == "xml":
        tracing.write_openvino(folder / "graph.onnx", path, said)
    else:
        tracing.describe_onnx(folder / "graph.onnx", path, said)
    return path


def picture(height: int, width: int, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, bands), np.uint8)


@pytest.mark.parametrize("ending", ["onnx", "xml", "pt"])
@pytest.mark.parametrize("output", ["logits", "classes"])
def test_each_format_predicts_what_pytorch_does(ending: str, output: str, tmp_path: Path) -> None:
    net = network()
    predictor = Predictor(exported(net, tmp_path, about(output=output), ending), threads=1)
    for height, width in ((1, 1), (33, 47), (64, 48)):
        image = picture(height, width)
        with torch.inference_mode():
            logits = net(torch.from_numpy(image).permute(2, 0, 1)[None])[0]
        found = predictor.predict(image)
        assert (found.mask == logits.argmax(0).numpy()).all()
        assert found.mask.dtype == np.uint8
        assert (found.image == image).all()
        assert (found.classes, found.palette) == (CLASSES, PALETTE)
        if output == "classes":
            assert found.probabilities is None
        else:
            np.testing.assert_allclose(found.probabilities, logits.softmax(0), atol=1e-5)


def test_a_path_pillows_image_a_tensor_and_channels_first_are_the_same_image(tmp_path: Path) -> None:
    predictor = Predictor(exported(network(), tmp_path, about()), threads=1)
    image = picture(20, 31)
    Image.fromarray(image).save(tmp_path / "image.png")
    expected = predictor.predict(image).mask
    for same in (tmp_path / "image.png", str(tmp_path / "image.png"), Image.fromarray(image),
                 image.transpose(2, 0, 1), torch.from_numpy(image), image.astype(np.int64)):  # fmt: skip
        assert (predictor.predict(same).mask == expected).all()
    grey = image[..., 0]
    expected = predictor.predict(Image.fromarray(grey)).mask
    for same in (grey, grey[..., None], grey[None], np.repeat(grey[..., None], 3, 2)):
        assert (predictor.predict(same).mask == expected).all()


def test_a_turned_photo_is_read_upright(tmp_path: Path) -> None:
    predictor = Predictor(exported(network(), tmp_path, about()), threads=1)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.fromarray(picture(20, 31)).save(tmp_path / "turned.png", exif=exif)
    assert predictor.predict(tmp_path / "turned.png").shape == (31, 20)


def test_deeper_bands_are_brought_to_their_range(tmp_path: Path) -> None:
    net = network("encoder.in_channels=4")
    said = about(bands=4, value_range=[100, 1100])
    stored = np.random.default_rng(0).integers(100, 1100, (24, 40, 4), np.uint16)
    with torch.inference_mode():
        scaled = (torch.from_numpy(stored.astype(np.float32)) - 100) / 1000 * 255
        expected = net(scaled.permute(2, 0, 1)[None])[0].argmax(0)
    found = Predictor(exported(net, tmp_path, said), threads=1).predict(stored)
    assert (found.mask == expected.numpy()).all()
    assert found.image.shape == (24, 40, 3)


def test_twelve_bits_in_files_are_read_as_they_are(tmp_path: Path) -> None:
    predictor = Predictor(exported(network(), tmp_path, about(value_range=[0, 4095])), threads=1)
    stored = np.random.default_rng(0).integers(0, 4096, (24, 40), np.uint16)
    expected = predictor.predict(stored).mask
    assert len(np.unique(expected)) > 1
    for name in ("grey.tif", "grey.png"):
        Image.fromarray(stored).save(tmp_path / name)
        assert (predictor.predict(tmp_path / name).mask == expected).all()
    np.save(tmp_path / "grey.npy", stored)
    assert (predictor.predict(tmp_path / "grey.npy").mask == expected).all()
    Image.fromarray(picture(24, 40)).save(tmp_path / "rgb.png")
    with pytest.raises(
        ValueError,
        match=r"rgb\.png: Pillow reads this file with 8 bits, where .* to 4,095: give its array .* as stored",
    ):
        predictor.predict(tmp_path / "rgb.png")
    tag = {42113: "7"}  # GDAL's no-data value
    Image.fromarray(np.where(stored < 400, np.uint16(7), stored)).save(tmp_path / "tag.tif", tiffinfo=tag)
    assert ((predictor.predict(tmp_path / "tag.tif").mask == 255) == (stored < 400)).all()


@pytest.mark.parametrize(
    ("size", "tile", "overlap"), [((7, 5), 4, 1), ((100, 64), 32, 8), ((3, 90), 40, 0), ((64, 64), 64, 16)]
)
def test_tiles_keep_every_pixel_once(size: tuple[int, int], tile: int, overlap: int) -> None:
    kept, seen = np.zeros(size, int), np.arange(size[0] * size[1]).reshape(size)
    for window, inside, target in windows(*size, tile, overlap):
        assert max(seen[window].shape) <= tile
        assert (seen[window][inside] == seen[target]).all()
        kept[target] += 1
    assert (kept == 1).all()


def test_tiles_give_the_whole_image_where_they_see_enough_of_it(tmp_path: Path) -> None:
    net = network("encoder=unet_shallow")  # it sees less than 32 pixels a side
    path = exported(net, tmp_path, about())
    image = picture(150, 90)
    whole, tiled = (Predictor(path, tile, 64, threads=1).predict(image) for tile in (None, 96))
    np.testing.assert_allclose(whole.probabilities, tiled.probabilities, atol=1e-5)
    with pytest.raises(ValueError, match="overlap from 0 and below the tile"):
        Predictor(path, tile=32, overlap=32)
    for wrong in ({"tile": "a"}, {"tile": 0}, {"tile": 32, "overlap": -1}, {"threads": "a"}):
        name, value = list(wrong.items())[-1]
        with pytest.raises(ValueError, match=rf"{name}={value}: a whole number from \d is needed"):
            Predictor(path, **wrong)


def test_what_is_no_export_or_no_image_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = exported(network(), tmp_path, about())
    (tmp_path / "text.onnx").write_text("not a network")
    for file, says in (
        (tmp_path / "graph.onnx", "is no export of seglight's"),  # a network, without classes
        (tmp_path / "text.onnx", "cannot be read as an exported network"),
        (tmp_path / "image.jpg", "a file that ends in .onnx, .xml, .pt"),
        (tmp_path / "gone.onnx", "no such file"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=says):
            Predictor(file)
    predictor = Predictor(path, threads=1)
    page = Image.fromarray(picture(9, 9))
    page.save(tmp_path / "stack.tif", save_all=True, append_images=[page, page])
    for image, says in (
        (tmp_path / "stack.tif", "a TIFF of 3 pages; give one of them"),
        (picture(9, 9, 4), "takes images of 3 bands, this one has 4"),
        (picture(9, 9) / 255, "0 to 255"),
        (picture(9, 9).astype(np.float32) + 0.5, "whole numbers"),
        (np.zeros((0, 9, 3), np.uint8), "an image"),
        (np.array(["a"]), "an image"),
        (tmp_path / "text.onnx", "cannot be decoded"),
    ):
        with pytest.raises(ValueError, match=says):
            predictor.predict(image)


REFUSING = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "lightning", "hydra", "omegaconf", "cv2", "onnx"}:
            raise ModuleNotFoundError(f"refused: {name}", name=name)
for name in list(sys.modules):
    if name.partition(".")[0] in {"torch", "lightning", "seglight", "hydra", "omegaconf", "cv2"}:
        del sys.modules[name]
sys.meta_path.insert(0, Refusing())
import seglight
found = seglight.Predictor(sys.argv[1], threads=1).predict(sys.argv[2])
found.palette_image().save(sys.argv[3])
"""


def test_it_works_where_torch_lightning_and_hydra_cannot_be_imported(tmp_path: Path, script: Command) -> None:
    net = network()
    path = exported(net, tmp_path, about())
    Image.fromarray(image := picture(40, 29)).save(tmp_path / "image.png")
    answer = script(REFUSING, str(path), str(tmp_path / "image.png"), str(tmp_path / "mask.png"))
    assert answer.returncode == 0, answer.stderr
    mask = Image.open(tmp_path / "mask.png")
    with torch.inference_mode():
        expected = net(torch.from_numpy(image).permute(2, 0, 1)[None])[0].argmax(0).numpy()
    assert (np.asarray(mask) == expected).all()
    assert mask.getpalette()[:9] == [channel for colour in PALETTE for channel in colour]  # type: ignore[index]


def test_a_batch_of_any_number_goes_through_the_file_itself(tmp_path: Path) -> None:
    """What a program that knows nothing of seglight does with the file."""
    path = exported(net := network(), tmp_path, about())
    session = onnxruntime.InferenceSession(str(path))
    images = np.stack([picture(17, 23)] * 5).transpose(0, 3, 1, 2)
    (logits,) = session.run(["logits"], {"images": images})
    with torch.inference_mode():
        np.testing.assert_allclose(logits, net(torch.from_numpy(images)).numpy(), atol=1e-5)
