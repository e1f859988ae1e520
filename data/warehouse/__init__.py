"""The warehouse: storage, publications, table specifications and the DuckDB catalogue; it knows nothing of networks."""
