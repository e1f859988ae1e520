"""Networks: importing and generating them, and writing and opening their snapshots."""
