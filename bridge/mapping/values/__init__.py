"""Values of the language: numbers, text, dates, regular expressions."""
