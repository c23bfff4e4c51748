"""Mapping sets compiled to Python functions."""
