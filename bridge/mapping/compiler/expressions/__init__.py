"""Expressions compiled to Python code."""
