"""A file that is not what PyTorch is, is found out before it counts; batch norms are gone from a graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from seglight import build_model, compose
from seglight.deploy.about import About
from seglight.deploy.checks import differences
from seglight.deploy.runtimes import open_runtime
from seglight.deploy.tracing import write_onnx


def about(**values: str) -> About:
    return About(["a", "b"], [(0, 0, 0), (255, 0, 0)], **values)  # type: ignore[arg-type]


class Frozen(nn.Module):
    """A network with sizes that Python computes: traced at one size, it is wrong at the others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = nn.functional.avg_pool2d(images.float(), 2, ceil_mode=True)
        size = [int(n) for n in images.shape[-2:]]
        return nn.functional.interpolate(self.conv(x), size, mode="bilinear")


def test_a_size_that_was_frozen_is_found_out(tmp_path: Path) -> None:
    net = Frozen().eval()
    write_onnx(net, tmp_path / "net.onnx", about())
    runtime = open_runtime(tmp_path / "net.onnx", 1)
    assert differences(runtime, net, about(), [(97, 129)])["97 x 129"] < 1e-3  # the size that it was traced at
    with pytest.raises(ValueError, match=r"at 64 x 96 pixels it gives \[1, 2, 97, 129\], PyTorch \[1, 2, 64, 96\]"):
        differences(runtime, net, about(), [(64, 96)])


@pytest.mark.parametrize("output", ["logits", "classes"])
def test_other_weights_are_found_out(output: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, other = (nn.Conv2d(3, 2, 3, padding=1) for _ in range(2))
    said = about(output=output)

    class Pixels(nn.Module):
        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images.float())  # type: ignore[no-any-return]

    write_onnx(Pixels(net), tmp_path / "net.onnx", said)
    runtime = open_runtime(tmp_path / "net.onnx", 1)
    assert max(differences(runtime, Pixels(net), said).values()) < 1e-3
    with pytest.raises(ValueError, match=r"it differs by .* from PyTorch's logits"):
        differences(runtime, Pixels(other), said)


def test_norms_after_convolutions_of_both_kinds_are_folded(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build_model(compose("model=encoder_decoder", "data=shapes", "data.num_classes=2", "encoder.weights=null"))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # as training leaves them
            nn.init.uniform_(module.running_mean, -1, 1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    net.eval()
    assert sum(isinstance(module, nn.BatchNorm2d) for module in net.modules()) > 20
    write_onnx(net, tmp_path / "net.onnx", about())
    assert "BatchNormalization" not in {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    found = differences(open_runtime(tmp_path / "net.onnx", 1), net, about(), relative=True)
    assert max(found.values()) < 1e-4


def test_a_runtime_that_fails_is_named_with_the_size() -> None:
    def runtime(images: np.ndarray) -> np.ndarray:
        raise RuntimeError("dimensions must match")

    with pytest.raises(ValueError, match="at 1 x 1 pixels it does not run: dimensions must match"):
        differences(runtime, Frozen(), about())  # type: ignore[arg-type]
