"""Which snapshots a network has, and which of them is meant by its name.

A name means its last import. That is the last snapshot published under it, or an earlier one that was imported again
since: then a publication without files says that it is the current one (key ``network/<name>/current/<n>``).
"""

import logging

from data.errors import AlreadyPublishedError, CommitConflictError
from data.networks.network import Network, network_key
from data.warehouse.manifests import Manifest
from data.warehouse.store import Store

logger = logging.getLogger(__name__)

ATTEMPTS = 10
"""How often `make_current` tries anew where other processes publish under the same name."""


def current(store: Store, name: str) -> Network | None:
    """Return the snapshot that a name means: the one imported last; None where there is none."""
    manifest = next(reversed(_manifests(store, name)), None)
    if manifest is None:
        return None
    return snapshot(store, name, manifest.properties.get("snapshot_id") or _snapshot_id(manifest))


def names(store: Store) -> list[str]:
    """Return the names of all networks, in the order of their first imports."""
    return list(dict.fromkeys(_name(manifest) for manifest in store.manifests() if manifest.kind == "network"))


def snapshot(store: Store, name: str, snapshot_id: str) -> Network | None:
    """Return one snapshot of a network, or None where the name has none of this id."""
    key = network_key(name, snapshot_id)
    rows = [] if store.find(key) is None else store.read("networks", [key]).to_pylist()
    return Network.from_row(store, rows[0]) if rows else None


def snapshots(store: Store, name: str) -> list[Network]:
    """Return all snapshots of a network, in the order of their first publication."""
    ids = [_snapshot_id(manifest) for manifest in _manifests(store, name) if manifest.files]
    return [found for snapshot_id in ids if (found := snapshot(store, name, snapshot_id)) is not None]


def with_content(store: Store, snapshot_id: str) -> Network | None:
    """Return a network with a snapshot of this content, whatever its name is, or None."""
    for manifest in store.manifests():
        if manifest.kind == "network" and manifest.files and _snapshot_id(manifest) == snapshot_id:
            return snapshot(store, _name(manifest), snapshot_id)
    return None


def make_current(store: Store, network: Network) -> None:
    """Make a published snapshot the one that its name means, unless it is.

    Raises
    ------
    CommitConflictError
        If other processes kept importing under the same name.
    """
    name = network.network_id
    for _ in range(ATTEMPTS):
        if current(store, name) == network:
            return
        times = sum(not manifest.files for manifest in _manifests(store, name))
        try:
            store.commit(
                "network",
                [f"network/{name}/current/{times + 1}"],
                [],
                properties={"network_id": name, "snapshot_id": network.snapshot_id},
            )
        except AlreadyPublishedError:
            continue  # another process was first: look again which one is current
        logger.info("network %r is snapshot %s again", name, network.snapshot_id)
        return
    raise CommitConflictError(f"other imports into network {name!r} kept coming first: run again")


def _manifests(store: Store, name: str) -> list[Manifest]:
    """Return the publications under a name, oldest first."""
    return [each for each in store.manifests() if each.kind == "network" and _name(each) == name]


def _name(manifest: Manifest) -> str:
    return manifest.keys[0].split("/")[1]


def _snapshot_id(manifest: Manifest) -> str:
    return manifest.keys[0].split("/")[2]
