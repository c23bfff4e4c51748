"""`make mutants`: changes safety-critical lines of the worker one at a time, and requires that a fast test fails for each."""
