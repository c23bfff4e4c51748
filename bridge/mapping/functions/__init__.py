"""The functions of the mapping language, one module a category; ``catalogue`` lists them all."""
