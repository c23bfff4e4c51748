"""State by key of what the destination has accepted: restored before anything is mapped, stored before anything is committed."""
