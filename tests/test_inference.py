"""What counts as an image: for a network, for `predict`, and in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import seglight
from seglight.inference import rgb_tensor
from seglight.runs.run import Run
from seglight.training.fit import build_task, fit
from tests.conftest import QUICK

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (8, 9, 3), dtype=np.uint8)
WRONG = [
    (RNG.random((8, 9, 3), dtype=np.float32), "at most 1"),
    (PIXELS.astype(np.uint16) * 16, "uint16 from"),
    (PIXELS.astype(np.int64) + 1000, "int64 from 1"),
    (PIXELS.astype(np.float32) / 64 - 2, "float32 from -2 to"),
    (PIXELS > 127, "bool"),
    (PIXELS * 1j, "complex"),
    (np.where(PIXELS > 127, np.nan, PIXELS), "NaN"),
    (np.where(PIXELS > 127, np.inf, PIXELS), "infinity"),
]


@pytest.fixture
def net() -> nn.Module:
    return seglight.build_model(seglight.compose("data=shapes")).eval()


@pytest.mark.parametrize(("image", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_holds_no_pixels_is_refused(image: np.ndarray[Any, Any], says: str, net: nn.Module) -> None:
    with pytest.raises(ValueError, match=f"pixels are 0 to 255, these are .*{says}"):
        rgb_tensor(image)
    with pytest.raises(ValueError, match=f"pixels are 0 to 255, these are .*{says}"):
        net(torch.from_numpy(image).permute(2, 0, 1)[None])


def test_an_image_is_the_same_however_it_is_given(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a b.png")
    expected = torch.from_numpy(PIXELS).permute(2, 0, 1)
    for given in (PIXELS, expected, Image.fromarray(PIXELS), tmp_path / "a b.png", str(tmp_path / "a b.png")):
        assert torch.equal(rgb_tensor(given), expected)
    assert torch.equal(rgb_tensor(PIXELS.astype(np.float64)), expected.double())
    assert rgb_tensor(Image.fromarray(PIXELS[..., 0])).shape == (3, 8, 9)


@pytest.mark.parametrize(
    ("given", "says"), [("nowhere.jpg", "nowhere.jpg: no such file"), (5, r"RGB image.*got \(\)"), (None, "got object")]
)
def test_what_is_no_image_is_one_line(given: Any, says: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        rgb_tensor(given)


def test_only_the_first_images_are_looked_at_and_black_ones_do_not_count(net: nn.Module) -> None:
    dark = torch.full((1, 3, 8, 8), 0.5)
    net(torch.zeros_like(dark))
    with pytest.raises(ValueError, match="at most 1"):
        net(dark)
    net(dark * 255)
    net(dark)  # a dark image among others


def test_what_is_no_batch_of_images_is_refused(net: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"as a torch.Tensor are needed, got ndarray"):
        net(np.zeros((1, 3, 8, 8)))
    with pytest.raises(ValueError, match=r"images \[B, C, H, W\] are needed, got \[3, 8, 9\]"):
        net(torch.zeros(3, 8, 9))


def test_a_compiled_network_stays_one_graph_and_export_does_not_look_at_values(net: nn.Module) -> None:
    graphs: list[Any] = []

    def backend(module: Any, _: Any) -> Any:
        graphs.append(module)
        return module

    torch._dynamo.reset()
    compiled = torch.compile(net, backend=backend)
    with torch.no_grad():
        for factor in (1, 255, 1):
            compiled(torch.rand(1, 3, 32, 32) * factor)
    assert len(graphs) == 1
    torch.export.export(net, (torch.rand(1, 3, 32, 32),))


@pytest.mark.parametrize("decoder", [["decoder=unet"], ["decoder=smp", "decoder.name=PSPNet"], ["decoder=fcn_head"]])
def test_a_norm_over_one_value_names_the_keys_that_change_it(decoder: list[str], tmp_path: Path) -> None:
    overrides = [
        *(option for option in QUICK if "batch_size" not in option and "crop_size" not in option), "skips=none",
        "encoder=resnet18", *decoder, "data.batch_size=1", "data.crop_size=32", "predictions=0",
    ]  # fmt: skip
    run = Run.create(tmp_path / "run", seglight.compose(*overrides), overrides)
    with pytest.raises(ValueError, match=r"batch of 1, 32 x 32 pixels.*raise data.batch_size or data.crop_size"):
        fit(run)


def test_training_looks_at_the_images_itself_for_a_compiled_network_does_not() -> None:
    cfg = seglight.compose(*QUICK)
    task = build_task(cfg, None, seglight.build_model(cfg))
    with pytest.raises(ValueError, match="at most 1"):
        task.check_images({"image": torch.rand(2, 3, 8, 8)})


def test_an_evaluation_that_takes_long_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("seglight.task.LONG", 10_000)
    overrides = [
        *QUICK, "model=patch", "decoder.patch=2", "decoder.samples=4", "encoder.channels=[2]", "data.train_images=4",
        "trainer.max_epochs=2", "predictions=0",
    ]  # fmt: skip
    with caplog.at_level("INFO"):
        fit(Run.create(tmp_path / "run", seglight.compose(*overrides), overrides))
    said = [record.getMessage() for record in caplog.records if "take long" in record.getMessage()]
    assert len(said) == 1
    assert "4,096 patches are classified in each of about 4 images" in said[0]
