"""Rows of databases, warehouses and files."""
