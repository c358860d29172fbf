"""Decoders: the published geometry, any size, and what each promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seglight import build_model, compose
from seglight.models import EncoderDecoder


def build(*overrides: str) -> EncoderDecoder:
    net = build_model(compose("encoder.weights=null", "data=shapes", *overrides))
    assert isinstance(net, EncoderDecoder)
    return net.eval()


def image(height: int, width: int, batch: int = 1) -> Tensor:
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8)


@pytest.mark.parametrize("padding", [2, 100])
def test_fcn_alexnet_is_the_authors_geometry(padding: int) -> None:
    net = build("model=fcn_alexnet", f"encoder.padding={padding}")
    decoder: Any = net.decoder
    assert decoder.upsample[0].size == 63
    assert decoder.crops == ([18] if padding == 100 else [16])
    assert net(image(70, 51)).shape == (1, 9, 70, 51)


def test_fcn_score_layers_begin_at_zero_and_kernels_are_no_parameters() -> None:
    net = build("encoder=resnet18", "decoder=fcn", "skips=add8")
    assert (net(image(40, 40)) == 0).all()
    assert not [name for name in net.state_dict() if "kernel" in name]
    assert all(module.kernel.shape[:2] == (1, 1) for module in net.decoder.upsample)  # type: ignore[union-attr]
    assert net.head_modules() == list(net.decoder.score.values())  # type: ignore[union-attr,operator]


def test_fcn_adds_what_is_over_each_other() -> None:
    """A map that is its own cells' position, scored as it is, upsamples to the image's own positions."""
    net = build("encoder=resnet18", "decoder=fcn", "skips=add8")
    decoder: Any = net.decoder
    nn.init.eye_(decoder.score["8"].weight.data[:, :, 0, 0])
    nn.init.eye_(decoder.score["16"].weight.data[:, :, 0, 0])
    nn.init.eye_(decoder.score["32"].weight.data[:, :, 0, 0])
    features = {
        s: (torch.arange(256 // s) * float(s) + net.encoder.offsets[s]).expand(1, c, 256 // s, -1)
        for s, c in net.encoder.channels.items()
    }
    with torch.inference_mode():
        logits = decoder(features, (256, 256))
    columns = torch.arange(256.0)
    assert torch.allclose(logits[0, 0, 128, 64:192], 3 * columns[64:192], atol=1e-3)


def test_fcn_concat_begins_as_add() -> None:
    common = ("encoder=resnet18", "decoder=fcn")
    add, concat = build(*common, "skips=add8"), build(*common, "skips=concat", "skips.strides=[16,8]")
    concat.encoder = add.encoder
    nn.init.normal_(add.decoder.score["32"].weight)  # type: ignore[union-attr,index]
    concat.decoder.score["32"].load_state_dict(add.decoder.score["32"].state_dict())  # type: ignore[union-attr,index]
    x = image(70, 51)
    with torch.inference_mode():
        assert torch.allclose(add(x), concat(x), rtol=1e-4, atol=1e-4)


def test_scales_of_fcn_at_once() -> None:
    net = build("encoder=resnet18", "decoder=fcn", "skips=add8_scaled")
    assert net.decoder.scales == {16: 0.01, 8: 0.0001}
    plain = build("encoder=resnet18", "decoder=fcn", "skips=add8")
    for skip in (16, 8):
        nn.init.normal_(plain.decoder.score[str(skip)].weight)  # type: ignore[union-attr,index]
    plain.decoder.score["32"].weight.data.normal_()  # type: ignore[union-attr,index]
    net.load_state_dict(plain.state_dict())
    for stride, scale in ((16, 0.01), (8, 0.0001)):
        plain.decoder.score[str(stride)].weight.data *= scale  # type: ignore[union-attr,index]
    x = image(64, 64)
    with torch.inference_mode():
        assert torch.allclose(net(x), plain(x), rtol=1e-4, atol=1e-4)


def test_deconv_output_size_is_as_stated() -> None:
    for kernel in (2, 4, 6):
        net = build("model=encoder_decoder", f"decoder.kernel={kernel}")
        decoder: Any = net.decoder
        size = 7
        for layer in decoder.layers:
            if isinstance(layer, nn.ConvTranspose2d):
                size = (size - 1) * layer.stride[0] + layer.kernel_size[0] - 2 * int(layer.padding[0])
        assert size == 7 * 32 == decoder.layers(torch.zeros(1, 512, 7, 7)).shape[2]
    with pytest.raises(ValueError, match="even kernel"):
        build("model=encoder_decoder", "decoder.kernel=3")


def test_unet_paper_counts_parameters_as_the_paper() -> None:
    net = build_model(compose("model=unet", "data=isbi2012", "encoder.in_channels=1"))
    assert sum(p.numel() for p in net.parameters()) == 31_030_658
    assert sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in net.modules()) == 23
    weight = net.encoder.stages[3].conv2[0].weight  # type: ignore[union-attr,index]
    assert weight.std().item() == pytest.approx((2 / (9 * 512)) ** 0.5, rel=0.02)
    assert not [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]


@pytest.fixture(scope="module")
def valid() -> EncoderDecoder:
    return build("model=unet_valid", "encoder.channels=[4,8,8,16,16]")


def test_valid_unet_maps_are_the_papers(valid: EncoderDecoder) -> None:
    encoder: Any = valid.encoder
    assert encoder.margin == 92
    assert encoder.extended(388) == 572
    assert [x.shape[-1] for x in valid.encoder(image(388, 388)).values()] == [568, 280, 136, 64, 28]
    decoder: Any = valid.decoder
    leads, offset = [], encoder.offsets[16]
    for stride in decoder.strides:
        offset -= stride / 2
        leads.append(round((offset - encoder.offsets[stride]) / stride))
        offset += 2 * stride
    assert leads == [4, 16, 40, 88]
    assert offset == 0


@pytest.mark.parametrize("size", [(1, 1), (30, 61), (100, 100)])
def test_valid_unet_takes_any_size(size: tuple[int, int], valid: EncoderDecoder) -> None:
    assert valid(image(*size)).shape[-2:] == size


def test_overlap_tiles_equal_the_whole_image(valid: EncoderDecoder) -> None:
    decoder: Any = valid.decoder
    x = image(70, 150)
    with torch.inference_mode():
        whole = valid(x)
        decoder.tile = 64  # a multiple of the deepest stride: pools fall where they fell
        tiles = valid(x)
        decoder.tile = 388
    assert (whole - tiles).abs().max() <= 1e-5 * whole.abs().max()


def test_tiles_need_unpadded_convolutions() -> None:
    with pytest.raises(ValueError, match=r"unet_valid.*encoder=resnet18"):
        build("encoder=resnet18", "decoder=unet_tiles", "skips=concat")


@pytest.fixture(scope="module")
def patch() -> EncoderDecoder:
    return build("model=patch", "decoder.patch=9", "encoder.channels=[4,8]")


def test_patch_classifies_each_pixel_from_the_patch_around_it(patch: EncoderDecoder) -> None:
    x = image(12, 15)
    padded = F.pad(x.float(), (4, 4, 4, 4), mode="reflect")
    with torch.inference_mode():
        logits = patch(x)
        for i, j in ((0, 0), (5, 7), (11, 14)):
            alone = patch.decoder(patch.encoder(padded[..., i : i + 9, j : j + 9]), (1, 1))
            assert torch.allclose(logits[0, :, i, j], alone[0], atol=1e-5)
    assert patch.decoder.classifications(512, 512) == 262_144  # type: ignore[operator]


def test_chunks_change_nothing(patch: EncoderDecoder) -> None:
    decoder: Any = patch.decoder
    x = image(12, 15, batch=2)
    with torch.inference_mode():
        whole = patch(x)
        decoder.chunk = 7
        assert torch.allclose(patch(x), whole, atol=1e-5)
        decoder.chunk = 2048


def test_patch_trains_on_labelled_pixels(patch: EncoderDecoder) -> None:
    x, masks = image(12, 15, batch=2), torch.full((2, 12, 15), 255)
    masks[0, 3, 4], masks[0, 0, 0] = 5, 2
    ((logits, labels, weight),) = patch.training_pairs(x, masks)
    assert logits.shape == (2, 9, 256)
    assert set(labels[0].tolist()) == {2, 5}
    assert set(labels[1].tolist()) == {255}
    with torch.inference_mode():
        assert torch.allclose(logits[0, :, labels[0] == 5][:, 0], patch(x)[0, :, 3, 4], atol=1e-5)
    assert weight == 1


@pytest.mark.parametrize("stride", [1, 3, 8, 50])
def test_interpolated_patches(stride: int, patch: EncoderDecoder) -> None:
    other = build("model=patch_interpolate", "decoder.patch=9", "encoder.channels=[4,8]", f"stride={stride}")
    other.load_state_dict(patch.state_dict())
    x = image(13, 18)
    with torch.inference_mode():
        exact, between = patch(x), other(x)
    assert between.shape == exact.shape
    assert torch.allclose(between[..., ::stride, ::stride], exact[..., ::stride, ::stride], atol=1e-5)
    if stride == 1:
        assert torch.equal(between, exact)
    if stride == 3:
        assert torch.allclose(between[..., 0, 1], between[..., 0, 0] * 2 / 3 + between[..., 0, 3] / 3, atol=1e-5)


@pytest.mark.parametrize("name", ["FPN", "PSPNet", "UPerNet"])
def test_smp_decoders_are_the_librarys(name: str) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    net = build("encoder=resnet18", "decoder=smp", f"decoder.name={name}", "skips=none")
    deep = {"encoder_depth": 5, "upsampling": 32} if name == "PSPNet" else {}
    theirs = getattr(smp, name)("resnet18", encoder_weights=None, classes=9, **deep).eval()
    ours = {re_named(key): value for key, value in net.state_dict().items() if "normalize" not in key}
    theirs.load_state_dict(ours)
    x = image(128, 96)
    with torch.inference_mode():
        assert torch.allclose(net(x), theirs(net.encoder.normalize(x)), atol=1e-4)
        assert net(image(37, 50)).shape[-2:] == (37, 50)


def re_named(key: str) -> str:
    parts = key.split(".")
    if parts[0] == "encoder":
        return ".".join(["encoder", *parts[3:]])
    return ".".join(["decoder" if parts[1] == "decoder" else "segmentation_head", *parts[2:]])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["decoder=fcn", "decoder.upsampling=lerned"], "decoder.upsampling=lerned: one of fixed, learned is needed"),
        (["decoder.up=bicubic"], "decoder.up=bicubic: one of nearest, bilinear, transposed is needed"),
        (["decoder.head=2"], "decoder.head=2: an odd kernel"),
        (["decoder.width=0"], "decoder.width=0: a whole number from 1 is needed"),
        (["model=encoder_decoder", "decoder.kernel=two"], "decoder.kernel=two: a whole number from 2"),
        (["model=patch", "decoder.samples=0"], "decoder.samples=0: a whole number from 1"),
        (["model=unet_valid", "encoder.channels=[4,8]", "decoder.tile=0"], "decoder.tile=0: a whole number from 1"),
        (["model=fcn_resnet50", "encoder=resnet50", "aux.weight=-1"], "aux.weight=-1: a number from 0"),
        (["skips.op=sum"], "skips.op=sum: one of none, add, concat is needed"),
        (["encoder.padding=vaild"], "encoder.padding=vaild: one of same, valid is needed"),
        (["encoder.dropout=2"], "encoder.dropout=2: a number from 0 and at most 1 is needed"),
        (["encoder.channels=[]"], r"encoder.channels=\[\]: one number for each level"),
        (["encoder.channels=[8,x]"], "encoder.channels=x: a whole number from 1"),
        (["encoder=resnet18", "encoder.in_channels=0"], "encoder.in_channels=0: a whole number from 1"),
        (["encoder=convnext_tiny", "encoder.multiple=0"], "encoder.multiple=0: a whole number from 1"),
        (["encoder=resnet50", "decoder=smp", "decoder.name=DeepLabV3", "skips=none"], r"V3 .*output_stride.*resnet50"),
        (["encoder=resnet18", "decoder=smp", "decoder.name=Fpn", "skips=none"], "FPN"),
        (["encoder=resnet18", "decoder=smp", "skips=concat"], r"skips=concat.*decoder=smp"),
        (["encoder=resnet18", "decoder=deconv", "skips=add8"], r"skips=add8.*decoder=deconv"),
        (["model=fcn8s", "skips=add8", "encoder=resnet50", "encoder.output_stride=8"], "add8.*resnet50|resnet50.*add8"),
        (["encoder=convnext_tiny", "decoder=smp", "decoder.name=DPT", "skips=none"], "DPT"),
    ],
)
def test_what_does_not_fit_is_refused(overrides: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build(*overrides)
