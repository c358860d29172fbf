"""A trained network away from its run: what a prediction is, and what reads exported files. No torch."""
