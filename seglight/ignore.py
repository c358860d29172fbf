"""The label of pixels that count nowhere: not in a loss, not in a score."""

IGNORE_INDEX = 255
