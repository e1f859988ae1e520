"""Features of agents: structure, attributes, results of a session, and activity in observed cascades."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analytics.agent_groups import compute_columns
from analytics.structure.metrics import METRICS
from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.errors import InvalidInputError
from data.networks.agent_columns import attribute_names, column_of_agents
from data.networks.network import Network
from data.networks.numeric_types import is_numeric
from data.validation import suggestion
from propagation.result import Result

STRUCTURE = ("in_degree", "out_degree", "pagerank", "core_number", "local_clustering")
OF_SESSION = ("reach_probability", "mean_round")
OF_CASCADES = ("cascades", "cascades_started", "mean_position", "activated")
IDENTIFIERS = ("weak_component", "strong_component", "label", "community")
"""Columns of `agent_metrics` whose values are names of groups, not quantities."""
SKEWED = 1.0
"""Skewness from which a feature without negative values is seen through a logarithm."""
REDUNDANT = 0.99
"""Correlation with an earlier feature from which a feature adds nothing."""

Columns = dict[str, npt.NDArray[np.float64]]
"""Values of features, (agents,) float64 by name; NaN where an agent has none."""


@dataclass(frozen=True)
class Features:
    """Features as the agents are grouped by them.

    Attributes
    ----------
    raw : dict
        Values of each feature, (agents,) float64; NaN where an agent has none.
    transforms : tuple of str
        For each feature, ``log`` or ``none``.
    values : (agents, features) float64
        After the transforms; an agent without a value has the median of the others.
    left_out : tuple of str
        Features that were asked for and are not used, each with the reason.
    notes : tuple of str
        What else to know: how many agents have no value of a feature, or an infinite one.
    """

    raw: Columns
    transforms: tuple[str, ...]
    values: npt.NDArray[np.float64]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(self.raw)


def default_features(session: Result | None, cascades: ObservedCascades | None) -> tuple[str, ...]:
    """Return the features that are used unless others are asked for: all that are known."""
    return (*STRUCTURE, *(OF_SESSION if session is not None else ()), *(OF_CASCADES if cascades is not None else ()))


def agent_features(
    network: Network, names: Sequence[str], session: Result | None, cascades: ObservedCascades | None
) -> Columns:
    """Return features of all agents; metrics that nobody has asked for before are computed and published.

    Parameters
    ----------
    network : Network
    names : sequence of str
        Numeric attributes of the agents, columns of `agent_metrics`, those of `OF_SESSION` and `OF_CASCADES`.
    session : Result, optional
        Session whose results are features.
    cascades : ObservedCascades, optional
        Cascades that the agents were observed to take part in.

    Raises
    ------
    InvalidInputError
        If there is no such feature, or it is no quantity, or its session or cascades are missing or of other agents.
    """
    attributes = attribute_names(network)
    measured = {column for metric in METRICS.values() for column in metric.agent_columns}
    known = [*attributes, *(name for name in measured if name not in IDENTIFIERS), *OF_SESSION, *OF_CASCADES]
    for name in names:
        _check(network, name, known, session, cascades)
    compute_columns(network, names)
    of_session = {} if session is None else _session_columns(network, session)
    of_cascades = {} if cascades is None else _cascade_columns(network, cascades)
    columns: Columns = {}
    for name in names:
        if name in attributes or name in measured:
            columns[name] = _numeric(network, name)
        else:
            columns[name] = network.of_agents({**of_session, **of_cascades}[name])
    return columns


def _check(
    network: Network, name: str, known: list[str], session: Result | None, cascades: ObservedCascades | None
) -> None:
    if name in IDENTIFIERS:
        raise InvalidInputError(f"feature {name!r} numbers groups and is no quantity; leave it out")
    if name not in known:
        raise InvalidInputError(
            f"agents of network {network.network_id!r} have no feature {name!r}{suggestion(name, known)}; there are "
            f"{', '.join(known)}"
        )
    for features, given, what in ((OF_SESSION, session, "session"), (OF_CASCADES, cascades, "set of cascades")):
        if name in features and given is None:
            raise InvalidInputError(f"feature {name!r} is that of a {what}; give one")


def _numeric(network: Network, name: str) -> npt.NDArray[np.float64]:
    column = column_of_agents(network, name)
    if not (is_numeric(column.type) or pa.types.is_boolean(column.type)):
        raise InvalidInputError(
            f"feature {name!r} of network {network.network_id!r} is of type {column.type}; features are numbers"
        )
    return network.of_agents(column.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False))


def _session_columns(network: Network, session: Result) -> Columns:
    """Return results by dense id: how often the message reaches an agent, and its mean round, NaN if never."""
    if session.session["snapshot_id"] != network.snapshot_id:
        raise InvalidInputError(
            f"session {session.session_id} ran on another network than {network.network_id!r} as it is now; choose one "
            "of this network"
        )
    if session.session["record"] == "rounds":
        raise InvalidInputError(
            f"session {session.session_id} recorded 'rounds' only; run it with record='reach' to group agents by it"
        )
    rows = session.table("reach")
    agents = rows["agent"].to_numpy()
    probability, when = np.zeros(network.n_ids), np.full(network.n_ids, np.nan)
    probability[agents] = rows["probability"].to_numpy()
    when[agents] = rows["mean_round"].to_numpy()
    return {"reach_probability": probability, "mean_round": when}


def _cascade_columns(network: Network, cascades: ObservedCascades) -> Columns:
    """Return activity by dense id.

    Cascades taken part in, those started, mean position in them (0: the first agent, 1: the last; NaN without any), and
    agents activated per cascade taken part in.
    """
    place = _places(network, cascades)
    agents = place[cascades.agents]
    size = cascades.sizes[cascades.cascades]
    order = np.arange(len(agents)) - cascades.offsets[:-1][cascades.cascades]
    is_here = agents >= 0
    counted = np.bincount(agents[is_here], minlength=network.n_ids).astype(np.float64)
    started = np.bincount(agents[is_here & (order == 0)], minlength=network.n_ids).astype(np.float64)
    positions = np.bincount(agents[is_here], (order / np.maximum(size - 1, 1))[is_here], network.n_ids)
    infectors = np.where(cascades.infectors == NO_INFECTOR, -1, place[np.maximum(cascades.infectors, 0)])
    activated = np.bincount(infectors[infectors >= 0], minlength=network.n_ids).astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean_position = positions / counted
    return {
        "cascades": counted,
        "cascades_started": started,
        "mean_position": mean_position,
        "activated": activated / np.maximum(counted, 1.0),
    }


def _places(network: Network, cascades: ObservedCascades) -> npt.NDArray[np.int64]:
    """Return the network's dense id of each agent of the cascades, -1 for agents that it does not have."""
    if cascades.snapshot_id == network.snapshot_id:
        return np.arange(network.n_ids)
    names = cascades.agent_ids.to_pylist()
    known = network.known_ids([name for name in names if name is not None])
    if not known:
        raise InvalidInputError(
            f"no agent of the cascades {cascades.name!r} is an agent of network {network.network_id!r}; use cascades "
            "and a network with the same agent ids"
        )
    return np.array([known.get(name, -1) for name in names], np.int64)


# -- scales ---------------------------------------------------------------------------------------------------------


def transformed(columns: Columns) -> Features:
    """Return features on scales on which distances mean something, without those that add nothing.

    A feature without negative values whose skewness is above `SKEWED` is replaced by ``log(1 + x / m)``, where m is the
    median of its positive values. An agent without a value, or with an infinite one, has the median of those that have
    one. Features that are the same for all agents, or correlate by more than `REDUNDANT` with an earlier one, are left
    out.

    Raises
    ------
    InvalidInputError
        If no feature is left.
    """
    kept: Columns = {}
    values: list[npt.NDArray[np.float64]] = []
    transforms, left_out, notes = [], [], []
    for name, column in columns.items():
        known = column[np.isfinite(column)]
        if not len(known) or np.ptp(known) == 0.0:
            left_out.append(f"{name}: {_sameness(column, known)}")
            continue
        filled = np.where(np.isfinite(column), column, np.median(known))
        transform = "log" if known.min() >= 0 and _skewness(known) > SKEWED else "none"
        if transform == "log":
            filled = np.log1p(filled / np.median(known[known > 0]))
        twin = next((other for other, each in zip(kept, values, strict=True) if _correlates(each, filled)), None)
        if twin is not None:
            left_out.append(f"{name}: correlates with {twin} by more than {REDUNDANT:g}")
            continue
        if len(known) < len(column):
            notes.append(f"{name}: {_missing(column)}; they have the median of the others")
        kept[name] = column
        values.append(filled)
        transforms.append(transform)
    if not kept:
        raise InvalidInputError(f"no feature tells agents apart ({'; '.join(left_out)}); choose others")
    return Features(kept, tuple(transforms), np.column_stack(values), tuple(left_out), tuple(notes))


def _sameness(column: npt.NDArray[np.float64], known: npt.NDArray[np.float64]) -> str:
    """Return why a feature tells no agents apart."""
    if not len(known):
        return f"no agent has a finite value ({_missing(column)})"
    if len(known) < len(column):
        return f"the same for all agents that have a value ({_missing(column)})"
    return "the same for all agents"


def _missing(column: npt.NDArray[np.float64]) -> str:
    """Return how many agents have no value, and how many an infinite one."""
    counts = {"no value": int(np.isnan(column).sum()), "an infinite value": int(np.isinf(column).sum())}
    return ", ".join(
        f"{count:,} {'agent has' if count == 1 else 'agents have'} {what}" for what, count in counts.items() if count
    )


def _skewness(values: npt.NDArray[np.float64]) -> float:
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)


def _correlates(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> bool:
    spread = first.std() * second.std()
    return bool(spread > 0 and abs(((first - first.mean()) * (second - second.mean())).mean()) > REDUNDANT * spread)
