"""Stand-ins for the clouds of others."""
