"""Who speaks to the bridge: one folder a kind."""
