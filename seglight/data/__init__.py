"""Data sets, their readers, augmentation and the Lightning data module; knows nothing of models."""

import os

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing albumentations would ask a server for its version
