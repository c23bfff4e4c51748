"""A first mapping set proposed from a schema and samples."""
