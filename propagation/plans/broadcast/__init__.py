"""The broadcast plan: every worker holds the whole network, lanes are split over tasks."""
