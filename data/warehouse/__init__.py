"""The warehouse: storage, publications, table specifications and the DuckDB catalogue; independent of networks."""
