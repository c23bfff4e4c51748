"""The bridge's commands without an interpreter's start for each: forked from a process that has imported what they import."""
