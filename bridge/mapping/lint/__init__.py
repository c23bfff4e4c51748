"""What can be said about a mapping set before it runs."""
