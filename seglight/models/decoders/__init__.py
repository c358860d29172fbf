"""Decoders: features by stride and the image's size in, logits [B, K, H, W] out."""
