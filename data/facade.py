"""The public class `data.Warehouse`: the table store, and the networks in it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from data.cards import card
from data.cascades import imports as cascade_imports
from data.cascades import index as cascade_index
from data.cascades.observed_cascades import ObservedCascades
from data.errors import NetworkNotFoundError
from data.networks import imports, index
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.warehouse import catalogue, maintenance, verification
from data.warehouse.frames import pandas_frame
from data.warehouse.maintenance import MaintenanceReport
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.store import Store

if TYPE_CHECKING:
    import pandas as pd


_COUNTED = {"sessions": "propagation_sessions", "campaigns": "campaigns"}
_SESSIONS = """
    SELECT
        session_id, network_id, propagation_model, model_parameters, seed_strategy, len(seed_agents) AS seeds,
        replicates, record, total_influenced AS reach, total_influenced_standard_error AS reach_standard_error,
        coalesce(campaigns, []) AS campaigns, completed_at
    FROM propagation_sessions
    LEFT JOIN (
        SELECT session_id, list(DISTINCT campaign ORDER BY campaign) AS campaigns
        FROM campaign_sessions INNER JOIN campaigns USING (campaign_id)
        GROUP BY session_id
    ) USING (session_id)
    ORDER BY completed_at, session_id
"""
_CAMPAIGNS = """
    SELECT campaign, network_id, count(*) AS sessions, max(reach) AS largest_reach, completed_at, campaign_id
    FROM campaign_results
    GROUP BY ALL
    ORDER BY completed_at, campaign
"""


class Warehouse(Store):
    """Networks and results as published tables in a local folder or an object store.

    Parameters
    ----------
    url : str or path
        Local folder, or ``s3://bucket/folder``. A local folder is created with the first publication.

    Examples
    --------
    >>> import tempfile
    >>> warehouse = Warehouse(tempfile.mkdtemp())
    >>> warehouse.read("networks").num_rows
    0
    """

    def _repr_html_(self) -> str:
        counts = {name: self.count(table) for name, table in _COUNTED.items()}
        facts = {"networks": f"{len(index.names(self)):,}", **{name: f"{rows:,}" for name, rows in counts.items()}}
        asks = [f"warehouse.{name}()" for name in ("networks", "sessions", "campaigns")]
        return card(f"Warehouse {self.url}", facts, [*asks, 'warehouse.sql("SELECT ...")'])

    def commit(self, kind: str, keys: Iterable[str], files: Iterable[DataFile], **options: Any) -> Manifest:
        """Publish staged files as `data.warehouse.store.Store.commit` does; every so often, compact tiny files."""
        manifest = super().commit(kind, keys, files, **options)
        if manifest.number % maintenance.COMPACT_EVERY == 0:
            maintenance.compact_tiny_files(self)
        return manifest

    def import_network(self, name: str, source: Any, /, **options: Any) -> Network:
        """Import an edge list as a snapshot of the network called `name`; see `data.networks.imports`."""
        return imports.import_network(self, name, source, **options)

    def generate_network(self, name: str, generator: str, **parameters: Any) -> Network:
        """Generate a network and publish it as `name`; see `data.networks.imports.generate_network`."""
        return imports.generate_network(self, name, generator, **parameters)

    def network(self, name: str) -> Network:
        """Return the network called `name`: the snapshot that was imported or generated last.

        Raises
        ------
        NetworkNotFoundError
            If there is none; the message lists the existing networks.
        """
        network = index.current(self, name)
        if network is None:
            known = ", ".join(sorted(index.names(self))) or "none yet"
            raise NetworkNotFoundError(
                f"no network {name!r} in warehouse {self.url} (networks there: {known}); "
                f"import one with: rumormill network import {name!r} FILE, or generate one with: "
                f"rumormill network generate {name!r} rmat --agents 100000 --edges 1000000"
            )
        return network

    def import_cascades(self, name: str, source: Any, /, **options: Any) -> ObservedCascades:
        """Import observed cascades as the set called `name`; see `data.cascades.imports.import_cascades`.

        A network may be given by its name.
        """
        network = options.pop("network", None)
        of = self.network(network) if isinstance(network, str) else network
        return cascade_imports.import_cascades(self, name, source, network=of, **options)

    def cascades(self, name: str) -> ObservedCascades:
        """Return the observed cascades called `name`: the set imported last under this name, or that of an id.

        Raises
        ------
        CascadesNotFoundError
            If there are none; the message lists the existing ones.
        """
        return cascade_index.load(self, name)

    def observed_cascades(self) -> "pd.DataFrame":
        """Return one row per set of observed cascades: counts, network, unit of time, origin."""
        return pandas_frame(cascade_index.listing(self))

    def cascade_rejects(self, name: str) -> "pd.DataFrame":
        """Return the rows that the import of observed cascades left out; see `data.cascades.index.rejects`."""
        return cascade_index.rejects(self, name)

    def sql(self, query: str, **limits: Any) -> "pd.DataFrame":
        """Return the answer to one SELECT over all tables as a DataFrame; see `data.warehouse.catalogue.query`.

        Its keywords `limit_seconds` and `limit_memory` change or lift the limits of time and memory.

        Examples
        --------
        >>> import tempfile
        >>> Warehouse(tempfile.mkdtemp()).sql("SELECT count(*) AS networks FROM networks")
           networks
        0         0
        """
        return pandas_frame(catalogue.query(self, query, **limits))

    def networks(self) -> "pd.DataFrame":
        """Return one row per network, in its current snapshot: counts, number of snapshots, origin."""
        return pandas_frame(index.listing(self))

    def sessions(self) -> "pd.DataFrame":
        """Return one row per session, oldest first: what was simulated, its reach, and the campaigns that list it."""
        return self.sql(_SESSIONS)

    def campaigns(self) -> "pd.DataFrame":
        """Return one row per campaign and configuration, oldest first."""
        return self.sql(_CAMPAIGNS)

    def verify(self, progress: Progress = ignore_progress) -> list[str]:
        """Check every published file; return one sentence per damaged one. See `data.warehouse.verification`."""
        return verification.verify(self, progress)

    def maintain(self, **options: Any) -> MaintenanceReport:
        """Compact small files, expire history, delete unused files; see `data.warehouse.maintenance.maintain`."""
        return maintenance.maintain(self, **options)

    def sweep(self, grace_seconds: float = maintenance.GRACE_SECONDS) -> list[str]:
        """Delete files that no readable state uses and that are older than the grace period; return their paths."""
        return maintenance.sweep(self, grace_seconds)
