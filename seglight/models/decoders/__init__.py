"""Decoders: features by stride and the image's size in, logits [B, K, H, W] out."""

from seglight.models.decoders.fcn import FCN
from seglight.models.decoders.unet import UNet

__all__ = ["FCN", "UNet"]
