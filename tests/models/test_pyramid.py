"""Plain transformers as encoders: timm's own maps, features at strides 4 to 32 of them, and the decoders over them."""

from __future__ import annotations

import math

import pytest
import timm
import torch
from torch import nn

import seglight
from seglight.models.encoders.timm import PlainTransformer
from seglight.models.pyramid import Pyramid, on_grid
from seglight.parts import parts

TINY = ["encoder=timm", "encoder.weights=null", "data.num_classes=9", "+encoder.depth=4", "+encoder.embed_dim=32"]
VIT = [*TINY, "encoder.name=vit_tiny_patch16_224", "+encoder.num_heads=2"]
DINO = [*TINY, "encoder.name=vit_small_patch14_dinov2", "+encoder.num_heads=2"]


def built(*overrides: str) -> nn.Module:
    torch.manual_seed(0)
    return seglight.build_model(seglight.compose("data=shapes", *overrides)).eval()


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_dinov2", "vit_small_patch16_dinov3"])
def test_the_maps_are_timms_own_at_its_native_size(name: str) -> None:
    net = built("encoder=timm", f"encoder.name={name}", "encoder.weights=null")
    size = net.encoder.net.pretrained_cfg.input_size[-1] if "dinov2" not in name else 518
    size = size if size <= 256 else 14 * 37
    theirs = timm.create_model(name, features_only=True, out_indices=[5, 11])
    theirs.load_state_dict(net.encoder.net.state_dict())
    images = torch.randint(0, 256, (1, 3, size, size), dtype=torch.uint8)
    with torch.inference_mode():
        ours = net.encoder.maps(images)
        expected = theirs.eval()(net.encoder.normalize(images))
    for block, y in zip((5, 11), expected, strict=True):
        torch.testing.assert_close(ours[block], y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("vit", [VIT, DINO], ids=["patch16", "patch14"])
@pytest.mark.parametrize("decoder", ["unet", "fcn", "linknet", "segformer", "upernet", "dpt", "linear"])
@pytest.mark.parametrize("size", [(75, 101), (1, 1)])
def test_every_decoder_takes_a_plain_transformer_at_any_size(
    vit: list[str], decoder: str, size: tuple[int, int]
) -> None:
    skips = {"linknet": "add4", "linear": "none"}.get(decoder, "concat")
    net = built(*vit, f"decoder={decoder}", f"skips={skips}")
    with torch.inference_mode():
        assert net(torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)).shape == (1, 9, *size)


def test_a_decoder_that_pools_its_deepest_map_takes_a_plain_transformer() -> None:
    """Which strides it reads is found out on maps that are large enough for it."""
    net = built(*VIT, "decoder=smp", "decoder.name=PAN", "skips=none")
    with torch.inference_mode():
        assert net(torch.randint(0, 256, (1, 3, 75, 101), dtype=torch.uint8)).shape == (1, 9, 75, 101)


def test_stages_are_the_blocks_and_the_pyramid_trains_with_the_decoder() -> None:
    net = built(*VIT, "decoder=unet", "skips=add8")
    assert isinstance(net.encoder, PlainTransformer)
    assert [part.name for part in parts(net)] == [*(f"encoder.{i}" for i in range(4)), "pyramid", "decoder"]
    owned = [p for part in parts(net) for p in part.module.parameters()]
    assert {id(p) for p in owned} == {id(p) for p in net.parameters()}
    assert len(owned) == len(set(map(id, owned)))
    assert list(net.encoder.pyramid.sources) == [8, 16, 32]  # the level at stride 4 is not read, so it is not made


def test_a_plain_transformer_is_built_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert list(built(*VIT, "decoder=unet", "skips=add8").encoder.pyramid.sources) == [8, 16, 32]


def test_a_linear_head_sees_the_last_blocks_map_itself() -> None:
    net = built(*DINO, "decoder=linear", "skips=none")
    assert net.encoder.channels == {14: 32}
    assert net.encoder.pyramid is None


def test_dpts_levels_are_made_of_four_depths() -> None:
    assert Pyramid([8] * 12, 16, 16, depths=True).sources == {4: 2, 8: 5, 16: 8, 32: 11}
    assert Pyramid([8] * 12, 16, 16).sources == {4: 11, 8: 11, 16: 11, 32: 11}
    assert built(*VIT, "decoder=dpt", "skips=concat").encoder.pyramid.sources == {4: 0, 8: 1, 16: 2, 32: 3}


@pytest.mark.parametrize(("stride", "wanted", "cells"), [(3.5, 4, 24), (7.0, 8, 12), (14.0, 16, 11), (28.0, 32, 5)])
def test_a_level_lies_where_its_stride_says(stride: float, wanted: int, cells: int) -> None:
    """A ramp over the image, read at the cells' centres, stays that ramp."""
    centres = (torch.arange(cells) + 0.5) * stride
    level = on_grid(centres.expand(1, 1, cells, cells), stride, wanted)[0, 0, 0]
    expected = (torch.arange(len(level)) + 0.5) * wanted
    assert len(level) * wanted >= cells * stride
    inside = expected <= centres[-1]
    torch.testing.assert_close(level[inside], expected[inside])


@pytest.mark.parametrize("decoder", ["segformer", "upernet", "dpt"])
@pytest.mark.parametrize("encoder", ["alexnet", "caffenet", "resnet18", "vgg11"])
@pytest.mark.parametrize("size", [(75, 101), (224, 224)])
def test_levels_of_any_encoder_fill_the_image(decoder: str, encoder: str, size: tuple[int, int]) -> None:
    for skips in ("none", "concat"):
        with torch.device("meta"):
            net = built(f"encoder={encoder}", "encoder.weights=null", f"decoder={decoder}", f"skips={skips}")
            assert net(torch.empty(1, 3, *size)).shape == (1, 9, *size)


@pytest.mark.parametrize("decoder", ["segformer", "upernet", "dpt"])
def test_levels_lie_on_the_image_by_their_offsets(decoder: str) -> None:
    """A bright column in the finest map is a bright column of the logits at that map's offset."""
    net = built("encoder=caffenet", "encoder.weights=null", f"decoder={decoder}", "skips=concat").decoder
    finest = net.strides[-1]
    maps = [torch.zeros(1, 1, 8 * finest // s, 8 * finest // s) for s in net.strides]
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    net.fused, net.score = lambda features: features[-1], nn.Identity()  # type: ignore[method-assign,assignment]
    out = net(dict(zip(net.strides, [*maps[:-1], ramp], strict=True)), (9 * finest, 9 * finest))[0, 0, 0]
    offset = net.corners[finest] + (finest - 1) / 2
    for cell in range(1, 7):
        centre = offset + cell * finest
        if 1 <= centre < len(out) - 1:
            between = (out[math.floor(centre)] + out[math.ceil(centre)]) / 2
            assert float(between) == pytest.approx(cell, abs=1.0 / finest)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["decoder=linear", "skips=add8"], "skips=add8: decoder=linear takes no skip connections"),
        (["decoder=segformer", "skips=add8_scaled"], "decoder=segformer takes maps as they are"),
        (["decoder=dpt", "skips=concat", "encoder=unet_valid"], "encoder=.* has maps without the image's border"),
    ],
)
def test_what_a_decoder_would_ignore_is_refused(options: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        built("encoder=resnet18", "encoder.weights=null", *options) if "encoder" not in options[-1] else built(*options)


@pytest.mark.parametrize("decoder", ["segformer", "upernet", "dpt"])
def test_the_skips_say_which_maps_a_decoder_of_several_levels_takes(decoder: str) -> None:
    strides = [
        built("encoder=resnet18", "encoder.weights=null", f"decoder={decoder}", f"skips={skips}").decoder.strides
        for skips in ("none", "add16", "add8", "concat")
    ]
    assert strides == [[32], [32, 16], [32, 16, 8], [32, 16, 8, 4]]
