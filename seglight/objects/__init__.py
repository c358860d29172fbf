"""Objects: those of a class numbered in a mask, written, and scored against the true ones."""
