"""The account of every event by day: what came, what became of it, and what is left over."""
