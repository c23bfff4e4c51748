"""What was stored, read once more for a count: no group is joined, and nothing is committed."""
