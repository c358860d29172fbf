"""The label of pixels that count nowhere, not in a loss, not in a score; and how pictures show them."""

IGNORE_INDEX = 255
IGNORED = (224, 224, 192)  # nearly white, as VOC shows pixels that are not scored
