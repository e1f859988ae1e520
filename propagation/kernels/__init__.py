"""Compiled rounds: what the tasks of the physical plans run, without the interpreter's lock."""
