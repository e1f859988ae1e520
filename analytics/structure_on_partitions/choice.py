"""The choice between one process's memory and partitions, by the size of the network and the memory available."""

import logging
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from data.errors import InsufficientMemoryError, InvalidInputError
from data.networks.network import Network
from data.quantities import readable_bytes
from propagation.clusters import machine_memory, thread_count

if TYPE_CHECKING:
    from distributed import Client

BYTES_PER_EDGE, BYTES_PER_AGENT = 40, 200
"""Memory of algorithms that hold the whole network: rows of both directions and either, and their own arrays."""
PARTITION_BYTES_PER_EDGE, PARTITION_BYTES_PER_AGENT = 80, 150
"""Memory of the edges of a partition that a thread works on, and of the state and messages of every agent."""
PARTITIONS_PER_THREAD = 4
"""Partitions in small networks, so that no thread waits long for the last one."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StructurePlan:
    """Where the structure of a network is computed.

    Attributes
    ----------
    partitions : int or None
        Number of partitions; None in the memory of this process.
    reason : str
        Where and why, as a phrase.
    asked_for : bool
        Whether the caller asked for partitions, rather than the size of the network.
    """

    partitions: int | None
    reason: str
    asked_for: bool = False


def plan_structure(network: Network, *, partitions: int | None = None, client: "Client | None" = None) -> StructurePlan:
    """Choose between the memory of this process and partitions; log why.

    Parameters
    ----------
    network : Network
    partitions : int, optional
        To compute on so many partitions whatever the size.
    client : distributed.Client, optional
        A cluster: its workers need partitions.

    Raises
    ------
    InvalidInputError
        If `partitions` is less than 1.
    InsufficientMemoryError
        If not even the agents fit.
    """
    if partitions is not None and partitions < 1:
        raise InvalidInputError(f"partitions {partitions} is less than 1; leave it out to let the size decide")
    available = machine_memory()
    needed = BYTES_PER_EDGE * network.n_edges + BYTES_PER_AGENT * network.n_ids
    sizes = f"about {readable_bytes(needed)} for the whole network, {readable_bytes(available)} available"
    if partitions is None and client is None and needed <= available:
        plan = StructurePlan(None, f"in memory: {sizes}")
    elif partitions is not None:
        plan = StructurePlan(partitions, f"in {partitions} partitions, as asked for", asked_for=True)
    else:
        number = _partitions(network, available, os.cpu_count() or 1 if client is None else thread_count(client))
        why = f": {sizes}" if client is None else " on the cluster's workers"
        plan = StructurePlan(number, f"in {number} partitions{why}", asked_for=client is not None)
    logger.info("structure of network %r: %s", network.network_id, plan.reason)
    return plan


def _partitions(network: Network, available: int, threads: int) -> int:
    """Return the number of partitions with which what all threads work on takes half of the memory left for edges."""
    of_agents = PARTITION_BYTES_PER_AGENT * network.n_ids
    if of_agents > available:
        raise InsufficientMemoryError(
            f"network {network.network_id!r} of {network.n_agents:,} agents needs about {readable_bytes(of_agents)} "
            f"for its agents alone, {readable_bytes(available)} are available: use a machine with more memory"
        )
    at_once = threads * PARTITION_BYTES_PER_EDGE * network.n_edges
    return max(PARTITIONS_PER_THREAD * threads, math.ceil(2 * at_once / max(available - of_agents, 1)))
