"""The data layer: networks and results as published Parquet tables, and the ways in and out."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.facade import Warehouse
    from data.networks.network import Network

__all__ = ["Network", "Warehouse"]


def __getattr__(name: str) -> object:
    """Import the public names when they are first used: the command line starts without pyarrow."""
    if name == "Warehouse":
        from data.facade import Warehouse

        return Warehouse
    if name == "Network":
        from data.networks.network import Network

        return Network
    raise AttributeError(f"module 'data' has no attribute {name!r}")
