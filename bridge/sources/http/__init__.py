"""The receiver that all posting kinds share."""
