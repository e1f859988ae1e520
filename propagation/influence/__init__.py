"""Influence maximisation: which agents to seed so that a message reaches as many others as possible."""
