"""How a worker's run begins, and what ends it."""
