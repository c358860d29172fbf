"""encoder.checkpointing=true: less is kept for the way back; gradients and statistics are the same to the bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

import seglight
from seglight.config import build
from seglight.models.checkpointing import segments

VIT = [
    "encoder=timm", "encoder.name=vit_tiny_patch16_224", "+encoder.depth=3", "+encoder.embed_dim=32",
    "+encoder.num_heads=2", "+encoder.drop_path_rate=0.5", "+encoder.proj_drop_rate=0.2",
]  # fmt: skip


def step(overrides: list[str], checkpointing: bool) -> tuple[dict[str, torch.Tensor | None], int]:
    """Gradients and buffers after a training step, and how many numbers the encoder kept outside of such blocks."""
    cfg = seglight.compose(
        "data=shapes", "encoder.weights=null", f"encoder.checkpointing={checkpointing}", *overrides
    )  # fmt: skip
    torch.manual_seed(0)
    net = seglight.build_model(cfg)
    build(cfg, "freeze").apply(net.train(), 0)
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    masks = torch.randint(0, cfg.data.num_classes, (2, 64, 96))
    kept: list[int] = []

    def pack(x: torch.Tensor) -> torch.Tensor:
        kept.append(x.numel())
        return x

    with saved_tensors_hooks(pack, lambda x: x):
        maps = net.maps(images)
    sum(w * nn.functional.cross_entropy(x, y) for x, y, w in net.pairs_of_maps(maps, masks)).backward()
    return {n: p.grad for n, p in net.named_parameters()} | dict(net.named_buffers()), sum(kept)


@pytest.mark.parametrize(
    "overrides",
    [
        ["encoder=resnet18", "model=unet"],
        ["encoder=efficientnet_lite0", "freeze=adapter"],
        ["encoder=unet_narrow", "model=unet", "encoder.norm=true", "freeze=stages", "freeze.n=1"],
        pytest.param([*VIT, "decoder=dpt"], marks=pytest.mark.slow),
        [*VIT, "freeze=lora", "freeze.dropout=0.5"],
        pytest.param(["encoder=timm", "encoder.name=pvt_v2_b0"], marks=pytest.mark.slow),
    ],
    ids=["resnet", "efficientnet-adapter", "unet-stages", "vit", "vit-lora", "pvt"],
)
def test_the_step_is_the_same_and_keeps_less(overrides: list[str]) -> None:
    (plain, kept), (again, less) = step(overrides, False), step(overrides, True)
    assert less < 0.75 * kept
    assert plain.keys() == again.keys()
    for name, value in plain.items():
        other = again[name]
        assert (value is None and other is None) or torch.equal(value, other), name  # type: ignore[arg-type]


def test_what_begins_with_an_operation_in_place_is_no_segment_of_its_own() -> None:
    """It would change the input that its second pass starts from."""
    for encoder in ("vgg11_bn", "mobilenet_v3"):
        net = seglight.build_model(seglight.compose(f"encoder={encoder}", "encoder.weights=null", "skips=none"))
        for stage in net.encoder.stages:
            for segment in segments(stage):
                assert not getattr(segment[0], "inplace", False), encoder


def test_an_encoder_without_it_is_refused() -> None:
    cfg = seglight.compose("encoder=resnet18", "encoder.weights=null", "encoder.checkpointing=perhaps")
    with pytest.raises(ValueError, match=r"encoder\.checkpointing=perhaps: one of true, false is needed"):
        seglight.build_model(cfg)
