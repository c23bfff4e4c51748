"""Data Prep: mapping sets, their check and preview, and the language (``/data/foundation/conversion``)."""
