"""``aep-bridge sync``: rows of a warehouse to MoEngage, planned, sent and looked back upon."""
