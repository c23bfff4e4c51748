"""The demo: the real receiver and worker between embedded parts, told as a story of snapshots that the command line shows."""
