"""Web pages: what a campaign found, as one self-contained HTML file."""
