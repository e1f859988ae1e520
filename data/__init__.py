"""The data layer: networks and results as published Parquet tables, and how they are written and read."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.facade import Warehouse
    from data.networks.network import Network

__all__ = ["Network", "Warehouse"]


def __getattr__(name: str) -> object:
    """Import public names on first use, so that the command line starts without pyarrow."""
    if name == "Warehouse":
        from data.facade import Warehouse

        return Warehouse
    if name == "Network":
        from data.networks.network import Network

        return Network
    raise AttributeError(f"module 'data' has no attribute {name!r}")
