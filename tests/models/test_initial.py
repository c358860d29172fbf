"""Each decoder begins as its source does: layer by layer against the published implementation's own draw."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torchvision.models.segmentation.fcn import FCNHead

from seglight import build_model, compose
from tests.models.reference import TorchFCN


def built(*overrides: str) -> nn.Module:
    torch.manual_seed(0)
    return build_model(compose("encoder.weights=null", "data=camvid", *overrides))


def state(module: nn.Module, seed: int) -> dict[str, Tensor]:
    """The parameters by name, without the norms' counters."""
    torch.manual_seed(seed)
    return {name: value for name, value in module.state_dict().items() if "num_batches" not in name}


def assert_same_distribution(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> None:
    """Constants are equal; what is drawn has the same deviation, within five sampling errors, and the same shape."""
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        ours_, theirs_ = ours[name].flatten().double(), value.flatten().double()
        assert len(ours_) == len(theirs_), name
        if theirs_.unique().numel() == 1:
            assert torch.equal(ours_, theirs_), f"{name}: {ours_.min()} to {ours_.max()}, theirs all {theirs_[0]}"
            continue
        error = math.sqrt(0.5 / len(theirs_)) * math.sqrt(2)  # of a normal's deviation; a uniform's is smaller
        ratio = (ours_.std() / theirs_.std()).item()
        assert abs(ratio - 1) < max(5 * error, 1e-3), f"{name}: deviation {ratio:.3f} of theirs"
        p = stats.ks_2samp(ours_.numpy(), theirs_.numpy()).pvalue
        assert p > 1e-4, f"{name}: another distribution than theirs (p {p:.1e})"


def test_unet_begins_as_segmentation_models_pytorchs() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(1)
    theirs = smp.Unet("resnet34", encoder_weights=None, classes=11)
    ours = built("encoder=resnet34", "decoder=unet", "skips=concat")
    named = {f"head.{k.split('.')[1]}": v for k, v in theirs.segmentation_head.state_dict().items()}
    assert_same_distribution(state(ours.decoder, 0), {**state(theirs.decoder, 1), **named})


@pytest.mark.parametrize(
    "name",
    [
        "FPN",
        "Linknet",
        "PSPNet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("MAnet", "UPerNet", "UnetPlusPlus")),
    ],
)
def test_the_librarys_decoders_begin_as_the_librarys(name: str) -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    options = {"encoder_depth": 5, "upsampling": 32} if name == "PSPNet" else {}
    torch.manual_seed(1)
    theirs = getattr(smp, name)("resnet18", encoder_weights=None, classes=11, **options)
    ours = built("encoder=resnet18", "decoder=smp", f"decoder.name={name}", "skips=none")
    assert_same_distribution(state(ours.decoder.decoder, 0), state(theirs.decoder, 1))
    assert_same_distribution(state(ours.decoder.head, 0), state(theirs.segmentation_head, 1))


@pytest.mark.slow
def test_fcn_heads_begin_as_torchvisions() -> None:
    ours = built("encoder=resnet50_d8", "decoder=fcn_head", "skips=none", "aux=fcn_head")
    for head, channels in ((ours.decoder.head, 2048), (ours.aux.head, 1024)):  # type: ignore[union-attr]
        torch.manual_seed(1)
        assert_same_distribution(state(head, 0), state(FCNHead(channels, 11), 1))


def test_fcn_begins_at_zero_and_learned_upsampling_as_the_authors() -> None:
    ours = built("model=fcn8s", "data=voc", "encoder=resnet18", "decoder.upsampling=learned").decoder
    theirs = TorchFCN("8s")
    assert all((value == 0).all() for value in ours.score.state_dict().values())
    for mine, published in zip(ours.upsample, ("upscore2", "upscore_pool4", "upscore8"), strict=True):
        if mine.size == getattr(theirs, published).kernel_size[0]:
            assert torch.equal(mine.conv.weight, getattr(theirs, published).weight)
        assert torch.equal(mine.conv.weight.count_nonzero((2, 3)), torch.eye(21).long() * mine.size**2)


def test_the_papers_unet_draws_every_layer_from_its_own_normal() -> None:
    """Ronneberger et al. 2015, section 3: "for a 3x3 convolution and 64 feature channels N = 9 * 64 = 576"."""
    net = built("model=unet", "encoder.channels=[32,64,64]")
    seen = 0
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            taps = 1 if isinstance(layer, nn.ConvTranspose2d) else layer.kernel_size[0] ** 2  # 2x2 at stride 2
            deviation, n = math.sqrt(2 / (taps * layer.in_channels)), layer.weight.numel()
            assert layer.weight.std().item() == pytest.approx(deviation, rel=5 * math.sqrt(0.5 / n)), name
            assert stats.kstest(layer.weight.detach().flatten().numpy() / deviation, "norm").pvalue > 1e-4, name
            assert (layer.bias == 0).all(), name  # type: ignore[union-attr]
            seen += 1
    assert seen == 13


@pytest.mark.parametrize("model", ["unet", "linknet", "encoder_decoder"])
def test_with_norms_a_score_layer_begins_as_segmentation_models_pytorchs(model: str) -> None:
    (head,) = built(f"model={model}", "encoder=efficientnet_lite0").head_modules()
    incoming, outgoing = head.in_channels * head.kernel_size[0] ** 2, head.out_channels * head.kernel_size[0] ** 2
    bound = math.sqrt(6 / (incoming + outgoing))
    assert 0.8 * bound < head.weight.abs().max() <= bound
    assert (head.bias == 0).all()


@pytest.mark.parametrize("encoder", ["unet", "unet_narrow", "resnet18", "efficientnet_lite0"])
@pytest.mark.parametrize("model", ["unet", "unet_small"])
def test_a_unets_decoder_fits_its_encoder(model: str, encoder: str) -> None:
    """The paper's over the paper's own path, segmentation_models_pytorch's over any other, and options still count."""
    form = "unet_paper" if encoder.startswith("unet") else "unet"
    chosen, named = (
        {
            name: tuple(value.shape)
            for name, value in built(f"model={model}", f"encoder={encoder}", *more).state_dict().items()
        }
        for more in ([], [f"decoder={form}"])
    )
    assert chosen == named
    bilinear = built(f"model={model}", f"encoder={encoder}", "decoder.up=bilinear", "decoder.norm=true").decoder
    assert not [m for m in bilinear.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m for m in bilinear.modules() if isinstance(m, nn.BatchNorm2d)]
