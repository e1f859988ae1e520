"""The reference plan: each round is a join of tables on Dask DataFrames; every other plan must equal it row for row."""
