"""What is remembered over the death of a worker process."""
