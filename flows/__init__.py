"""Flows: campaigns from their files to published answers, with Prefect, and the command line."""
