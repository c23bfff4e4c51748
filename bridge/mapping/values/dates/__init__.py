"""Dates: Java's patterns, time zones, the formats that text may have."""
