"""Published calibrations: rows of their tables, and networks that have edge values as columns, each published once."""

import contextlib
import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.calibration.edges import EdgeCalibration, calibration_id, estimate_edges
from analytics.calibration.exposures import Partitions, check_cascades, check_network, fingerprint
from analytics.calibration.held_out import check_apart, part_of_set
from analytics.calibration.options import Options, options_of
from analytics.calibration.scores import SCORES_VERSION, CalibrationScores, score_edges
from data.cascades.observed_cascades import ObservedCascades
from data.errors import AlreadyPublishedError, InvalidInputError
from data.networks import index
from data.networks.edge_columns import network_with_edge_columns
from data.networks.imports import check_network_name
from data.networks.network import Network
from data.progress import Progress, ignore_progress
from data.warehouse.frames import pandas_frame
from data.warehouse.keys import calibration_key, score_key
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from propagation.sessions import derived_uuid

if TYPE_CHECKING:
    from distributed import Client

KIND = "calibration"


def calibrate_edges(
    network: Network,
    cascades: ObservedCascades,
    *,
    name: str | None = None,
    partitions: int | None = None,
    client: "Client | None" = None,
    publish: bool = True,
    **options: Any,
) -> EdgeCalibration:
    """Estimate the transmission probabilities or influence weights of a network's edges from observed cascades.

    Methods for the independent cascade:

    - ``em``: maximum likelihood by expectation maximisation, with a prior (Saito, Nakano, Kimura: Prediction of
      information diffusion probabilities for independent cascade model. KES 2008). With ``window=1`` on times in
      rounds it is the original; without a window any agent that was active earlier may have been the cause.
    - ``agents``: maximum likelihood with one probability for all in-edges of an agent, its susceptibility.
    - ``bernoulli``, ``jaccard``, ``partial_credit``: shares of credit (Goyal, Bonchi, Lakshmanan: Learning influence
      probabilities in social networks. WSDM 2010).

    For the linear threshold, ``em`` estimates by maximum likelihood which in-neighbour an agent follows (the triggering
    sets of Kempe, Kleinberg, Tardos 2003); the weights of an agent's in-edges sum to at most 1.

    Intervals are Wilson's (1927), from the effective number of exposures, which follows from the observed information
    (Louis 1982): it is lower where an edge shares its successes with others.

    Kernels of Rumormill; network and cascades are in memory, with some 70 bytes for each edge. Every target is
    estimated by itself, so the values are the same for any number of threads and partitions.

    Parameters
    ----------
    network : Network
    cascades : ObservedCascades
        Their agents are agents of the network.
    name : str, optional
        Name of the network to publish with the values as edge columns, a new one or a calibration of the same network;
        default: NAME-calibrated. Each name is a calibration of its own in the tables.
    partitions : int, optional
        Ranges of targets that are estimated together; default: some for each thread.
    client : distributed.Client, optional
        Cluster that estimates the partitions; default: threads of this process.
    publish : bool
        Publish in the network's warehouse, or load what is already published.
    **options
        Fields of `analytics.calibration.options.Options`: ``model``, ``method``, ``window``, ``prior_strength``,
        ``shrink_to``, ``decay``, ``most_iterations``, ``tolerance``.

    Returns
    -------
    EdgeCalibration
        ``.calibrated`` is the network with the edge columns probability (or weight), its interval, exposures and
        successes; sessions use it with ``.model``, campaigns with ``probability: column``.

    Raises
    ------
    InvalidInputError
        If an option breaks its rule, an agent of the cascades is not in the network, no activation has an active
        in-neighbour, or another network has the name.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> from data import Warehouse
    >>> from data.cascades.cleaning import observed_cascades
    >>> friends = pd.DataFrame({"source": ["ann", "bob"], "target": ["bob", "cy"]})
    >>> network = Warehouse(tempfile.mkdtemp()).import_network("friends", friends)
    >>> rows = {"cascade": [1, 1, 2], "agent": ["ann", "bob", "ann"], "time": [0, 1, 0]}
    >>> seen = observed_cascades("seen", pd.DataFrame(rows), network=network, time_unit="rounds").cascades
    >>> found = calibrate_edges(network, seen, window=1, prior_strength=0)
    >>> found.edges[["source", "target", "probability", "exposures"]].to_numpy().tolist()
    [['bob', 'cy', 0.0, 1], ['ann', 'bob', 0.5, 2]]
    >>> found.calibrated.network_id
    'friends-calibrated'
    """
    check_network(network)
    check_cascades(cascades)
    chosen = options_of(options)
    chosen.check()
    called = f"{network.network_id}-calibrated" if name is None else name
    check_network_name(called)
    ways = Partitions(partitions, client)
    if not publish:
        return estimate_edges(network, cascades, chosen, ways, called)
    _check_free(network, called)
    found = _published(network, cascades, chosen, called)
    return found or _publish(estimate_edges(network, cascades, chosen, ways, called), called)


def _check_free(network: Network, name: str) -> None:
    """Raise InvalidInputError if the name is that of a network which is no calibration of this one."""
    if name == network.network_id:
        raise InvalidInputError(
            f"name {name!r} is that of the network to be calibrated, which stays as it is; give another name"
        )
    there = index.current(network.warehouse, name)
    if there is None:
        return
    options = json.loads(there.row["options"])
    if "calibration" not in options or options.get("network") != network.network_id:
        raise InvalidInputError(
            f"network {name!r} exists and is no calibration of {network.network_id!r}; give another name"
        )


def _publish(found: EdgeCalibration, name: str) -> EdgeCalibration:
    """Publish the network with the values, then the row that says so."""
    network, column = found.network, found.column
    calibrated = network_with_edge_columns(
        network,
        name,
        {
            column: found.values,
            f"{column}_low": found.low,
            f"{column}_high": found.high,
            "exposures": found.exposures,
            "successes": found.successes,
        },
        probability=column,
        description=f"{network.network_id}, calibrated on {found.cascades} ({found.options.method})",
        options={"calibration": found.calibration_id},
    )
    row = {
        "network_id": network.network_id,
        "calibration_id": found.calibration_id,
        "snapshot_id": network.snapshot_id,
        "cascade_set": found.cascades,
        "fitted_cascades": len(found.fitted),
        **dict(zip(("fitted_part", "fitted_share"), part_of_set(network, found.fitted), strict=True)),
        "propagation_model": found.options.model,
        "method": found.options.method,
        "options": json.dumps(vars(found.options), sort_keys=True),
        "calibrated_network_id": calibrated.network_id,
        "calibrated_snapshot_id": calibrated.snapshot_id,
        "estimates": json.dumps({"uniform": found.uniform}),
        "counts": json.dumps(found.counts),
        "log_likelihood": found.log_likelihood,
        "warnings": list(found.warnings),
        "created_at": dt.datetime.now(dt.UTC),
    }
    key = calibration_key(network.network_id, found.calibration_id)
    publish_rows(network, key, {"calibrations": [row]})
    return dataclasses.replace(found, calibrated=calibrated)


def _published(network: Network, cascades: ObservedCascades, options: Options, name: str) -> EdgeCalibration | None:
    """Return a published calibration, its network made current; None if there is none, or its network is deleted."""
    identity = calibration_id(network, cascades, options, name)
    rows = network.warehouse.read("calibrations", [calibration_key(network.network_id, identity)]).to_pylist()
    if not rows:
        return None
    calibrated = index.snapshot(network.warehouse, name, rows[0]["calibrated_snapshot_id"])
    if calibrated is None:
        return None
    index.make_current(network.warehouse, calibrated)
    column = "weight" if options.model == "linear_threshold" else "probability"
    return EdgeCalibration(
        network=network,
        calibration_id=identity,
        options=options,
        fitted=cascades,
        values=calibrated.edge_values(column),
        low=calibrated.edge_values(f"{column}_low"),
        high=calibrated.edge_values(f"{column}_high"),
        exposures=calibrated.edge_values("exposures").astype(np.int64),
        successes=calibrated.edge_values("successes"),
        uniform=json.loads(rows[0]["estimates"])["uniform"],
        counts=json.loads(rows[0]["counts"]),
        log_likelihood=rows[0]["log_likelihood"],
        calibrated=calibrated,
        was_published=True,
    )


def score_calibration(
    calibration: EdgeCalibration,
    test: ObservedCascades,
    *,
    publish: bool = True,
    client: "Client | None" = None,
    progress: Progress = ignore_progress,
) -> CalibrationScores:
    """Score a calibration on cascades that it was not fitted to, beside simpler values of the same edges.

    - ``log_likelihood`` of the cascades, of all attempts that failed and all activations that an in-neighbour may have
      caused; probabilities are at least 1e-6 and at most 1 - 1e-6.
    - Next adopter: at each time of a cascade but the first, all agents of the network who have not adopted are ranked
      by the probability that those who adopted before, within the window of the calibration, activate them (for
      weights: by the sum of these). ``mrr`` is the mean reciprocal rank of an agent who does adopt then, others of the
      same time left out, ``hits_at_10`` how often it is among the first ten (the task of Wang, Zheng, Liu, Chang:
      Topological recurrent neural network for diffusion prediction. ICDM 2017), and ``precision_at_10`` the share of
      the first ten who adopt then or later in the cascade (the task of Sankar, Zhang, Krishnan, Han: Inf-VAE. WSDM
      2020). Equal agents share the mean of their ranks.
    - Predictive check: ``observed_mean_size`` of the cascades beside ``simulated_mean_size`` of cascades that the
      engine simulates from the same first agents, and ``size_distance``, the largest difference of the two cumulative
      distributions of sizes (see `analytics.calibration.predicted_sizes`). A calibration that is not published has
      no network to simulate on: there they are missing, as for ``uniform`` weights.

    Beside ``calibrated`` stand ``uniform``, the one probability of all edges that fits the same training cascades best
    (for weights: in proportion to 1 / in-degree), and ``weighted_cascade``, 1 / in-degree of the target.

    Parameters
    ----------
    calibration : EdgeCalibration
    test : ObservedCascades
        Of agents of the same network; none of those that the edges were fitted to.
    publish : bool
        Publish in the table `calibration_scores`, or load what is already published.
    client : distributed.Client, optional
        Cluster that simulates; default: threads of this process.
    progress : Progress

    Returns
    -------
    CalibrationScores

    Raises
    ------
    InvalidInputError
        If no agent adopts after the first time of a cascade, an agent is not in the network, or a cascade is one of
        those that the edges were fitted to.
    """
    network = calibration.network
    check_cascades(test)
    check_apart(network, calibration.fitted, test, ("that the edges were fitted to", "to test with"))
    if not publish:
        return score_edges(calibration, test, client, progress)
    identity = derived_uuid("score", f"{SCORES_VERSION} {calibration.calibration_id} {fingerprint(network, test)}")
    key = score_key(network.network_id, identity)
    if network.warehouse.published([key]):
        known = network.warehouse.read("calibration_scores", [key])
        order = pa.array(np.argsort([_ORDER.index(name) for name in known["predictor"].to_pylist()]))
        table = pandas_frame(known.take(order).drop_columns(_IDENTIFYING))
        return CalibrationScores(calibration, test, table, was_published=True)
    found = score_edges(calibration, test, client, progress)
    common = {
        "network_id": network.network_id,
        "score_id": identity,
        "calibration_id": calibration.calibration_id,
        "test_cascade_set": test.name,
        "test_cascades": len(test),
        **dict(zip(("test_part", "test_share"), part_of_set(network, test), strict=True)),
    }
    rows = [{**common, **{str(name): value for name, value in row.items()}} for row in found.table.to_dict("records")]
    publish_rows(network, key, {"calibration_scores": rows})
    return found


_ORDER = ("calibrated", "uniform", "weighted_cascade")
_IDENTIFYING = [
    "network_id", "score_id", "calibration_id", "test_cascade_set", "test_cascades", "test_part", "test_share",
]  # fmt: skip


def publish_rows(network: Network, key: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Publish rows of tables about a network under a key, unless another process has done so with the same rows."""
    warehouse: Store = network.warehouse
    files = [
        warehouse.stage(name, pa.Table.from_pylist(list(rows), schema=table_specification(name).schema))
        for name, rows in tables.items()
    ]
    with contextlib.suppress(AlreadyPublishedError):
        warehouse.commit(KIND, [key], files, requires=[network.key])
