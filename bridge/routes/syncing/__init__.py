"""``aep-bridge sync``: rows of a warehouse's route against what MoEngage has accepted of them."""
