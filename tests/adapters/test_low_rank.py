"""freeze=lora: adapters train, the layers they belong to do not; a finished run's network has them merged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

import seglight
from seglight.adapters.low_rank import LowRank, LowRankAdapters, merge
from seglight.config import build
from seglight.runs.run import Run
from seglight.training.fit import fit
from tests.conftest import new_run

ADAPTER = re.compile(r"\.parametrizations\.weight\.0\.[ab]$")
VIT = [
    "model=unet", "encoder=timm", "encoder.name=vit_tiny_patch16_224", "+encoder.depth=4", "+encoder.embed_dim=32",
    "+encoder.num_heads=2", "freeze=lora",
]  # fmt: skip


class Staged(nn.Module):
    """An encoder of one stage."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stages = nn.ModuleList([stage])


def test_adapters_add_nothing_at_first_and_merge_to_the_same_function() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
    )
    x, linear, y = torch.randn(2, 3, 9, 11), nn.Linear(5, 7), torch.randn(4, 5)
    before = layers(x), linear(y)
    for module in (layers, linear):
        LowRankAdapters(rank=2, alpha=4.0, kinds=["linear", "conv"])(Staged(module))
    assert torch.equal(layers(x), before[0])
    assert torch.equal(linear(y), before[1])
    for adapter in [m for net in (layers, linear) for m in net.modules() if isinstance(m, LowRank)]:
        nn.init.normal_(adapter.b)
    after = layers(x), linear(y)
    assert not torch.allclose(after[0], before[0])
    names = [list(net.state_dict()) for net in (layers, linear)]
    for module in (layers, linear):
        merge(module)
    torch.testing.assert_close(layers(x), after[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(linear(y), after[1], rtol=1e-5, atol=1e-5)
    assert all("parametrizations" in "".join(keys) for keys in names)
    assert not any("parametrizations" in key for net in (layers, linear) for key in net.state_dict())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = new_run(tmp_path_factory.mktemp("lora") / "run", *VIT, "freeze.dropout=0.1", "optim.lr=0.01")
    fit(made)
    return made


def test_of_the_encoder_adapters_alone_train(run: Run) -> None:
    torch.manual_seed(run.cfg.seed)
    net = seglight.build_model(run.cfg)
    build(run.cfg, "freeze").apply(net, 0)
    trained = {name for name, p in net.encoder.named_parameters() if p.requires_grad and "pyramid" not in name}
    assert trained == {name for name, _ in net.encoder.named_parameters() if ADAPTER.search(name)}
    assert len(trained) == 4 * 4 * 2  # four blocks of qkv, proj and two layers of an MLP, two matrices each
    assert run.summary["trainable_params"] == sum(p.numel() for p in net.parameters() if p.requires_grad)
    assert all(m.training for m in net.train().modules() if isinstance(m, LowRank))


def test_what_is_frozen_stays_bit_for_bit_and_the_adapters_move(run: Run, tmp_path: Path) -> None:
    other = new_run(tmp_path / "run", *VIT, "freeze.dropout=0.1", "optim.lr=0.001", "trainer.max_epochs=2")
    fit(other)  # from the same first weights, as the seed is the same
    ours, theirs = run.weights("last"), other.weights("last")
    adapters = [name for name in ours if ADAPTER.search(name)]
    frozen = [n for n in ours if n.startswith("encoder.") and "pyramid" not in n and n not in adapters]
    assert all(torch.equal(ours[name], theirs[name]) for name in frozen)
    assert not any(torch.equal(ours[name], theirs[name]) for name in adapters)


def test_a_finished_runs_network_is_merged_and_predicts_as_the_adapted_one(run: Run) -> None:
    adapted = run.untrained_net()
    adapted.load_state_dict(run.weights())
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(run.net(images), adapted.eval()(images), rtol=1e-4, atol=1e-4)
    assert not any("parametrizations" in name for name in run.net.state_dict())


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("resnetv2_50x1_bit", []),  # standardises the weights of its convolutions
        ("swinv2_cr_tiny_224", ["encoder.multiple=224"]),
        ("swinv2_tiny_window8_256", ["encoder.multiple=256"]),  # its attention goes round the layer's forward
    ],
)
def test_adapters_train_and_merge_whatever_a_network_does_with_its_weights(name: str, more: list[str]) -> None:
    cfg = seglight.compose("encoder=timm", f"encoder.name={name}", *more, "encoder.weights=null", "freeze=lora")
    torch.manual_seed(0)
    net = seglight.build_model(cfg).eval()
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    for adapter in [m for m in net.modules() if isinstance(m, LowRank)]:
        nn.init.normal_(adapter.b, std=0.1)
    logits = net(images)
    logits.sum().backward()
    assert all(p.grad is not None for m in net.modules() if isinstance(m, LowRank) for p in m.parameters())
    merge(net)
    torch.testing.assert_close(net(images), logits, rtol=1e-3, atol=1e-4 * float(logits.detach().std()))


def test_a_convolutional_encoder_gets_adapters_too() -> None:
    resnet = ["encoder=resnet18", "encoder.weights=null", "freeze=lora"]
    net = seglight.build_model(seglight.compose(*resnet))
    assert any(isinstance(m, LowRank) for m in net.encoder.modules())
    with pytest.raises(ValueError, match=r"freeze\.layers=\[linear\]: encoder=resnet18 has no such layers"):
        seglight.build_model(seglight.compose(*resnet, "freeze.layers=[linear]"))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("freeze.rank=0", "freeze.rank=0: a whole number from 1 is needed"),
        ("freeze.dropout=1.5", "freeze.dropout=1.5: a number from 0 and below 1 is needed"),
        ("freeze.layers=[attention]", "freeze.layers=attention: one of linear, conv is needed"),
        ("freeze.layers=conv", "freeze.layers=conv: a list is needed, [linear], [conv] or both"),
        ("freeze.layers=[]", "freeze.layers=[]: a list is needed"),
        ("freeze.layers=3", "freeze.layers=3: a list is needed"),
    ],
)
def test_values_that_cannot_be_are_refused(override: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("[", r"\[")):
        build(seglight.compose("freeze=lora", override), "freeze")
