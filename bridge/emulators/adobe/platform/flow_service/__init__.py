"""Flow Service: specs, connections, dataflows and their runs (``/data/foundation/flowservice``)."""
