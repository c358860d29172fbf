"""freeze=adapter: bottlenecks behind frozen layers train, start as the identity, and stay in the exported network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import seglight
from seglight.adapters.bottleneck import Bottleneck
from seglight.config import build
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import new_run

VIT = [
    "model=unet", "encoder=timm", "encoder.name=vit_tiny_patch16_224", "+encoder.depth=3", "+encoder.embed_dim=32",
    "+encoder.num_heads=2", "freeze=adapter", "freeze.width=4", "optim.lr=0.01",
]  # fmt: skip
IMAGES = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def network(*overrides: str) -> nn.Module:
    torch.manual_seed(0)
    return seglight.build_model(seglight.compose("encoder.weights=null", *overrides))


def places(net: nn.Module) -> list[str]:
    """The layers that have an adapter."""
    return [name.removesuffix(".adapter") for name, m in net.encoder.named_modules() if isinstance(m, Bottleneck)]


@pytest.mark.parametrize(
    ("overrides", "behind"),
    [
        (["encoder=vit_small", "+encoder.depth=3"], r"net\.model\.blocks\.[012]\.(attn\.proj|mlp\.fc2)"),
        pytest.param(
            ["encoder=swin_tiny"], r"net\.layers_\d\.blocks\.\d\.(attn\.proj|mlp\.fc2)", marks=pytest.mark.slow
        ),
        pytest.param(
            ["encoder=timm", "encoder.name=eva02_tiny_patch14_224", "+encoder.depth=3"],
            r"net\.model\.blocks\.\d+\.(attn\.proj|mlp\.fc2)",
            marks=pytest.mark.slow,
        ),
        (["encoder=timm", "encoder.name=pvt_v2_b0"], r"net\.stages_\d\.blocks\.\d\.(attn\.proj|mlp\.fc2)"),
        (["encoder=resnet18"], r"stages\.\d\..*conv\d|stages\.\d\..*downsample\.0|stages\.0\.conv1"),
    ],
)
def test_a_bottleneck_is_behind_attention_and_mlp_of_each_block_or_behind_convolutions(
    overrides: list[str], behind: str
) -> None:
    net = network(*overrides, "freeze=adapter")
    assert places(net)
    assert [name for name in places(net) if not re.fullmatch(behind, name)] == []
    kinds = [type(net.encoder.get_submodule(name)) for name in places(net)]
    assert len(set(kinds)) == 1


@pytest.mark.parametrize("encoder", [VIT[1:6], ["encoder=efficientnet_lite0"]], ids=["vit", "efficientnet"])
def test_it_starts_as_the_identity_and_every_adapter_gets_gradients(encoder: list[str]) -> None:
    plain, adapted = network(*encoder, "freeze=none").eval(), network(*encoder, "freeze=adapter").eval()
    adapted.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(adapted(IMAGES), plain(IMAGES))
    policy = build(seglight.compose("freeze=adapter"), "freeze")
    policy.apply(adapted.train(), 0)
    norms = {name for name, m in adapted.encoder.named_modules() if isinstance(m, nn.BatchNorm2d) and m.training}
    assert not norms  # their statistics are held
    adapted(IMAGES).square().mean().backward()
    trained = {name for name, p in adapted.encoder.named_parameters() if p.requires_grad and "pyramid" not in name}
    assert trained == {name for name, _ in adapted.encoder.named_parameters() if ".adapter." in name}
    assert all(p.grad is not None for p in adapted.parameters() if p.requires_grad)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = new_run(tmp_path_factory.mktemp("adapter") / "run", *VIT)
    fit(made)
    return made


def test_a_run_trains_the_adapters_alone_and_its_network_keeps_them(run: Run) -> None:
    first = network(*VIT, "data=shapes")
    weights, before = run.weights(), first.state_dict()
    encoder = [n for n in weights if n.startswith("encoder.net.")]
    moved = {n for n in encoder if not torch.equal(weights[n], before[n])}
    assert moved
    assert all(".adapter.up" in n or ".adapter.down" in n for n in moved)
    build(run.cfg, "freeze").apply(first, 0)
    assert run.summary["trainable_params"] == sum(p.numel() for p in first.parameters() if p.requires_grad)
    adapters = [m for m in run.net.modules() if isinstance(m, Bottleneck)]
    assert len(adapters) == 3 * 2
    assert all(m.up.weight.abs().sum() > 0 for m in adapters)  # type: ignore[operator,union-attr]


def test_an_exported_graph_has_them_too(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from seglight.cli import CommandLine
    from seglight.deploy.predictor import Predictor
    from seglight.export import export
    from seglight.run_options import offer_data

    file = tmp_path / "net.onnx"
    offer_data(CommandLine([f"run={run.path}"]))
    export(seglight.compose(f"run={run.path}", f"out={file}", config_name="export"))
    image = IMAGES[0].permute(1, 2, 0).numpy()
    with torch.inference_mode():
        ours = run.net(IMAGES[:1]).softmax(1)[0]
    found = torch.from_numpy(Predictor(file).predict(image).probabilities)
    torch.testing.assert_close(found, ours, rtol=0, atol=1e-5)


def test_a_width_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"freeze\.width=0: a whole number from 1 is needed"):
        build(seglight.compose("freeze=adapter", "freeze.width=0"), "freeze")
