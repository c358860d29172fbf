"""How fast a network is: every variant in a process of its own, and all of them in turn."""
