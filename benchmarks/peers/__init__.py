"""The peers, each in its own module that defines ``PEER``."""

import importlib

from benchmarks.peers.peer import Peer

__all__ = ["PEERS", "Peer", "load_peer"]

PEERS = ("cynetdiff", "pynetim", "numba_queue", "duckdb_sql", "scipy_products", "eon", "ndlib", "dask_merges")
"""All peers, by module name."""


def load_peer(name: str) -> Peer:
    """Return a peer.

    Raises
    ------
    ImportError
        If it is not installed: ``make bench`` installs all of them.
    """
    peer: Peer = importlib.import_module(f"benchmarks.peers.{name}").PEER
    return peer
