"""Containment: which agents or edges to block, or where to start a counter-message, so that a message reaches fewer."""

from analytics.containment.plans import Containment, contain

__all__ = ["Containment", "contain"]
