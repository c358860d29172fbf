"""Every cell of the grid that is legal trains: a sample here, all of them with `-m slow`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from seglight import build_model, compose
from seglight.grid import Cell, cells, options
from seglight.models import EncoderDecoder
from seglight.models.anatomy import anatomy
from seglight.models.decoders.patch import Patch

torch.manual_seed(0)
LIGHT = ("resnet18", "efficientnet_lite0", "mobilenet_v2", "unet_shallow", "vgg11", "mobilenet_v3", "timm", "alexnet")
SMP_ON = "resnet18"


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
    torch.optim.SGD(net.parameters(), 1e-4).step()
    net.zero_grad()
    return loss.item()


def test_a_sample_of_at_least_200_cells_takes_a_step() -> None:
    taken = set()
    for encoder in LIGHT:
        for cell, net in legal(encoder, smp=encoder == SMP_ON):
            size = 128 if "PAN" in cell.decoder else 32
            assert torch.isfinite(torch.tensor(step(net, size))), cell
            taken.add(cell)
    assert len(taken) >= 200
    assert len({cell.decoder for cell in taken}) >= 17
    assert {cell.skips for cell in taken} == set(options("skips"))


def test_every_skip_strategy_works_with_every_decoder_that_has_skips() -> None:
    found = {(cell.decoder, cell.skips) for cell, _ in legal("resnet18", smp=False)}
    for decoder in ("fcn", "unet", "unet_paper", "linknet"):
        assert {skips for name, skips in found if name == decoder} == set(options("skips"))


@pytest.mark.parametrize("encoder", ["unet_shallow", "resnet18"])
def test_a_cell_that_cannot_be_is_refused_with_both_names(encoder: str) -> None:
    for cell, network in cells(encoder, smp=False):
        if isinstance(network, ValueError):
            says, decoder = str(network), cell.decoder.removesuffix("_interpolate")
            assert f"skips={cell.skips}" in says or decoder == "unet_tiles"
            assert f"decoder={decoder}" in says or f"encoder={encoder.removesuffix('_shallow')}" in says


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
        assert anatomy(net, (128, 128))[-1].gflops >= 0
        assert torch.isfinite(torch.tensor(step(net, 128 if cell.decoder.startswith("smp") else 64))), cell
        count += 1
    assert count > 0
