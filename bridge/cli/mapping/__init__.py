"""The commands of ``aep-bridge mapping``."""
