"""The private destination of a route from Adobe: wanted, found, planned, made, tested and handed over."""
