"""How a process lives and ends: signals, deadlines, the heap."""
