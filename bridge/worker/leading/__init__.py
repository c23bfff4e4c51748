"""What one worker does for all of its route."""
