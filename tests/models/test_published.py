"""The published networks: same weights, same image, same logits; and nothing dropped in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
import torchvision
from torch import Tensor, nn

from seglight import build_model, compose
from seglight.models import published
from seglight.models.encoder import IMAGENET
from tests.models.reference import CAFFE_BGR, MilesialUNet, TorchFCN

SIZES = ((375, 500), (333, 251))


def shaken(net: nn.Module) -> nn.Module:
    """The network in eval mode, the statistics of its norms moved off their start."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return net.eval()


def images(size: tuple[int, int]) -> Tensor:
    return torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def difference(ours: nn.Module, theirs: Callable[[Tensor], Tensor], size: tuple[int, int]) -> float:
    """The largest difference of the logits, relative to the largest logit."""
    with torch.inference_mode():
        x, y = ours(images(size)), theirs(images(size))
    assert x.shape == y.shape == (1, 21, *size)
    assert y.std() > 0
    return ((x - y).abs().max() / y.abs().max()).item()


def built(source: str, state: dict[str, Tensor]) -> nn.Module:
    net = build_model(compose(*published.overrides(source), "data=voc"))
    transfer = published.load(net, state, source)
    assert len(transfer.placed) + len(transfer.left) == len(state)
    assert not [name for name in transfer.fresh if "normalize" not in name]
    return net.eval()


def imagenet(x: Tensor) -> Tensor:
    return (x / 255 - torch.tensor(IMAGENET.mean).view(1, 3, 1, 1)) / torch.tensor(IMAGENET.std).view(1, 3, 1, 1)


def caffe(x: Tensor) -> Tensor:
    return x.float().flip(1) - CAFFE_BGR.view(1, 3, 1, 1)


@pytest.fixture(scope="module")
def vgg16() -> Iterator[TorchFCN]:
    """A torchfcn network whose VGG16 the others share."""
    torch.manual_seed(0)
    return TorchFCN("8s")


@pytest.mark.parametrize(
    ("source", "kind", "scales", "size"),
    [
        ("torchfcn-32s", "32s", (1, 1), SIZES[1]),
        pytest.param("torchfcn-16s", "16s", (1, 1), SIZES[1], marks=pytest.mark.slow),
        ("torchfcn-8s", "8s", (1, 1), SIZES[0]),
        ("torchfcn-8s-atonce", "8s", (0.01, 0.0001), SIZES[1]),
    ],
)
def test_torchfcn(source: str, kind: str, scales: tuple[float, float], size: tuple[int, int], vgg16: TorchFCN) -> None:
    theirs = TorchFCN(kind, scales, like=vgg16).eval()
    ours = built(source, theirs.state_dict())
    assert difference(ours, lambda x: theirs(caffe(x)), size) <= 1e-5


@pytest.mark.parametrize("bilinear", [pytest.param(False, marks=pytest.mark.slow), True])
def test_milesial(bilinear: bool) -> None:
    theirs = shaken(MilesialUNet(bilinear=bilinear))
    ours = built("milesial-bilinear" if bilinear else "milesial", theirs.state_dict())
    assert sum(p.numel() for p in ours.parameters()) == (17_264_277 if bilinear else 31_038_933)
    assert difference(ours, lambda x: theirs(x / 255), SIZES[bilinear]) <= 1e-5


@pytest.mark.parametrize("name", ["fcn_resnet50", pytest.param("fcn_resnet101", marks=pytest.mark.slow)])
def test_torchvision_fcn_with_its_auxiliary_head(name: str) -> None:
    theirs = shaken(torchvision.models.get_model(name, weights=None, weights_backbone=None, aux_loss=True))
    ours = built(f"torchvision-{name}", theirs.state_dict())
    assert difference(ours, lambda x: theirs(imagenet(x))["out"], SIZES[name == "fcn_resnet101"]) <= 1e-5
    if name == "fcn_resnet50":
        assert sum(p.numel() for p in ours.parameters()) == 35_322_218
        size = (65, 81)
        with torch.inference_mode():
            (_, _, _), (aux, _, weight) = ours.training_pairs(images(size), torch.zeros(1, *size).long())  # type: ignore[operator]
            other = theirs(imagenet(images(size)))["aux"]
        assert weight == 0.5
        assert (aux - other).abs().max() / other.abs().max() <= 1e-5


def test_smp_unet_resnet34() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch")
    theirs = shaken(smp.Unet("resnet34", encoder_weights=None, classes=21))
    ours = built("smp-unet-resnet34", theirs.state_dict())
    assert sum(p.numel() for p in ours.parameters()) == 24_439_269
    for size in SIZES:
        assert difference(ours, lambda x: theirs(imagenet(x)), size) <= 1e-5


@pytest.mark.parametrize(
    "name", ["resnet18", "alexnet", "googlenet", "mobilenet_v3_large", "convnext_tiny", "vgg11_bn"]
)
def test_classifiers_give_the_trunk_and_name_the_head_they_leave(name: str) -> None:
    options = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
    theirs = torchvision.models.get_model(name, weights=None, **options).eval()
    net = build_model(compose(*published.overrides(f"torchvision-{name}"), "data=voc")).eval()
    transfer = published.load(net, theirs.state_dict(), f"torchvision-{name}")
    assert len(transfer.placed) + len(transfer.left) == len(theirs.state_dict())
    assert all(key.split(".")[0] in ("fc", "classifier", "aux1", "aux2") for key in transfer.left)
    if hasattr(theirs, "features"):
        x = images((224, 224))
        with torch.inference_mode():
            deepest = list(net.encoder(x).values())[-1]  # type: ignore[operator]
            assert torch.allclose(deepest, theirs.features(imagenet(x)), atol=1e-4)


def test_vgg16_classifier_becomes_convolutions(vgg16: TorchFCN) -> None:
    names = [name for name, _ in vgg16.named_parameters() if name.startswith("conv")]
    at = [i for i, layer in enumerate(torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]))
          if isinstance(layer, nn.Conv2d)]  # fmt: skip
    tensors = dict(vgg16.named_parameters())
    state = {f"features.{at[i // 2]}.{name.split('.')[1]}": tensors[name].detach() for i, name in enumerate(names)}
    for index, layer in (("0", vgg16.fc6), ("3", vgg16.fc7)):
        state[f"classifier.{index}.weight"] = layer.weight.detach().flatten(1)
        state[f"classifier.{index}.bias"] = layer.bias.detach()
    state |= {"classifier.6.weight": torch.zeros(1000, 4096), "classifier.6.bias": torch.zeros(1000)}
    net = build_model(compose(*published.overrides("caffe-vgg16"), "data=voc", "decoder=interpolate", "skips=none"))
    transfer = published.load(net, state, "caffe-vgg16")
    assert list(transfer.left) == ["classifier.6.weight", "classifier.6.bias"]
    fc6 = net.encoder.stages[-1].fc6.weight  # type: ignore[union-attr,index]
    patch = torch.randn(1, 512, 7, 7)
    linear = nn.functional.linear(patch.flatten(1), state["classifier.0.weight"])[0]
    assert torch.allclose((fc6 * patch).sum((1, 2, 3)), linear, atol=1e-2)
    assert net.encoder.normalize.order.tolist() == [2, 1, 0]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def unet() -> tuple[nn.Module, dict[str, Tensor]]:
    return build_model(compose(*published.overrides("milesial"), "data=voc")), MilesialUNet().state_dict()


def changed(state: dict[str, Tensor], **changes: Tensor | None) -> dict[str, Tensor]:
    state = {**state, **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"outc__conv__bias": None}, "decoder.head.bias gets no tensor"),
        ({"extra": torch.zeros(3)}, "extra is unknown"),
        ({"outc__conv__weight": torch.zeros(2, 64, 1, 1)}, r"outc.conv.weight has shape \(2, 64, 1, 1\)"),
    ],
)
def test_a_difference_is_named_and_nothing_changes(
    changes: dict[str, Tensor], says: str, unet: tuple[nn.Module, dict[str, Tensor]]
) -> None:
    net, state = unet
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=says):
        published.load(net, changed(state, **changes), "milesial")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_learned_upsampling_is_refused_by_the_fixed_and_taken_by_the_learned() -> None:
    options = ("encoder=resnet18", "encoder.weights=null", "decoder=fcn", "skips=none", "data=voc")
    learned = build_model(compose(*options, "decoder.upsampling=learned"))
    fixed = build_model(compose(*options))
    bilinear = learned.decoder.upsample[0].conv.weight.detach()  # type: ignore[union-attr,index]
    with torch.no_grad():
        fixed.decoder.score["32"].weight.normal_()  # type: ignore[union-attr,index]
        learned.load_state_dict(fixed.state_dict(), strict=False)
        x = images((45, 61))
        assert torch.allclose(fixed.eval()(x), learned.eval()(x), atol=1e-4)
    assert published.kernel_difference(fixed, "decoder.upsample.0.conv.weight", bilinear) is None  # type: ignore[arg-type]
    says = published.kernel_difference(fixed, "decoder.upsample.0.conv.weight", bilinear + 0.1)  # type: ignore[arg-type]
    assert says is not None
    assert "learned" in says


def test_an_unknown_source_lists_those_known() -> None:
    with pytest.raises(ValueError, match=r"torchfcn-8s.*milesial"):
        published.overrides("torchfcn")
