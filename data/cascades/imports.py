"""From a source of observed cascades to published tables: read, clean, measure, publish."""

import datetime as dt
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from data.cascades import index
from data.cascades.observed_cascades import NO_INFECTOR, ObservedCascades
from data.cascades.options import CascadeOptions, cascade_options
from data.errors import AlreadyPublishedError, InvalidInputError, TooManyRejectsError
from data.networks.network import Network
from data.progress import Progress, shown
from data.quantities import counted
from data.warehouse.keys import cascades_key
from data.warehouse.manifests import DataFile
from data.warehouse.store import Store
from data.warehouse.tables import table_specification
from data.warehouse.tables.specification import SYMBOL

if TYPE_CHECKING:
    import pandas as pd

    from data.cascades.cleaning import CleanCascades
    from data.cascades.source_rows import SourceRows

_log = logging.getLogger(__name__)
_NAME_RULE = "a name of cascades is 1 to 100 letters, digits, '-', '_' or '.'"


def import_cascades(
    warehouse: Store,
    name: str,
    source: Any,
    /,
    *,
    network: Network | None = None,
    time_unit: str | None = None,
    labels: str | os.PathLike[str] | Mapping[Any, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> ObservedCascades:
    """Import observed cascades as the set called `name`.

    Parameters
    ----------
    warehouse : Store
    name : str
        Name of the set. Other content under the same name becomes the current one; the earlier stays readable by its
        id.
    source : path or data frame
        Text (CSV, TSV, blanks; also compressed), Parquet, a folder or tar archive of trees, or a table of pandas,
        Arrow, Polars or DuckDB; see `data.cascades.readers.read_cascades`. It is read into memory.
    network : Network, optional
        Network among whose agents the cascades spread: agents get its dense ids, rows of other agents are rejected.
    time_unit : str, optional
        What a time of 1 means; default: minutes of trees, periods of adoptions, else seconds.
    labels : path or mapping, optional
        Labels of the cascades by id: a mapping, or a file with lines of cascade and label in either order, such as
        ``false:5``.
    progress : Progress, optional
        Called with the progress of the import; default: bars in terminals and notebooks, after two seconds.
    **options
        Fields of `data.cascades.options.CascadeOptions`, such as ``format``. They include names of columns, so the
        parameters above are positional-only.

    Returns
    -------
    ObservedCascades
        The set; the same content and rejected rows under the same name publish nothing. Warnings are logged, and a
        column of the table `observed_cascade_sets`; the rejected rows are in `cascade_rejects`.

    Raises
    ------
    InvalidInputError, SourceNotFoundError
        If the source is missing, cannot be understood, or an option is invalid.
    TooManyRejectsError
        If a larger share of the rows than ``max_rejects`` is rejected.

    Examples
    --------
    >>> import tempfile, pandas as pd
    >>> rows = pd.DataFrame({"cascade": ["x", "x", "y"], "agent": ["ann", "bob", "bob"], "time": [0, 5, 2]})
    >>> import_cascades(Store(tempfile.mkdtemp()), "talk", rows).sizes
    array([2, 1])
    """
    from data.cascades.readers import read_cascades  # imports pandas, which takes half a second

    _check_arguments(name, time_unit, labels)
    chosen = cascade_options(options)
    with shown(progress) as watched:
        found = read_cascades(source, chosen, name, progress=watched)
        watched("cleaning", 0, 2)
        found, clean = _cleaned(name, found, network, time_unit, labels)
        rejects = _rejects(found, clean)
        rows_read = len(found.rows) + len(found.rejects)
        _check_rejects(found, rejects, rows_read, chosen)
        watched("cleaning", 1, 2)
        cascades = clean.cascades.with_id(_import_id(clean, rejects))
        warnings = (*found.warnings, *_doubts(clean))
        row = {
            "rows_read": rows_read,
            "rejected_rows": len(rejects),
            "unknown_infectors": clean.unknown_infectors,
            "source": found.description,
            "options": json.dumps(chosen.model_dump(exclude_defaults=True), sort_keys=True),
            "warnings": list(warnings),
            "imported_at": dt.datetime.now(dt.UTC),
        }
        _publish(warehouse, cascades, row, rejects)
        watched("cleaning", 2, 2)
    for warning in warnings:
        _log.warning("%s", warning)
    return cascades


def _cleaned(
    name: str,
    found: "SourceRows",
    network: Network | None,
    time_unit: str | None,
    labels: str | os.PathLike[str] | Mapping[Any, Any] | None,
) -> "tuple[SourceRows, CleanCascades]":
    """Return the cascades of a source, and the source with what was doubtful about the labels."""
    from data.cascades.cleaning import observed_cascades
    from data.cascades.id_texts import coded

    unit = found.time_unit if time_unit is None else time_unit
    if not len(found.rows):
        raise InvalidInputError(f"{found.description}: no row could be read as an activation")
    given = found.labels if labels is None else labels
    if given is not None and not isinstance(given, Mapping):
        given, doubts = _labels_in(given, set(coded(found.rows[["cascade"]])[1].to_pylist()))
        found = replace(found, warnings=(*found.warnings, *doubts))
    return found, observed_cascades(name, found.rows, network=network, time_unit=unit, labels=given)


def _labels_in(path: str | os.PathLike[str], cascade_ids: set[str]) -> tuple[Mapping[str, str], list[str]]:
    from data.cascades.tree_files import labels_of
    from data.readers.byte_stream import check_file

    file = Path(path)
    check_file(file)
    return labels_of(file.read_text("utf-8", errors="replace"), cascade_ids, str(path))


def _rejects(found: "SourceRows", clean: "CleanCascades") -> "pd.DataFrame":
    """Return all rejected rows, those of the reader and those of the cleaning, in the order of the source."""
    import pandas as pd

    places = found.rows.iloc[clean.rejects["row"].to_numpy()]
    of_cleaning = clean.rejects.drop(columns="row").assign(line=places["line"].to_numpy(), text=None)
    of_cleaning["file"] = places["file"].to_numpy() if "file" in places else None
    parts = [part.astype(object) for part in (found.rejects, of_cleaning) if len(part)]
    if not parts:
        return found.rejects
    return pd.concat(parts, ignore_index=True).sort_values(["file", "line"], kind="stable", ignore_index=True)


def _check_rejects(found: "SourceRows", rejects: "pd.DataFrame", rows_read: int, options: CascadeOptions) -> None:
    if len(rejects) <= options.max_rejects * rows_read:
        return
    counts = ", ".join(f"{reason}: {count:,}" for reason, count in rejects["reason"].value_counts().items())
    hint = " (or choose rows of one type with --only)" if any("--only" in each for each in found.warnings) else ""
    raise TooManyRejectsError(
        f"{found.description}: {len(rejects):,} of {rows_read:,} rows are rejected, more than the share of "
        f"{options.max_rejects:.0%} set by max_rejects ({counts}). Correct the source, or raise --max-rejects{hint}"
    )


def _doubts(clean: "CleanCascades") -> list[str]:
    """Return what was assumed or left out, as sentences for the user."""
    doubts = []
    if clean.compact_form is not None:
        doubts.append(
            f"the times are whole numbers, all of them dates written {clean.compact_form}, and were taken as dates"
        )
    if number := clean.lost_cascades:
        doubts.append(f"{counted(number, 'cascade')} {_verb(number, 'has', 'have')} no row left")
    if number := clean.lost_starts:
        doubts.append(
            f"{counted(number, 'cascade')} lost {_verb(number, 'its', 'their')} first activation, whose row was "
            "rejected; times count from the first that is left"
        )
    if number := clean.unknown_infectors:
        doubts.append(
            f"{counted(number, 'activation')} {_verb(number, 'names', 'name')} an infector that was not activated in "
            "the cascade by then; it is left out, and the activation kept"
        )
    if number := clean.unknown_followers:
        doubts.append(
            f"{counted(number, 'activation')} {_verb(number, 'has', 'have')} followers that are not a whole number of "
            "0 or more; they are left out, and the activation kept"
        )
    labels = clean.cascades.labels
    if labels is not None and (number := labels.null_count):
        doubts.append(f"{number:,} of {counted(len(labels), 'cascade')} {_verb(number, 'has', 'have')} no label")
    if number := len(clean.unused_labels):
        doubts.append(
            f"{counted(number, 'label')} {_verb(number, 'is', 'are')} of cascades that are not in the set, such as "
            f"{clean.unused_labels[0]!r}"
        )
    return doubts


def _verb(number: int, one: str, several: str) -> str:
    return one if number == 1 else several


def _import_id(clean: "CleanCascades", rejects: "pd.DataFrame") -> str:
    from data.cascades.set_ids import import_id

    columns = _reject_columns(rejects)
    texts = {name: column for name, column in columns.items() if name not in {"reject", "line"}}
    counts = (clean.unknown_infectors, clean.unknown_followers, len(clean.unused_labels))
    return import_id(clean.cascades.cascade_set_id, counts, columns["line"], texts)


def _check_arguments(name: Any, time_unit: Any, labels: Any) -> None:
    """Raise InvalidInputError if an argument is of another type than it must be, or a text breaks its rule."""
    is_name = isinstance(name, str) and 0 < len(name) <= 100 and all(c.isalnum() or c in "-_." for c in name)
    if not is_name:
        raise InvalidInputError(f"name {name!r}: {_NAME_RULE}")
    if time_unit is not None and (not isinstance(time_unit, str) or not time_unit.strip()):
        raise InvalidInputError(f"the time unit is {time_unit!r}; name what a time of 1 means, such as seconds")
    if labels is not None and not isinstance(labels, str | os.PathLike | Mapping):
        raise InvalidInputError(
            f"labels are of type {type(labels).__name__}; give a file, or a mapping from cascades to labels"
        )


# -- publishing -----------------------------------------------------------------------------------------------------


def _publish(store: Store, cascades: ObservedCascades, row: dict[str, Any], rejects: "pd.DataFrame") -> None:
    """Publish a set, unless its content is published already, and make it the current one of its name."""
    key = cascades_key(cascades.cascade_set_id)
    if not store.published([key]):
        set_row = {
            **row,
            "cascade_set_id": cascades.cascade_set_id,
            "cascade_set": cascades.name,
            "network_id": cascades.network_id,
            "snapshot_id": cascades.snapshot_id,
            "time_unit": cascades.time_unit,
            "cascades": len(cascades),
            "activations": cascades.activations,
            "agents": np.count_nonzero(np.bincount(cascades.agents)),
        }
        files = [
            store.stage_records("observed_cascade_sets", [set_row]),
            _staged(store, "observed_cascades", cascades, _cascade_columns(cascades)),
            _staged(store, "observed_activations", cascades, _activation_columns(cascades)),
            index.staged_current(store, cascades.name, cascades.cascade_set_id),
        ]
        if len(rejects):
            files.append(_staged(store, "cascade_rejects", cascades, _reject_columns(rejects)))
        with suppress(AlreadyPublishedError):  # by another process, with equal rows
            store.commit("cascades", [key], files)
            return
    index.make_current(store, cascades.name, cascades.cascade_set_id)


def _staged(store: Store, table: str, cascades: ObservedCascades, columns: Mapping[str, Any]) -> DataFile:
    """Stage rows of a table, given all columns but the id of the set."""
    schema = table_specification(table).schema
    length = len(next(iter(columns.values())))
    same = pa.DictionaryArray.from_arrays(pa.array(np.zeros(length, np.int32)), [cascades.cascade_set_id]).cast(SYMBOL)
    given = {"cascade_set_id": same, **columns}
    arrays = [
        given[field.name] if field.name == "cascade_set_id" else _array(given[field.name], field) for field in schema
    ]
    return store.stage(table, pa.Table.from_arrays(arrays, schema=schema))


def _array(values: Any, field: pa.Field) -> pa.Array:
    array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
    return array.dictionary_encode().cast(field.type) if field.type == SYMBOL else array.cast(field.type)


def _cascade_columns(cascades: ObservedCascades) -> dict[str, Any]:
    from data.cascades.trees import shapes_of

    shapes = shapes_of(cascades.offsets, cascades.parents, cascades.times)
    return {
        "cascade": np.arange(len(cascades)),
        "cascade_id": cascades.cascade_ids,
        "size": shapes.sizes,
        "duration": shapes.durations,
        "trees": shapes.trees,
        "tree_depth": shapes.depths,
        "structural_virality": shapes.structural_virality,
        "generation_interval": shapes.generation_intervals,
        "cascade_label": cascades.labels if cascades.labels is not None else pa.nulls(len(cascades), pa.string()),
    }


def _activation_columns(cascades: ObservedCascades) -> dict[str, Any]:
    count = cascades.activations
    infectors = pa.array(cascades.infectors, mask=cascades.infectors == NO_INFECTOR)
    followers = cascades.followers
    return {
        "cascade": cascades.cascades,
        "agent": cascades.agents,
        "agent_id": cascades.agent_ids.take(pa.array(cascades.agents)),
        "time": cascades.times,
        "order": np.arange(count) - np.repeat(cascades.offsets[:-1], cascades.sizes),
        "infector": infectors,
        "infector_id": cascades.agent_ids.take(infectors),
        "followers": pa.nulls(count, pa.int64()) if followers is None else pa.array(followers, mask=followers < 0),
    }


def _reject_columns(rejects: "pd.DataFrame") -> dict[str, Any]:
    texts = {name: pa.array(rejects[name], pa.string(), from_pandas=True) for name in ("file", "text", "reason")}
    return {
        "reject": np.arange(len(rejects)),
        "line": rejects["line"].to_numpy(np.int64),
        **texts,
        "cascade_id": pa.array(rejects["cascade"].astype("string"), pa.string(), from_pandas=True),
        "agent_id": pa.array(rejects["agent"].astype("string"), pa.string(), from_pandas=True),
    }
