"""What `predict` reads and what it writes: images, videos, rasters of any size."""
