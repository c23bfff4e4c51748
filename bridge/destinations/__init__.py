"""Where events go: one folder a kind."""
