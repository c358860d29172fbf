"""A trained network away from its run: exported files, what writes them, and what reads them without torch."""
