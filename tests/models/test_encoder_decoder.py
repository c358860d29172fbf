"""What a network is to the rest of seglight, and starting it from another's weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from seglight import build_model, compose
from seglight.models import EncoderDecoder
from seglight.models.initialise import init_from


def build(*overrides: str) -> EncoderDecoder:
    net = build_model(compose("encoder.weights=null", "data=shapes", *overrides))
    assert isinstance(net, EncoderDecoder)
    return net


@pytest.fixture(scope="module")
def net() -> EncoderDecoder:
    return build("encoder=resnet18", "decoder=unet", "skips=concat")


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 7), (64, 64)])
def test_any_size(size: tuple[int, int], net: EncoderDecoder) -> None:
    with torch.inference_mode():
        assert net.eval()(torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)).shape == (1, 9, *size)


def test_held_modules_stay_in_eval_mode_through_train(net: EncoderDecoder) -> None:
    net.hold_eval([net.encoder.stages[0]])
    net.train()
    assert not any(m.training for m in net.encoder.stages[0].modules())
    assert all(m.training for m in net.encoder.stages[1].modules())
    stats = copy.deepcopy(net.encoder.stages[0].state_dict())
    net(torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    assert all(torch.equal(v, stats[k]) for k, v in net.encoder.stages[0].state_dict().items())
    twin = copy.deepcopy(net).train()
    assert not twin.encoder.stages[0].training
    net.hold_eval([])
    assert all(m.training for m in net.modules())
    assert not [name for name in net.state_dict() if "held" in name]


def test_a_frozen_encoder_builds_no_graph(net: EncoderDecoder) -> None:
    frozen = copy.deepcopy(net)
    frozen.encoder.requires_grad_(False)
    features = frozen.encoder(torch.zeros(1, 3, 64, 64))
    assert not any(x.requires_grad for x in features.values())
    assert frozen(torch.zeros(1, 3, 64, 64)).requires_grad


def test_training_pairs_of_an_auxiliary_head() -> None:
    net = build("model=fcn_resnet50", "encoder=resnet18", "aux.weight=0.3").train()
    images, masks = torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8), torch.zeros(2, 40, 50).long()
    (main, labels, one), (aux, _, weight) = net.training_pairs(images, masks)
    assert main.shape == aux.shape == (2, 9, 40, 50)
    assert (one, weight) == (1.0, 0.3)
    assert labels is masks
    assert len(net.head_modules()) == 2
    assert not torch.equal(main, aux)


def test_parts_are_all_the_parameters(net: EncoderDecoder) -> None:
    parts = [*net.encoder.stages, net.decoder]
    assert sum(p.numel() for part in parts for p in part.parameters()) == sum(p.numel() for p in net.parameters())


def test_staged_training_takes_over_what_fits() -> None:
    options = ("encoder=resnet18", "decoder=fcn")
    coarse, fine = build(*options, "skips=none"), build(*options, "skips=add16")
    nn.init.normal_(coarse.decoder.score["32"].weight)  # type: ignore[union-attr,index]
    coarse.encoder.normalize.mean.fill_(0.1)
    report = init_from(fine, coarse.state_dict())
    assert set(report.placed) == set(coarse.state_dict())
    assert report.fresh == ["decoder.score.16.weight", "decoder.score.16.bias"]
    assert not report.left
    assert "decoder.score.16.weight" in str(report)
    assert torch.equal(fine.decoder.score["32"].weight, coarse.decoder.score["32"].weight)  # type: ignore[union-attr,index]
    assert (fine.decoder.score["16"].weight == 0).all()  # type: ignore[union-attr,index]


def test_what_does_not_fit_is_in_the_report() -> None:
    other, net = (build("encoder=resnet18", f"decoder={name}", "skips=none") for name in ("interpolate", "fcn"))
    state = other.state_dict()
    state["encoder.stages.0.conv1.weight"] = torch.zeros(1)
    report = init_from(net, state)
    assert report.left["decoder.score.weight"] == "unknown name"
    assert "shape (1,) for (64, 3, 7, 7)" in report.left["encoder.stages.0.conv1.weight"]
    with pytest.raises(ValueError, match=r"not one of its 1 tensors.*init_source"):
        init_from(net, {"conv1_1.weight": torch.zeros(1)})


def test_weights_of_another_architecture_are_refused_unless_asked_for() -> None:
    net, other = build("model=unet_small"), build("encoder=resnet18", "decoder=unet", "skips=concat")
    before = copy.deepcopy(net.state_dict())
    shared = {name for name, x in other.state_dict().items() if name in before and before[name].shape == x.shape}
    says = rf"init_from: {len(shared)} of the network's {len(before)} tensors.*init_partial=true"
    with pytest.raises(ValueError, match=says):
        init_from(net, other.state_dict())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert len(init_from(net, other.state_dict(), partial=True).placed) == len(shared) < 10
