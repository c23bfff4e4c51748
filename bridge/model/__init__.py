"""Values and ports that every room may speak of; imports nothing of ours."""
