"""Propagation: models of how messages spread, and the plans that run them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from propagation.campaign_results import results
    from propagation.result import Result
    from propagation.simulation import simulate, simulate_many

__all__ = ["Result", "results", "simulate", "simulate_many"]


def __getattr__(name: str) -> object:
    """Import the public names when they are first used."""
    if name in {"simulate", "simulate_many"}:
        from propagation import simulation

        return getattr(simulation, name)
    if name == "results":
        from propagation.campaign_results import results

        return results
    if name == "Result":
        from propagation.result import Result

        return Result
    raise AttributeError(f"module 'propagation' has no attribute {name!r}")
