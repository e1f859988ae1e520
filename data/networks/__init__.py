"""Networks: importing and generating them, their snapshots, and how these are opened."""
