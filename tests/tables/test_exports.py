"""Which networks can be exported: a few of the table here, all of them with `-m slow`."""

from __future__ import annotations

import pytest

from seglight.tables.exports import FORMATS, encoders, measured, others, presets, row

pytestmark = pytest.mark.slow

# The kinds of size arithmetic: pooled odd maps, crops by offsets, mirrored borders, multiples, SAME padding, windows,
# patches whose positions are resized, windows that are rolled, pools to n cells.
SAMPLE = (
    "model=unet_small",
    "model=linknet encoder=mobilenet_v2",
    "model=fcn8s encoder=efficientnet_lite0",
    "encoder=convnext_tiny encoder.name=convnext_tiny decoder=fcn skips=add8",
    "encoder=googlenet decoder=unet_auto skips=concat",
    "encoder=unet_valid encoder.channels=[4,8,8] decoder=unet_tiles skips=concat",
    "encoder=resnet18 decoder=fcn_head skips=none",
    "encoder=vgg11_bn decoder=interpolate skips=none",
    "encoder=timm encoder.name=swin_tiny_patch4_window7_224 decoder=linear skips=none",
    "encoder=resnet18 decoder=smp decoder.name=PSPNet skips=none",
    "encoder=vit_small +encoder.depth=4 +encoder.pyramid_width=16 decoder=upernet skips=concat decoder.width=16",
)
REFUSED = ("model=patch", "model=patch_interpolate")


@pytest.mark.parametrize("overrides", SAMPLE)
def test_a_sample_is_exact(overrides: str) -> None:
    assert max(measured(overrides.split(), ("onnx",))) < 1e-4


def test_patches_are_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="decoder=patch classifies an image's patches in chunks"):
        measured(["model=patch"], ("onnx",))
    assert "not exported: decoder=patch" in row("model=patch_interpolate")


@pytest.mark.slow
@pytest.mark.parametrize("overrides", [*presets(), *encoders(), *others()])
def test_every_preset_and_encoder_is_exact_in_every_format(overrides: str) -> None:
    if overrides in REFUSED:
        with pytest.raises(ValueError, match="decoder=patch"):
            measured(overrides.split(), FORMATS)
    else:
        assert max(measured(overrides.split(), FORMATS)) < 1e-4
