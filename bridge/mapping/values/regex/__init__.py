"""Java's regular expressions, in bounded time."""
