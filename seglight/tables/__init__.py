"""Tables that `inspect` writes: of all networks, and of timm's families."""
