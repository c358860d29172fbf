"""Optimizer recipes: what torch's optimizers are given."""

from functools import partial

import pytest
import torch
from torch import nn

from seglight.freeze_policy import FreezePolicy
from seglight.optim import Recipe

CHANNELS_LAST = torch.channels_last


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.stages = nn.ModuleList([nn.Conv2d(3, 4, 3)])
        self.decoder = nn.Conv2d(4, 2, 1)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD])
def test_a_fused_step_is_the_plain_step(optimizer: type) -> None:
    torch.manual_seed(0)
    nets = Net(), Net()
    nets[1].load_state_dict(nets[0].state_dict())
    recipes = Recipe(optimizer, lr=0.01), Recipe(optimizer, lr=0.01, fused=False)
    optimizers = [recipe(net, FreezePolicy("none")) for recipe, net in zip(recipes, nets, strict=True)]
    assert [o.defaults["fused"] for o in optimizers] == [True, None]
    gradients = [torch.randn_like(p) for p in nets[0].parameters()]
    for net, o in zip(nets, optimizers, strict=True):
        for _ in range(3):
            for p, gradient in zip(net.parameters(), gradients, strict=True):
                p.grad = gradient.clone()
            o.step()
    for ours, plain in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, partial(torch.optim.SGD, momentum=0.9)])
def test_a_fused_step_is_right_where_a_loaded_state_lies_otherwise_in_memory(optimizer: type) -> None:
    torch.manual_seed(0)
    nets = Net(), Net()
    nets[1].load_state_dict(nets[0].state_dict())
    ours = Recipe(optimizer, lr=0.01)(nets[0], FreezePolicy("none"))
    plain = Recipe(optimizer, lr=0.01, fused=False)(nets[1], FreezePolicy("none"))
    gradients = [torch.randn_like(p) for p in nets[0].parameters()]
    for step in range(3):
        for net, one in zip(nets, (ours, plain), strict=True):
            net.zero_grad()
            for p, gradient in zip(net.parameters(), gradients, strict=True):
                other = step == 1 and one is ours and p.dim() == 4
                (p * gradient.clone(memory_format=CHANNELS_LAST if other else torch.contiguous_format)).sum().backward()
            one.step()
        saved = ours.state_dict()  # as from a checkpoint of a network in the other memory format
        for state in saved["state"].values():
            for name, value in state.items():
                if value.dim() == 4:
                    state[name] = value.contiguous(memory_format=CHANNELS_LAST)
        ours.load_state_dict(saved)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", [torch.optim.NAdam, partial(torch.optim.AdamW, foreach=True)])
def test_an_optimizer_without_a_fused_form_or_with_another_one_is_left_as_it_is(optimizer: object) -> None:
    assert not Recipe(optimizer, lr=0.01)(Net(), FreezePolicy("none")).defaults.get("fused")


def test_a_fused_optimizer_leaves_the_scale_of_gradients_to_the_trainer_where_that_clips_them() -> None:
    assert not Recipe(torch.optim.AdamW, lr=0.01)(Net(), FreezePolicy("none"), unscales=False).defaults["fused"]
