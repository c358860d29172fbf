"""Where cells lie, bilinear kernels, and laying maps over each other."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seglight.models.decoders.fcn import placement
from seglight.models.geometry import Field, bilinear_kernel, frame, mirror, trace


def test_a_traced_field_is_the_one_that_gradients_measure() -> None:
    stages = [
        nn.Sequential(nn.Conv2d(1, 2, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
        nn.Sequential(nn.Conv2d(2, 2, 3, 1, 2, dilation=2), nn.AvgPool2d(2)),
        nn.Sequential(nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.Conv2d(2, 1, 3, padding=1)),
    ]
    for stage in stages:
        for layer in stage:
            if hasattr(layer, "weight"):
                nn.init.constant_(layer.weight, 0.1)
    for depth, (_, field) in enumerate(trace(stages, 1), 1):
        image = torch.ones(1, 1, 256, 256, requires_grad=True)
        layers = [nn.AvgPool2d(3, 2, 1) if isinstance(m, nn.MaxPool2d) else m for s in stages[:depth] for m in s]
        out = nn.Sequential(*layers)(image)
        cell = out.shape[2] // 2
        out[0, 0, cell, cell].backward()
        assert image.grad is not None
        rows = image.grad[0, 0].abs().sum(1).nonzero().flatten()
        assert field.size == len(rows)
        centre = (rows[0] + rows[-1]).item() / 2
        assert abs(field.offset + cell * field.stride - centre) <= (0 if depth < 3 else field.stride / 2)


def test_known_receptive_fields() -> None:
    import torchvision

    net = torchvision.models.resnet18()
    stages = [nn.Sequential(net.conv1, net.maxpool), net.layer1, net.layer2, net.layer3, net.layer4]
    assert [field.size for _, field in trace(stages, 3)] == [11, 43, 99, 211, 435]


def test_tracing_leaves_a_network_as_it_was() -> None:
    stage = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    before = {name: value.clone() for name, value in stage.state_dict().items()}
    trace([stage], 3)
    assert all(torch.equal(value, before[name]) for name, value in stage.state_dict().items())


@pytest.mark.parametrize("size", [3, 4, 16, 63, 64])
def test_bilinear_kernels_interpolate(size: int) -> None:
    stride = (size + 1) // 2
    line = torch.arange(9.0)
    up = F.conv_transpose2d(line.expand(9, 9)[None, None], bilinear_kernel(size)[None, None], stride=stride)
    inside = up[0, 0, 4 * stride : 5 * stride, 3 * stride : 5 * stride]
    assert torch.allclose(inside.diff(dim=1), torch.tensor(1 / stride), atol=1e-5)


@pytest.mark.parametrize(
    ("factor", "lead", "size", "crop"),
    [
        (32, 12.5, 64, 19),  # FCN-32s
        (2, 6.5, 4, -5),  # pool4: the finer map is cropped
        (16, -11.5, 32, 27),  # FCN-16s
        (2, 10.5, 4, -9),  # pool3
        (8, -23.5, 16, 31),  # FCN-8s
        (32, 13.0, 63, 18),  # FCN-AlexNet
    ],
)
def test_the_authors_kernels_and_crops_follow_from_offsets(factor: int, lead: float, size: int, crop: int) -> None:
    assert placement(factor, lead) == (size, crop)


@pytest.mark.parametrize("lead", [-2, 0, 3])
@pytest.mark.parametrize("size", [(1, 1), (4, 5), (9, 2)])
def test_frame_shifts_crops_and_pads(lead: int, size: tuple[int, int]) -> None:
    x = torch.arange(1.0, 31).view(1, 1, 5, 6)
    y = frame(x, lead, size)
    assert y.shape[-2:] == size
    for i in range(size[0]):
        for j in range(size[1]):
            inside = 0 <= i - lead < 5 and 0 <= j - lead < 6
            assert y[0, 0, i, j] == (x[0, 0, i - lead, j - lead] if inside else 0)


def test_mirror_reflects_as_often_as_it_must() -> None:
    x = torch.arange(3.0).view(1, 1, 1, 3)
    assert mirror(x, 4, 1, 11).flatten().tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert mirror(x[..., :1], 2, 3, 5).shape == (1, 1, 3, 5)
    big = torch.rand(1, 1, 9, 9)
    assert torch.equal(mirror(big, 4, 17, 17), F.pad(big, (4, 4, 4, 4), mode="reflect"))


def test_field_arithmetic() -> None:
    assert Field().window(7, 2, 3) == Field(2, 0, 7)
    assert Field(4, 1.5, 10).finer(2, 0) == Field(2, 0.5, 10)
    assert Field(4, 1.5, 10).moved(3) == Field(4, 13.5, 10)
