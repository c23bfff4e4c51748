"""What a running worker observes of itself, and tells."""
