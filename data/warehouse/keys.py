"""Keys of publications: they name what a publication adds, and each is published at most once in a warehouse.

Keys are stored in manifests, so their format never changes.
"""

from typing import NewType

Key = NewType("Key", str)
"""A key such as ``session/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b``."""


def network_key(network_id: str, snapshot_id: str) -> Key:
    """Return the key of a snapshot of a network."""
    return Key(f"network/{network_id}/{snapshot_id}")


def successor_key(network_id: str, parent_snapshot_id: str | None) -> Key:
    """Return the key that only one successor of a snapshot can publish, since each would number new agents."""
    return Key(f"network/{network_id}/after/{parent_snapshot_id}")


def session_key(session_id: str) -> Key:
    """Return the key of a session's results."""
    return Key(f"session/{session_id}")


def message_key(message_id: str) -> Key:
    """Return the key of a message."""
    return Key(f"message/{message_id}")


def campaign_key(campaign_id: str) -> Key:
    """Return the key of a campaign."""
    return Key(f"campaign/{campaign_id}")


def run_key(run_id: str) -> Key:
    """Return the key of a stored run."""
    return Key(f"run/{run_id}")


def event_key(event_id: str) -> Key:
    """Return the key of an event."""
    return Key(f"event/{event_id}")


def containment_key(network_id: str, containment_id: str) -> Key:
    """Return the key of the plans of a containment."""
    return Key(f"containment/{network_id}/{containment_id}")


def calibration_key(network_id: str, calibration_id: str) -> Key:
    """Return the key of a calibration of a network's edges, or of a model's parameters on it."""
    return Key(f"calibration/{network_id}/{calibration_id}")


def score_key(network_id: str, score_id: str) -> Key:
    """Return the key of the scores of a calibration on some cascades."""
    return Key(f"score/{network_id}/{score_id}")


def round_key(session_id: str, number: int) -> Key:
    """Return the key of a round of a session, as the reference plan publishes it."""
    return Key(f"frontier/{session_id}/{number}")


def checkpoint_key(lane_group_id: str) -> Key:
    """Return the key of a checkpoint of a partitioned run."""
    return Key(f"checkpoint/{lane_group_id}")


def metric_key(snapshot_id: str, metric: str) -> Key:
    """Return the key of a metric of a snapshot's structure."""
    return Key(f"metric/{snapshot_id}/{metric}")


DECISION = "decision"
"""Kind of the publications, and of the keys, of what was found out about sessions, which their properties name."""


def decision_key(table: str, *identifiers: str | int) -> Key:
    """Return the key of rows of a table of decisions, such as ``decision/transmission_paths/6ec0bd7f/12``."""
    return Key("/".join([DECISION, table, *map(str, identifiers)]))


def ranking_key(snapshot_id: str, ranking_id: str) -> Key:
    """Return the key of a comparison of rankings of a snapshot's agents."""
    return Key(f"ranking/{snapshot_id}/{ranking_id}")


def crossing_key(session_id: str, grouping: str, groups_digest: str) -> Key:
    """Return the key of how a session's message crosses groups of agents, such as communities.

    The digest is that of the group of every agent: the same name may mean other groups later. Keys of earlier versions,
    ``crossing/SESSION/GROUPING``, lack it.
    """
    return Key(f"crossing_of_groups/{session_id}/{groups_digest}/{grouping}")


def selection_key(network_id: str, selection_id: str) -> Key:
    """Return the key of a seed selection."""
    return Key(f"selection/{network_id}/{selection_id}")


def features_key(cascade_set_id: str, observation_id: str) -> Key:
    """Return the key of the features of a set of cascades under an observation."""
    return Key(f"features/{cascade_set_id}/{observation_id}")


def forecast_model_key(model_id: str) -> Key:
    """Return the key of a model that forecasts cascades, with its scores."""
    return Key(f"forecast_model/{model_id}")


def forecast_key(model_id: str, cascade_set_id: str) -> Key:
    """Return the key of a model's forecasts of a set of cascades."""
    return Key(f"forecast/{model_id}/{cascade_set_id}")


def cascades_key(cascade_set_id: str) -> Key:
    """Return the key of a set of observed cascades."""
    return Key(f"cascades/{cascade_set_id}")


def shapes_key(session_id: str) -> Key:
    """Return the key of the shapes of a session's cascades."""
    return Key(f"shapes/{session_id}")


def segmentation_key(snapshot_id: str, segmentation_id: str) -> Key:
    """Return the key of a segmentation of a snapshot's agents."""
    return Key(f"segmentation/{snapshot_id}/{segmentation_id}")


def surrogate_key(network_id: str, surrogate_id: str) -> Key:
    """Return the key of a surrogate of simulations on a network."""
    return Key(f"surrogate/{network_id}/{surrogate_id}")


def rows_of(key: str) -> dict[str, str | int]:
    """Return the column values that identify the rows of a publication's key; a table may lack some of the columns.

    Examples
    --------
    >>> rows_of(round_key("6ec0bd7f", 3))
    {'session_id': '6ec0bd7f', 'round': 3}
    >>> rows_of(checkpoint_key("6ec0bd7f"))
    {}
    """
    kind, _, rest = key.partition("/")
    if kind == "network":
        network_id, _, snapshot_id = rest.partition("/")
        return {"network_id": network_id, "snapshot_id": snapshot_id}
    if kind == "frontier":
        session_id, _, number = rest.partition("/")
        return {"session_id": session_id, "round": int(number)}
    if kind == "metric":
        return {"snapshot_id": rest.partition("/")[0]}
    if kind == "crossing_of_groups":
        session_id, _, grouping = rest.split("/", 2)
        return {"session_id": session_id, "grouping": grouping}
    if kind in _PAIRS:
        return dict(zip(_PAIRS[kind], rest.split("/", 1), strict=True))
    column = _COLUMNS.get(kind)
    return {} if column is None else {column: rest}


_PAIRS = {
    "calibration": ("network_id", "calibration_id"),
    "score": ("network_id", "score_id"),
    "containment": ("network_id", "containment_id"),
    "selection": ("network_id", "selection_id"),
    "ranking": ("snapshot_id", "ranking_id"),
    "segmentation": ("snapshot_id", "segmentation_id"),
    "surrogate": ("network_id", "surrogate_id"),
    "crossing": ("session_id", "grouping"),
    "features": ("cascade_set_id", "observation_id"),
    "forecast": ("model_id", "cascade_set_id"),
}
_COLUMNS = {
    "cascades": "cascade_set_id",
    "shapes": "session_id",
    "session": "session_id",
    "message": "message_id",
    "campaign": "campaign_id",
    "run": "run_id",
    "event": "event_id",
    "forecast_model": "model_id",
}


def identity(key: str) -> str:
    """Return what follows the kind in a key.

    Examples
    --------
    >>> identity(campaign_key("6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b"))
    '6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b'
    """
    return key.partition("/")[2]
