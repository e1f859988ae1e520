"""Cascades that are held out of a fit: which they are, and whether they are really others."""

import hashlib
from collections.abc import Iterator

import numpy as np

from analytics.calibration.exposures import agents_in, fingerprint
from data.cascades import index
from data.cascades.observed_cascades import ObservedCascades
from data.errors import InvalidInputError
from data.networks.network import Network
from data.quantities import counted

FEWEST_ACTIVATIONS = 3
"""Smaller cascades of two sets may be equal by chance."""


def held_out(cascades: ObservedCascades, share: float) -> tuple[ObservedCascades, ObservedCascades]:
    """Return cascades to fit, and the last `share` of them, in the order of the source, to test with.

    Raises
    ------
    InvalidInputError
        If the share is not between 0 and 1, or one of the two would be empty.
    """
    if not (isinstance(share, int | float) and 0.0 < share < 1.0):
        raise InvalidInputError(f"share {share!r} to hold out is not between 0 and 1, such as 0.2")
    count = round(len(cascades) * share)
    if not 0 < count < len(cascades):
        raise InvalidInputError(
            f"{share:.0%} of {counted(len(cascades), 'cascade')} are {count:,}: at least one must be left on each side"
        )
    first = len(cascades) - count
    positions = np.arange(len(cascades))
    return cascades.select(positions[:first]), cascades.select(positions[first:])


def check_apart(network: Network, first: ObservedCascades, second: ObservedCascades, roles: tuple[str, str]) -> None:
    """Raise InvalidInputError if two sets that must be different have cascades in common.

    Parts of one set have those with the same id in common. Different sets have those with the same id, agents and
    times, if they have at least three activations; or all, if their activations are the same whatever the ids.

    Parameters
    ----------
    network : Network
    first, second : ObservedCascades
    roles : (str, str)
        What each is used for, such as ``("to fit", "to test")``.
    """
    if fingerprint(network, first) == fingerprint(network, second):
        shared = len(second)
    else:
        known = set(_identities(network, first, second))
        shared = sum(each in known for each in _identities(network, second, first))
    if shared:
        raise InvalidInputError(
            f"{shared:,} of {counted(len(second), 'cascade')} of {second.name!r} {roles[1]} are also among those of "
            f"{first.name!r} {roles[0]}: give others, or hold out a share of them, such as 20%"
        )


def _identities(network: Network, cascades: ObservedCascades, other: ObservedCascades) -> Iterator[str | bytes]:
    """Yield what tells the cascades from those of another set."""
    ids = cascades.cascade_ids.to_pylist()
    if cascades.cascade_set_id == other.cascade_set_id:
        yield from ids
        return
    agents = agents_in(network, cascades)
    for position in np.flatnonzero(cascades.sizes >= FEWEST_ACTIVATIONS).tolist():
        rows = slice(cascades.offsets[position], cascades.offsets[position + 1])
        order = np.lexsort((agents[rows], cascades.times[rows]))
        content = agents[rows][order].tobytes() + cascades.times[rows][order].astype(np.float64).tobytes()
        yield hashlib.sha256(ids[position].encode() + b";" + content).digest()


def part_of_set(network: Network, cascades: ObservedCascades) -> tuple[str, float | None]:
    """Return whether cascades are ``all`` or a ``part`` of their set, and which share of it.

    Of a set that is not in the network's warehouse nothing is known: ``unknown`` and None.
    """
    row = index.set_row(network.warehouse, cascades.cascade_set_id)
    if row is None:
        return "unknown", None
    return ("all" if len(cascades) == row["cascades"] else "part"), len(cascades) / row["cascades"]
