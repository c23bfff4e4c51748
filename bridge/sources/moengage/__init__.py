"""MoEngage Streams and export files."""
