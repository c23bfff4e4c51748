"""Text, paths and syntax trees of the Data Prep language."""
