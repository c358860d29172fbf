"""Frozen parts stay bit-identical, trained ones move, and what is frozen depends on the epoch alone."""

from __future__ import annotations

import copy
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from timm.layers.norm import RmsNorm, RmsNorm2d
from torch import nn

import seglight
from seglight.config import build, resolve
from seglight.freeze_policy import NEVER, FreezePolicy
from seglight.optim import Recipe
from seglight.parts import parts
from seglight.runs.run import Run
from seglight.schedule import Schedule
from seglight.tables.grid import options
from seglight.training.fit import fit
from tests.conftest import QUICK, REPO, Command

BATCHNORM = nn.modules.batchnorm._BatchNorm


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return seglight.build_model(seglight.compose("model=linknet", "encoder.weights=null", "data.num_classes=9"))


def policy(option: str, *overrides: str) -> FreezePolicy:
    built: FreezePolicy = build(seglight.compose(f"freeze={option}", *overrides), "freeze")
    return built


def frozen_indices(freeze: FreezePolicy, net: nn.Module, epoch: int) -> list[int]:
    net = copy.deepcopy(net)
    freeze.apply(net, epoch)
    stages = [part for part in parts(net) if part.depth > 0]
    return [p.index for p in stages if not any(q.requires_grad for q in p.module.parameters())]


@pytest.mark.parametrize(
    ("option", "overrides", "by_epoch"),
    [
        ("none", [], {0: [], 5: []}),
        ("encoder", [], {0: [0, 1, 2, 3, 4], 50: [0, 1, 2, 3, 4]}),
        ("stages", ["freeze.n=2"], {0: [0, 1], 9: [0, 1]}),
        (
            "gradual",
            ["freeze.start=1", "freeze.every=2"],
            {0: [0, 1, 2, 3, 4], 1: [0, 1, 2, 3], 2: [0, 1, 2, 3], 3: [0, 1, 2], 9: []},
        ),
        ("discriminative", [], {0: []}),
        ("last_blocks", ["freeze.n=2"], {0: [0, 1, 2], 9: [0, 1, 2]}),
        ("last_blocks", ["freeze.n=0"], {0: [0, 1, 2, 3, 4]}),
    ],
)
def test_which_stages_are_frozen_in_which_epoch(
    option: str, overrides: list[str], by_epoch: dict[int, list[int]], net: nn.Module
) -> None:
    for epoch, frozen in by_epoch.items():
        assert frozen_indices(policy(option, *overrides), net, epoch) == frozen


def train_steps(net: nn.Module, freeze: FreezePolicy, steps: int = 2) -> nn.Module:
    trained = copy.deepcopy(net)
    optimizer = Recipe(torch.optim.SGD, lr=0.1, weight_decay=0.1)(trained, freeze)
    freeze.apply(trained, 0)
    trained.train()
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for _ in range(steps):
        trained(images).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return trained


@pytest.mark.parametrize("option", ["encoder", "stages", "norms", "head_only", "gradual"])
def test_frozen_parameters_and_statistics_are_bit_identical_and_the_rest_moves(option: str, net: nn.Module) -> None:
    freeze = policy(option)
    trained = train_steps(net, freeze)
    off = {id(p) for m in freeze.frozen(trained, 0) for p in m.parameters()}
    before = dict(net.named_parameters())
    for name, parameter in trained.named_parameters():
        assert torch.equal(parameter, before[name]) == (id(parameter) in off), name
    held = {name for name, m in trained.named_modules() if isinstance(m, BATCHNORM) and not m.training}
    statistics = dict(net.named_buffers())
    for name, buffer in trained.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            assert torch.equal(buffer, statistics[name]) == (name.rsplit(".", 1)[0] in held), name
    assert off


def test_norms_and_dropout_of_frozen_parts_stay_in_eval_mode_through_train(net: nn.Module) -> None:
    net = copy.deepcopy(net)
    policy("encoder").apply(net, 0)
    net.train()
    assert not any(m.training for stage in net.encoder.stages for m in stage.modules())  # type: ignore[union-attr,operator]
    assert net.decoder.training  # type: ignore[union-attr]


def test_a_frozen_prefix_keeps_no_graph(net: nn.Module) -> None:
    net = copy.deepcopy(net)
    policy("encoder").apply(net, 0)
    features = net.encoder(torch.zeros(1, 3, 64, 64))  # type: ignore[operator]
    assert not any(x.requires_grad for x in features.values())


def test_every_group_is_in_the_optimizer_from_the_start_with_its_rate(net: nn.Module) -> None:
    optimizer = Recipe(torch.optim.SGD, lr=1.0)(net, policy("gradual_discriminative", "freeze.decay=0.5"))
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in net.parameters()}
    rates = {group["name"].rsplit(".", 1)[0]: group["lr"] for group in optimizer.param_groups}
    assert rates == {
        "encoder.0": 0.5**5,
        "encoder.1": 0.5**4,
        "encoder.2": 0.5**3,
        "encoder.3": 0.25,
        "encoder.4": 0.5,
        "decoder": 1.0,
    }


def test_warm_up_begins_when_a_group_begins_to_train() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [weight], "first_epoch": 2}], lr=1.0)
    scheduler = Schedule(warmup=2, warmup_start=0.0)(optimizer, total_steps=20, steps_per_epoch=5)
    rates = []
    for _ in range(13):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[10:] == [0.0, 0.5, 1.0]


def test_momentum_of_a_thawed_group_starts_at_zero(net: nn.Module) -> None:
    freeze = policy("encoder")
    trained = copy.deepcopy(net)
    optimizer = Recipe(partial(torch.optim.SGD, momentum=0.9), lr=0.1)(trained, freeze)

    def step() -> None:
        optimizer.zero_grad()
        trained(torch.full((1, 3, 64, 64), 255.0)).square().mean().backward()
        optimizer.step()

    freeze.apply(trained, 0)
    step()
    stem = next(trained.encoder.parameters())  # type: ignore[union-attr]
    assert stem not in optimizer.state
    assert {p for p in trained.parameters() if p.requires_grad} <= set(optimizer.state)
    before = stem.detach().clone()
    policy("none").apply(trained, 1)
    step()
    rate = next(group["lr"] for group in optimizer.param_groups if any(p is stem for p in group["params"]))
    assert stem.grad is not None
    torch.testing.assert_close(stem.detach(), before - rate * stem.grad)  # as a first step is


def test_biases_and_norms_can_go_without_decay_and_biases_faster(net: nn.Module) -> None:
    recipe = Recipe(torch.optim.SGD, lr=1.0, weight_decay=0.1, bias_lr=2.0, decay_biases=False, decay_norms=False)
    groups = {group["name"]: group for group in recipe(net, policy("none")).param_groups}
    assert (groups["decoder.biases"]["lr"], groups["decoder.biases"]["weight_decay"]) == (2.0, 0.0)
    assert (groups["decoder.weights"]["lr"], groups["decoder.weights"]["weight_decay"]) == (1.0, 0.1)
    assert groups["encoder.1.norms"]["weight_decay"] == 0.0


@pytest.mark.parametrize(("option", "kind"), [("bitfit", "biases"), ("norm_affine", "norms")])
def test_a_tuned_encoder_moves_in_those_parameters_alone_and_keeps_its_statistics(
    net: nn.Module, option: str, kind: str
) -> None:
    trained = copy.deepcopy(net).train()
    freeze = policy(option)
    optimizer = Recipe(torch.optim.SGD, lr=0.1, weight_decay=0.1)(trained, freeze)
    freeze.apply(trained, 0)
    images, masks = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8), torch.randint(0, 9, (2, 64, 64))
    for logits, labels, weight in trained.training_pairs(images, masks):
        (weight * nn.functional.cross_entropy(logits, labels)).backward()
    optimizer.step()
    before, norms = dict(net.encoder.state_dict()), {
        name for name, m in net.encoder.named_modules() if isinstance(m, BATCHNORM)
    }  # fmt: skip
    moved = {name for name, value in trained.encoder.state_dict().items() if not torch.equal(value, before[name])}
    parameters = {name for name, _ in net.encoder.named_parameters()}
    of_norms = {name for name in parameters if name.rpartition(".")[0] in norms}
    expected = of_norms if kind == "norms" else {name for name in parameters if name.endswith(".bias")}
    assert moved <= expected
    assert len(moved) > 0.9 * len(expected)
    assert any(
        not torch.equal(p, q) for p, q in zip(net.decoder.parameters(), trained.decoder.parameters(), strict=True)
    )


def test_a_probe_is_a_linear_head_on_kept_features(tmp_path: Path) -> None:
    cfg = resolve(seglight.compose(*QUICK, "model=unet", "encoder=resnet18", "encoder.weights=null", "freeze=probe"))
    run = Run.create(tmp_path / "run", cfg, [])
    fit(run)
    trained = [name for name, p in run.net.named_parameters() if not name.startswith("encoder.")]
    assert trained == ["decoder.norm.weight", "decoder.norm.bias", "decoder.score.weight", "decoder.score.bias"]
    assert run.summary["trainable_params"] == sum(p.numel() for p in run.net.decoder.parameters())


def test_the_encoder_can_learn_slower_than_the_decoder(net: nn.Module) -> None:
    optimizer = Recipe(torch.optim.SGD, lr=1.0, encoder_lr=0.1)(net, policy("discriminative", "freeze.decay=0.5"))
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert [rates[f"encoder.{stage}.weights"] for stage in (4, 3)] == pytest.approx([0.05, 0.025])
    assert rates["decoder.weights"] == 1.0


def test_each_block_of_a_transformer_learns_slower_than_the_next() -> None:
    cfg = seglight.compose("encoder=vit_small", "encoder.weights=null", "+encoder.depth=4", "optim=vit", "data=shapes")
    groups = build(cfg, "optim")(seglight.build_model(cfg), policy("none")).param_groups
    rates = {group["name"]: group["lr"] for group in groups}
    blocks = [rates[f"encoder.{block}.weights"] for block in range(4)]
    assert blocks == pytest.approx([1e-4 * 0.75 ** (4 - block) for block in range(4)])
    assert rates["pyramid.weights"] == rates["decoder.weights"] == 1e-3


def test_more_stages_than_there_are_is_refused(net: nn.Module) -> None:
    with pytest.raises(ValueError, match=r"freeze\.n=9: this encoder has 5 stages"):
        policy("stages", "freeze.n=9").frozen(net, 0)
    assert NEVER > 10**6


@pytest.mark.parametrize(
    ("option", "override", "says"),
    [
        ("stages", "freeze.n=two", "freeze.n=two: a whole number of stages from -1"),
        ("gradual", "freeze.start=1.5", "freeze.start=1.5: a whole number of epochs from 0 is needed"),
        ("gradual", "freeze.every=0", "freeze.every=0: a whole number of epochs from 1 is needed"),
        ("discriminative", "freeze.decay=2", "freeze.decay=2: a number above 0 and at most 1 is needed"),
        ("norms", "freeze.norms=all", "freeze.norms=all: one of encoder, net is needed"),
        ("norms", "freeze.norms=null", "freeze.norms=null: one of encoder, net is needed"),
    ],
)
def test_a_number_that_cannot_be_is_refused_with_its_key(option: str, override: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        policy(option, override)


@pytest.mark.parametrize(
    ("option", "key"), [("encoder", "n"), ("none", "n"), ("norms", "decay"), ("stages", "start"), ("head_only", "n")]
)
def test_an_option_takes_no_key_that_it_does_not_read(option: str, key: str) -> None:
    with pytest.raises(ValueError, match=rf"freeze\.{key} does not exist"):
        seglight.compose(f"freeze={option}", f"freeze.{key}=2")


@pytest.mark.parametrize("option", options("freeze"))
def test_every_option_makes_the_policy_that_it_names(option: str) -> None:
    assert policy(option).name == option


@pytest.mark.parametrize(
    ("option", "overrides", "says"),
    [
        ("norms", ["freeze.norms=encoder"], r"freeze\.norms=encoder: Conv2d has no encoder; freeze\.norms=net"),
        ("encoder", [], "freeze=encoder: Conv2d has no encoder stages"),
        ("discriminative", [], "freeze=discriminative: Conv2d has no encoder stages"),
        ("head_only", [], "freeze=head_only: Conv2d does not name its score layers"),
    ],
)
def test_a_network_without_an_encoder_is_told_what_it_lacks(option: str, overrides: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        policy(option, *overrides).apply(nn.Conv2d(3, 9, 1), 0)


@pytest.mark.parametrize(
    ("encoder", "option", "says"),
    [
        ("vgg11", "norm_affine", "freeze=norm_affine: encoder=vgg11 has no norms that could train; freeze=encoder"),
        ("unet", "norm_affine", "freeze=norm_affine: encoder=unet has no norms that could train"),
        ("timm", "bitfit", "freeze=bitfit: encoder=timm has no biases that could train"),
    ],
)
def test_a_policy_that_would_train_nothing_of_the_encoder_is_refused(encoder: str, option: str, says: str) -> None:
    net = build(seglight.compose(f"encoder={encoder}", "encoder.weights=null", "skips=none"), "net")
    if encoder == "timm":
        for module in net.encoder.modules():
            module._parameters.pop("bias", None)
    with pytest.raises(ValueError, match=re.escape(says)):
        policy(option).prepare(net)


def test_biases_that_an_attention_adds_itself_are_biases() -> None:
    """EVA-02, BEiT and Swin v2 name them q_bias and v_bias."""
    cfg = seglight.compose(
        "encoder=timm", "encoder.name=eva02_tiny_patch14_224", "encoder.weights=null", "+encoder.depth=3",
        "+encoder.embed_dim=32", "+encoder.num_heads=2", "decoder=linear", "skips=none", "freeze=bitfit",
    )  # fmt: skip
    net = seglight.build_model(cfg)
    build(cfg, "freeze").apply(net, 0)
    attention = net.encoder.net.model.blocks[0].attn
    assert attention.q_bias.requires_grad
    assert attention.v_bias.requires_grad
    assert not attention.qkv.weight.requires_grad
    biases = [id(p) for group in build(cfg, "optim").groups(net, build(cfg, "freeze")) if "biases" in group["name"]
              for p in group["params"]]  # fmt: skip
    assert id(attention.q_bias) in biases


def test_a_norm_without_a_mean_is_a_norm() -> None:
    for norm in (nn.RMSNorm(4), RmsNorm(4), RmsNorm2d(4)):
        assert policy("norm_affine").tuned_in(nn.Sequential(nn.Linear(4, 4), norm)) == [norm.weight]


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optim.lr=-1", "optim.lr=-1: a number from 0 is needed"),
        ("optim.weight_decay=nan", "optim.weight_decay=nan: a number from 0 is needed"),
        ("optim.bias_lr=fast", "optim.bias_lr=fast: a number from 0 is needed"),
        ("optim.decay_norms=2", "optim.decay_norms=2: one of true, false is needed"),
        ("schedule.warmup=-1", "schedule.warmup=-1: a whole number of steps from 0 is needed"),
        ("schedule.warmup=1.5", "schedule.warmup=1.5: a whole number of steps from 0 is needed"),
        ("schedule.warmup_start=2", "schedule.warmup_start=2: a number from 0 and at most 1 is needed"),
        ("schedule.pct_start=-0.1", "schedule.pct_start=-0.1: a number from 0 and at most 1 is needed"),
        ("schedule.div=0", "schedule.div=0: a number from 1 is needed"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_with_its_key(override: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        build(seglight.compose(override), override.partition(".")[0])


SMALL = (
    *(option for option in QUICK if not option.startswith("data.batch_size")), "augment=none", "model=unet",
    "encoder.channels=[8,16,16]", "encoder.dropout=0", "freeze=gradual", "optim=sgd", "schedule=poly",
    "trainer.max_epochs=3", "trainer.accelerator=cpu", "predictions=0",
)  # fmt: skip


@pytest.fixture(scope="module")
def gradual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights that a gradual schedule ends with."""
    return trained(tmp_path_factory.mktemp("gradual") / "run", *SMALL, "data.batch_size=4")


def trained(folder: Path, *overrides: str) -> dict[str, torch.Tensor]:
    fit(Run.create(folder, seglight.compose(*overrides), list(overrides)))
    return Run(folder).weights("last")


@pytest.mark.parametrize(
    "options",
    [["data.batch_size=4", "compile=aot_eager"], ["data.batch_size=2", "trainer.accumulate_grad_batches=2"]],
    ids=["compiled", "accumulated"],
)
def test_a_gradual_run_compiled_or_in_smaller_batches_ends_the_same(
    options: list[str], gradual: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    weights = trained(tmp_path / "run", *SMALL, *options)
    for name in gradual:
        torch.testing.assert_close(weights[name], gradual[name], rtol=1e-4, atol=1e-5)


def test_the_compiled_training_step_is_what_runs(tmp_path: Path) -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    trained(tmp_path / "run", *SMALL, "data.batch_size=4", "freeze=stages", "freeze.n=2", "compile=aot_eager")
    frames = torch._dynamo.utils.counters["frames"]
    assert frames["ok"] == frames["total"] == 2  # a step of training, and an evaluation: one graph each
    with pytest.raises(ValueError, match=r"compile=induktor: one of true, false, aot_eager"):
        trained(tmp_path / "other", *SMALL, "data.batch_size=4", "compile=induktor")


@pytest.mark.slow
def test_a_run_killed_in_a_gradual_schedule_and_resumed_equals_the_uninterrupted_one(
    command: Command, tmp_path: Path
) -> None:
    quick = [*QUICK, "model=linknet", "freeze=gradual", "schedule=poly", "trainer.max_epochs=3"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command("train", *quick, f"hydra.run.dir={whole}").returncode == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "seglight.train", *quick, f"hydra.run.dir={killed}"],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPO)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2"):  # the checkpoint of the first epoch is there
            process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    answer = command("train", f"resume={killed}")
    assert answer.returncode == 0, answer.stderr
    first, second = seglight.load_run(whole, "last").weights(), seglight.load_run(killed, "last").weights()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert seglight.load_run(killed).summary["status"] == "completed"
