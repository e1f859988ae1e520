"""Propagation: models of how messages spread, and the plans that run them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from propagation.engine import simulate
    from propagation.results import Result

__all__ = ["Result", "simulate"]


def __getattr__(name: str) -> object:
    """Import the public names when they are first used."""
    if name == "simulate":
        from propagation.engine import simulate

        return simulate
    if name == "Result":
        from propagation.results import Result

        return Result
    raise AttributeError(f"module 'propagation' has no attribute {name!r}")
