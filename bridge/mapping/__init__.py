"""The Data Prep mapping language: tables of rows, expressions, functions, and the compiler that joins them."""
