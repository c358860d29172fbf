"""Losses: `loss(logits [B, K, *], labels [B, *]) -> scalar`, 255 ignored."""
