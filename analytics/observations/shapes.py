"""Shapes of cascades, observed or simulated: size, duration, depth, structural virality, generation interval."""

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from data.cascades.observed_cascades import ObservedCascades
from data.cascades.trees import CascadeShapes, shapes_of
from data.errors import AlreadyPublishedError
from data.warehouse.keys import session_key, shapes_key
from data.warehouse.tables import table_specification
from propagation.result import Result, session_id_column
from propagation.transmissions import RecordedActivations

if TYPE_CHECKING:
    from data.warehouse.store import Store

QUANTITIES = ("size", "duration", "trees", "tree_depth", "structural_virality", "generation_interval")
"""The columns that describe a cascade's shape."""
_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}


def cascade_shapes(cascades: ObservedCascades | Result) -> pd.DataFrame:
    """Return the shape of each cascade, observed or simulated, one row each.

    Rumormill's own, from the trees of infectors, in time linear in the activations. Observed cascades are in memory;
    those of a published session are read some replicates at a time.

    Parameters
    ----------
    cascades : ObservedCascades or Result
        A set of observed cascades, or a session that recorded ``activations`` (or ``contacts``).

    Returns
    -------
    DataFrame
        ``cascade`` (int64: position in the set, or replicate), ``cascade_id`` (str), ``size`` (int64: activations,
        seeds included), ``duration`` (float64: time from the first to the last activation, in the set's unit or
        rounds), ``trees`` (int64: activations without a known infector), ``tree_depth`` (Int64: longest chain of
        infectors), ``structural_virality`` (float64: mean distance of all pairs in the same tree, in steps), and
        ``generation_interval`` (float64: mean time between infector and infected). The last three are missing where
        no infector is known: where a source does not say who activated whom, nothing is invented.

    Raises
    ------
    InvalidInputError
        If the session recorded less than its activations.

    References
    ----------
    Goel, Anderson, Hofman and Watts (2016), The structural virality of online diffusion, Management Science 62.

    Examples
    --------
    >>> from data.cascades.cleaning import observed_cascades
    >>> rows = pd.DataFrame({"cascade": 1, "agent": list("abc"), "time": [0, 2, 5], "infector": [None, "a", "b"]})
    >>> cascade_shapes(observed_cascades("chain", rows).cascades).loc[0, ["tree_depth", "generation_interval"]].tolist()
    [2.0, 2.5]
    """
    if isinstance(cascades, ObservedCascades):
        found = shapes_of(cascades.offsets, cascades.parents, cascades.times)
        return _frame(found, np.arange(len(cascades)), cascades.cascade_ids.to_pylist())
    return pd.concat(_of_replicates(RecordedActivations(cascades), cascades.network.n_ids), ignore_index=True)


def _of_replicates(recorded: RecordedActivations, n_ids: int) -> Iterator[pd.DataFrame]:
    for part in recorded:
        shapes = shapes_of(part.starts, part.parents(n_ids), part.rounds, seeds_are_known=True)
        replicates = part.first_replicate + np.arange(len(part.starts) - 1)
        yield _frame(shapes, replicates, list(map(str, replicates.tolist())))


def _frame(shapes: CascadeShapes, cascades: np.ndarray, ids: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cascade": cascades,
            "cascade_id": ids,
            "size": shapes.sizes,
            "duration": shapes.durations,
            "trees": shapes.trees,
            "tree_depth": pd.array(shapes.depths, dtype="Float64").astype("Int64"),
            "structural_virality": shapes.structural_virality,
            "generation_interval": shapes.generation_intervals,
        }
    )


def publish_shapes(result: Result, shapes: pd.DataFrame | None = None) -> bool:
    """Publish the shapes of a published session's cascades in the table `cascade_shapes`; False if they were before.

    Parameters
    ----------
    result : Result
        Of a published session that recorded ``activations`` (or ``contacts``).
    shapes : DataFrame, optional
        What `cascade_shapes` returned for it; default: they are measured, if they are not published.

    Raises
    ------
    InvalidInputError
        If the session recorded less than its activations.
    RequirementGoneError
        If the session is not published, or was deleted.
    """
    store: Store = result.network.warehouse
    key = shapes_key(result.session_id)
    if store.published([key]):
        return False
    frame = cascade_shapes(result) if shapes is None else shapes
    schema = table_specification("cascade_shapes").schema
    columns = {
        **{name: pa.array(frame[name], from_pandas=True) for name in QUANTITIES},
        "session_id": session_id_column([result.session_id], [len(frame)]),
        "replicate": pa.array(frame["cascade"]),
    }
    rows = pa.Table.from_arrays([columns[field.name].cast(field.type) for field in schema], schema=schema)
    with suppress(AlreadyPublishedError):  # by another process, with equal rows
        store.commit("shapes", [key], [store.stage("cascade_shapes", rows)], requires=[session_key(result.session_id)])
        return True
    return False


def shape_quantiles(shapes: pd.DataFrame) -> pd.DataFrame:
    """Return mean and quantiles of each of `QUANTITIES` over cascades, one row each.

    Parameters
    ----------
    shapes : DataFrame
        What `cascade_shapes` returned.

    Returns
    -------
    DataFrame
        ``quantity``, ``cascades`` (int64: those for which it is known), ``mean``, ``min``, ``q25``, ``median``,
        ``q75``, ``q95``, ``max`` (float64, NaN if it is known for none).
    """
    rows = []
    for quantity in QUANTITIES:
        known = shapes[quantity].dropna().to_numpy(np.float64)
        row: dict[str, object] = {"quantity": quantity, "cascades": len(known)}
        row["mean"] = float(known.mean()) if len(known) else np.nan
        for name, quantile in _QUANTILES.items():
            row[name] = float(np.quantile(known, quantile)) if len(known) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)
