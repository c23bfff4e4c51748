"""Tools for the author of a mapping set."""
