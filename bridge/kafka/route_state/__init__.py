"""The topic in which a route keeps what its destination has accepted."""
