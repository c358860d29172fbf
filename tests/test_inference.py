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
from seglight.inference import Ensemble, Inference, Slide, Views, rgb_tensor
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
    grey = PIXELS[..., 0]
    for given in (Image.fromarray(grey), grey, grey[..., None], grey[None], torch.from_numpy(grey)):
        assert torch.equal(rgb_tensor(given), torch.from_numpy(grey).expand(3, 8, 9))


@pytest.mark.parametrize(
    ("given", "says"), [("nowhere.jpg", "nowhere.jpg: no such file"), (5, r"RGB image.*got \[\]"), (None, "got object")]
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


class Pointwise(nn.Module):
    """Logits of 3 classes that depend on the pixel alone, or on the place of the pixel within what the net is given."""

    def __init__(self, sided: bool = False) -> None:
        super().__init__()
        self.sided = sided

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = images.float() / 50
        if self.sided:
            logits = logits * torch.linspace(0, 1, images.shape[-1])
        return logits


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(1)


IMAGES = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (2, 3, 45, 70), dtype=np.uint8))


@pytest.mark.parametrize(("crop", "stride"), [(16, None), ([45, 20], [45, 7]), (32, 32), (64, 1), (100, 50)])
def test_windows_leave_a_network_that_looks_at_single_pixels_as_it_is(crop: Any, stride: Any) -> None:
    net = Pointwise()
    found = Slide(crop, stride)(net, IMAGES)
    torch.testing.assert_close(probabilities(found), probabilities(net(IMAGES)), rtol=0, atol=1e-6)


def test_windows_have_the_networks_size_and_end_with_the_image() -> None:
    seen: list[tuple[int, ...]] = []

    def net(images: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape[-2:]))
        return images.float()

    Slide([32, 32], [16, 32])(net, IMAGES)
    assert seen == [(32, 32)] * 6  # tops 0, 13; lefts 0, 32, 38
    seen.clear()
    Slide(512)(net, IMAGES)
    assert seen == [(45, 70)]


def test_windows_that_disagree_are_blended_without_a_seam() -> None:
    """Each window gives one value; a hard border between two of them would be a step of their whole difference."""
    values = iter((0.0, 1.0))

    def net(images: torch.Tensor) -> torch.Tensor:
        share = torch.full((1, 1, *images.shape[-2:]), next(values)) * 0.8 + 0.1
        return torch.cat([share, 1 - share], 1).log()

    row = Slide([20, 60], [20, 40])(net, torch.zeros(1, 3, 20, 100)).softmax(1)[0, 0, 10]
    torch.testing.assert_close(row[:40], torch.full((40,), 0.1))
    torch.testing.assert_close(row[60:], torch.full((40,), 0.9))
    assert (row.diff() >= -1e-6).all()
    assert row.diff().max() < 0.8 / 8  # the overlap has 20 pixels


def test_the_mirrored_view_is_turned_back_before_the_mean() -> None:
    net = Pointwise(sided=True)
    expected = (probabilities(net(IMAGES)) + probabilities(net(IMAGES.flip(-1))).flip(-1)) / 2
    found = Views(Inference(), flip=True)(net, IMAGES)
    torch.testing.assert_close(probabilities(found), expected)
    assert torch.equal(Views(Inference())(net, IMAGES), net(IMAGES))


def test_scales_are_averaged_at_the_images_own_size() -> None:
    flat = torch.full((1, 3, 33, 47), 7.0) * torch.tensor([1.0, 9.0, 20.0])[:, None, None]
    net = Pointwise()
    found = Views(Inference(), scales=(0.5, 1.0, 1.75))(net, flat)
    assert found.shape == flat.shape
    torch.testing.assert_close(probabilities(found), probabilities(net(flat)))
    sizes: list[int] = []
    Views(Inference(), scales=(0.5, 1.75))(lambda images: sizes.append(images.shape[-1]) or images, flat)  # type: ignore[func-returns-value]
    assert sizes == [24, 82]


def test_a_resized_image_with_saturated_pixels_is_still_one(net: nn.Module) -> None:
    edges = torch.from_numpy(np.kron(RNG.integers(0, 2, (9, 11)) * 255, np.ones((5, 5)))).to(torch.uint8)
    assert torch.isfinite(Views(Inference(), scales=(0.5, 0.75, 1.25, 1.3))(net, edges.expand(1, 3, -1, -1))).all()


def test_an_ensemble_is_the_mean_of_probabilities_not_of_logits() -> None:
    sure, unsure = torch.tensor([10.0, 0.0]), torch.tensor([0.0, 1.0])

    class Constant(nn.Module):
        def __init__(self, logits: torch.Tensor) -> None:
            super().__init__()
            self.logits = logits

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.logits[None, :, None, None].expand(1, 2, 1, 1)

    found = Ensemble([Constant(sure), Constant(unsure)])(torch.zeros(1, 3, 1, 1)).softmax(1).flatten()
    torch.testing.assert_close(found, (sure.softmax(0) + unsure.softmax(0)) / 2)


@pytest.mark.parametrize(
    ("build_it", "says"),
    [
        (lambda: Slide(0), r"inference.crop=0: a whole number from 1 is needed"),
        (lambda: Slide([1, 2, 3]), r"inference.crop=\[1, 2, 3\]: a number of pixels, or \[height, width\]"),
        (lambda: Slide(64, 65), r"inference.stride=65: pixels between the windows.*inference.crop=64"),
        (lambda: Views(Inference(), scales=[]), r"tta.scales=\[\]: one number"),
        (lambda: Views(Inference(), scales=[0.0]), r"tta.scales=0.0: a number above 0 is needed"),
    ],
)
def test_settings_that_cannot_be_are_named(build_it: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_it()
