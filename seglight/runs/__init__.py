"""A run on disk: its directory, status, checkpoints; who may be trusted with it."""
