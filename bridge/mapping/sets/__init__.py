"""Mapping sets as files."""
