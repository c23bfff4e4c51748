"""Where rows are read: a database, or files that DuckDB reads; and what may be asked of it."""
