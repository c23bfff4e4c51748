"""What is done in the client's loop: records taken out and accounted for by offset, commits, and what cannot be read."""
