"""What happens around a run: one file a callback."""
