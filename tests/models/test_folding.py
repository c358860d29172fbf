"""Folded norms: none is left, and the logits are the same."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import seglight
from seglight.models.folding import fold_norms

NETWORKS = (
    ["model=unet", "encoder=resnet18"],
    ["model=linknet", "encoder=resnet18"],  # norms behind transposed convolutions
    ["model=fcn8s", "encoder=efficientnet_lite0"],  # timm's, which have the activation in them
    ["encoder=timm", "encoder.name=densenet121", "decoder=fcn", "skips=add16"],  # norms in front of convolutions
)


@pytest.mark.parametrize("overrides", NETWORKS, ids=" ".join)
def test_logits_are_those_of_the_network_with_its_norms(overrides: list[str]) -> None:
    torch.manual_seed(0)
    net = seglight.build_model(seglight.compose("data=camvid", "encoder.weights=null", *overrides)).eval()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:  # as after training
        nn.init.uniform_(norm.weight, 0.8, 1.2)
        nn.init.normal_(norm.bias, 0, 0.1)
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.8, 1.2)
    for head in net.head_modules():
        nn.init.normal_(head.weight, 0, 0.05)
    images = torch.randint(0, 256, (2, 3, 75, 101), dtype=torch.uint8)
    with torch.inference_mode():
        before = net(images)
        count = fold_norms(net, images[:1, :, :64, :64])
        after = net(images)
    left = sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert left == len(norms) - count
    assert count > len(norms) // 3 if "densenet121" in " ".join(overrides) else left == 0
    assert before.std() > 0
    assert (after - before).abs().max() < 1e-4 * before.std()
