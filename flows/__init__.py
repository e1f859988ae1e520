"""Flows: run campaigns from their files to published results, with Prefect; and the command line."""
