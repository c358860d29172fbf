"""Every cell of the grid that is legal trains: a sample here, all of them with `-m slow`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch

from seglight import build_model, compose
from seglight.models import EncoderDecoder
from seglight.models.anatomy import anatomy
from seglight.models.decoders.patch import Patch
from seglight.tables.grid import Cell, cells, options

# Encoders quick enough to take a step in every cell of theirs, and how many cells that is at least.
SAMPLE = {
    "resnet18": 38, "efficientnet_lite0": 29, "mobilenet_v2": 29, "unet_shallow": 13,
    "efficientnet_lite1": 29, "mobilenet_v3": 29, "timm": 29, "alexnet": 29,
}  # fmt: skip
assert sum(SAMPLE.values()) >= 200


def legal(encoder: str, smp: bool) -> Iterator[tuple[Cell, EncoderDecoder]]:
    for cell, network in cells(encoder, smp):
        if isinstance(network, EncoderDecoder):
            yield cell, network


def step(net: EncoderDecoder, size: int) -> float:
    """One step of training on two images."""
    images = torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)
    masks = torch.randint(0, 21, (2, size, size))
    masks[:, 0] = 255
    if isinstance(net.decoder, Patch):
        net.decoder.samples = 4
    pairs = net.train().training_pairs(images, masks)
    loss = sum(weight * torch.nn.functional.cross_entropy(x, y, ignore_index=255) for x, y, weight in pairs)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    assert all(head.weight.grad is not None for head in net.head_modules() if hasattr(head, "weight"))
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)  # the next cell takes the encoder over
    torch.optim.SGD(net.parameters(), 1e-6).step()
    net.zero_grad()
    return loss.item()


@pytest.mark.parametrize("encoder", SAMPLE)
def test_every_cell_of_a_sample_takes_a_step(encoder: str) -> None:
    torch.manual_seed(0)
    count = 0
    for cell, net in legal(encoder, smp=encoder == "resnet18"):
        assert math.isfinite(step(net, 128 if "PAN" in cell.decoder else 32)), cell
        count += 1
    assert count >= SAMPLE[encoder]


def test_every_skip_strategy_works_with_every_decoder_that_has_skips() -> None:
    found = {(cell.decoder, cell.skips) for cell, _ in legal("resnet18", smp=False)}
    for decoder in ("fcn", "unet", "unet_paper", "linknet"):
        assert {skips for name, skips in found if name == decoder} == set(options("skips"))


WITHOUT_SKIPS = ("linear", "deconv", "fcn_head", "interpolate", "patch", "patch_interpolate")


@pytest.mark.parametrize("encoder", ["unet_shallow", "resnet18"])
def test_a_cell_that_cannot_be_is_refused_with_both_names(encoder: str) -> None:
    refused, name = set(), encoder.removesuffix("_shallow")
    for cell, network in cells(encoder, smp=False):
        if not isinstance(network, ValueError):
            continue
        refused.add(cell.decoder)
        if cell.decoder == "unet_tiles":
            says = f"decoder=unet_tiles needs unpadded convolutions (encoder=unet_valid), got encoder={name}"
        elif cell.decoder in WITHOUT_SKIPS:
            decoder = cell.decoder.removesuffix("_interpolate")
            says = f"skips={cell.skips}: decoder={decoder} takes no skip connections; use skips=none"
        elif cell.skips == "add8_scaled" and cell.decoder in ("dpt", "segformer", "upernet"):
            says = f"skips=add8_scaled: decoder={cell.decoder} takes maps as they are; use a strategy without scales"
        else:
            says = f"skips={cell.skips} needs maps at stride"
            assert f"which encoder={name} lacks" in str(network)
        assert str(network).startswith(says)
    assert refused >= {"unet_tiles", *WITHOUT_SKIPS}


@pytest.mark.parametrize("preset", [name for name in options("model") if not name.startswith("fcn")])
def test_presets_take_a_step(preset: str) -> None:
    net = build_model(compose(f"model={preset}", "encoder.weights=null", "data=shapes"))
    images, masks = torch.randint(0, 256, (2, 3, 40, 52), dtype=torch.uint8), torch.randint(0, 9, (2, 40, 52))
    for logits, labels, _ in net.train().training_pairs(images, masks):  # type: ignore[operator]
        assert torch.isfinite(torch.nn.functional.cross_entropy(logits, labels))


def test_fcn_presets_share_an_encoder_and_take_a_step() -> None:
    taken = []
    for cell, net in legal("vgg16_fc", smp=False):
        if cell.decoder == "fcn":
            net.encoder.requires_grad_(False)  # the way through VGG16 is the same for all: it costs seconds
            step(net, 32)
            taken.append(cell.skips)
    assert {"none", "add16", "add8", "add8_scaled"} <= set(taken)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", options("encoder"))
def test_every_cell_can_be_inspected_and_takes_a_step(encoder: str) -> None:
    count = 0
    for cell, net in legal(encoder, smp=True):
        assert sum(part.gflops for part in anatomy(net, (128, 128))) > 0
        assert math.isfinite(step(net, 128 if cell.decoder.startswith("smp") else 64)), cell
        count += 1
    assert count > 0
