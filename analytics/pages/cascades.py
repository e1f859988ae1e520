"""The page of observed cascades: shapes and curves, beside a simulated session, as one self-contained HTML file."""

import json
import shlex
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analytics.observations.pictures import ShapeQuantity, activation_curves, shape_distribution
from analytics.observations.shapes import QUANTITIES, cascade_shapes, shape_quantiles
from analytics.pages.downloads import Download, file_stem, table_download
from analytics.pages.page_tables import Column, PageTable
from analytics.pages.rendering import rendered
from analytics.pages.session_tables import model_text, quoted
from analytics.pages.svg import Picture, page_picture
from data.cascades import index
from data.cascades.observed_cascades import ObservedCascades
from data.facade import Warehouse
from data.quantities import counted, number_text
from propagation.result import Result
from propagation.transmissions import records_activations

LATEST_SET = "(SELECT max_by(cascade_set_id, imported_at) FROM observed_cascade_sets)"
"""What stands in the queries of the downloads for the set."""
LARGEST = 50
"""Cascades in the table of the largest."""
MOST_LABELS = 30
"""Labels in the table of labels, those with most cascades."""
_QUANTITIES = {
    "size": "size, agents",
    "duration": "duration, {unit}",
    "trees": "trees",
    "tree_depth": "depth, steps",
    "structural_virality": "structural virality, steps",
    "generation_interval": "generation interval, {unit}",
}
_STATISTICS = {
    "mean": "mean", "min": "smallest", "q25": "25 %", "median": "median", "q75": "75 %", "q95": "95 %",
    "max": "largest",
}  # fmt: skip


def cascades_page(
    warehouse: Warehouse,
    name: str,
    session: Result | None = None,
    *,
    called: str | None = None,
    round_length: float | None = None,
) -> str:
    """Return the page of a set of observed cascades: one HTML file that needs nothing else.

    It has the distributions of size and structural virality, the curve of activations, the largest cascades, labels,
    provenance with the reasons for which rows were rejected, and downloads. With a session, all of these stand beside
    the same of its simulated cascades.

    Parameters
    ----------
    warehouse : Warehouse
    name : str
        Name of the set, or its id.
    session : Result, optional
        A session of the same warehouse. Depth and virality need its activations; without them only sizes and
        durations are compared.
    called : str, optional
        What the session is called; default: the beginning of its id.
    round_length : float, optional
        Time that a round stands for, as in `activation_curves`.

    Returns
    -------
    str
        HTML, in UTF-8.

    Raises
    ------
    CascadesNotFoundError
        If the warehouse has no such cascades; the message lists those it has.
    InvalidInputError
        If the length of a round is not positive.
    """
    row, observed = index.found_row(warehouse, name), warehouse.cascades(name)
    shapes = cascade_shapes(observed)
    simulated = None if session is None else _shapes_of(session)
    called = "" if session is None else called or session.session_id[:8]
    return rendered(
        "cascades.html",
        {
            "name": observed.name,
            "headline": _headline(observed),
            "subtitle": _subtitle(row),
            "sentences": list(_sentences(row, observed, session, called)),
            "tables": list(_shape_tables(observed.time_unit, shapes, simulated, called)),
            "curve": _curve(observed, session, called, round_length),
            "distributions": list(_distributions(observed, shapes, simulated, called)),
            "largest": _largest(observed, shapes),
            "labels": _labels(observed, shapes),
            "facts": _facts(row),
            "guesses": list(row["warnings"] or ()),
            "rejected": _rejected(warehouse, row),
            "downloads": list(_downloads(warehouse, row, observed)),
            "next_steps": _next_steps(warehouse, observed.name),
        },
    )


def _shapes_of(session: Result) -> pd.DataFrame:
    """Return the shapes of a session's cascades, as far as it recorded what they follow from."""
    if records_activations(session):
        return cascade_shapes(session)
    replicates = session.cascades
    known = {"size": replicates["size"], "duration": replicates["rounds"]}
    return pd.DataFrame({name: known.get(name, np.nan) for name in QUANTITIES}, index=replicates.index)


# -- in words -------------------------------------------------------------------------------------------------------


def _headline(observed: ObservedCascades) -> str:
    largest = int(observed.sizes.max())
    if len(observed) == 1:
        return f"One observed cascade activates {counted(largest, 'agent')}"
    return (
        f"{len(observed):,} observed cascades activate {observed.sizes.mean():,.1f} agents on average; the largest "
        f"activates {largest:,}"
    )


def _subtitle(row: Mapping[str, Any]) -> str:
    place = "" if row["network_id"] is None else f" on the network {row['network_id']}"
    return f"{counted(row['activations'], 'activation')} of {counted(row['agents'], 'agent')}{place}"


def _sentences(
    row: Mapping[str, Any], observed: ObservedCascades, session: Result | None, called: str
) -> Iterator[str]:
    yield f"Times are in {row['time_unit']} and count from the first activation of each cascade."
    later = observed.activations - len(observed)
    known = int(np.count_nonzero(observed.infectors >= 0))
    if known == 0:
        yield "The source does not say who activated whom, so depth and structural virality are unknown."
    elif known < later:
        yield f"Of the {later:,} activations after the first of each cascade, {known:,} have a known infector."
    if session is not None:
        yield (
            f"Beside them: the session {quoted(called)}, {model_text(session.session)}, with "
            f"{counted(session.reach.replicates, 'replicate')}, on the network {session.network.network_id}; its times "
            "are rounds."
        )


# -- tables ---------------------------------------------------------------------------------------------------------


def _shape_tables(
    unit: str, shapes: pd.DataFrame, simulated: pd.DataFrame | None, called: str
) -> Iterator[tuple[str, PageTable]]:
    """Yield a table of the shapes of observed cascades, and one of those of simulated ones, each with its heading."""
    yield "Observed" if simulated is not None else "", _shape_table("observed", unit, shapes)
    if simulated is not None:
        yield f"Simulated: {called}", _shape_table("simulated", "rounds", simulated)


def _shape_table(origin: str, unit: str, shapes: pd.DataFrame) -> PageTable:
    found = shape_quantiles(shapes.assign(trees=shapes["trees"].where(shapes["tree_depth"].notna())))
    statistics = _STATISTICS if len(shapes) > 1 else {"mean": "value"}
    rows = [
        [
            _QUANTITIES[row["quantity"]].format(unit=unit),
            f"{row['cascades']:,}",
            *(number_text(row[name]) for name in statistics),
        ]
        for row in found.to_dict("records")
        if row["cascades"]
    ]
    columns = [Column("", is_number=False), Column("cascades"), *map(Column, statistics.values())]
    return PageTable(f"Shapes of {origin} cascades", "quantities", columns, rows)


def _largest(observed: ObservedCascades, shapes: pd.DataFrame) -> PageTable | None:
    """Return the table of the largest cascades; None if there is one only."""
    if len(observed) == 1:
        return None
    order = np.lexsort((np.arange(len(observed)), -observed.sizes))[:LARGEST]
    quantities = [name for name in QUANTITIES if shapes[name].notna().any()]
    headings = [_QUANTITIES[name].format(unit=observed.time_unit) for name in quantities]
    rows = []
    for position in order.tolist():
        label = [] if observed.labels is None else [observed.labels[position].as_py() or "-"]
        numbers = [
            number_text(float(value) if pd.notna(value) else None)
            for value in (shapes[name].iloc[position] for name in quantities)
        ]
        rows.append([observed.cascade_ids[position].as_py(), *label, *numbers])
    columns = [Column("cascade", is_number=False)]
    columns += [] if observed.labels is None else [Column("label", is_number=False)]
    rows_are = "largest cascades" if len(observed) > LARGEST else "cascades"
    return PageTable("The largest cascades", rows_are, [*columns, *map(Column, headings)], rows)


def _labels(observed: ObservedCascades, shapes: pd.DataFrame) -> PageTable | None:
    """Return the table of shapes by label; None if the source has no labels."""
    if observed.labels is None:
        return None
    labels = observed.labels.to_pandas().fillna("without a label")
    groups = shapes.assign(label=labels.to_numpy()).groupby("label", sort=True)
    sizes = groups.size().sort_values(ascending=False, kind="stable")
    rows = []
    for label in sizes.index[:MOST_LABELS]:
        part = groups.get_group(label)
        rows.append(
            [
                str(label),
                f"{len(part):,}",
                number_text(part["size"].mean()),
                number_text(part["size"].median()),
                number_text(part["size"].max()),
                number_text(part["duration"].median()),
                number_text(part["tree_depth"].astype(float).mean()),
                number_text(part["structural_virality"].mean()),
            ]
        )
    headings = (
        "cascades", "mean size", "median size", "largest size", f"median duration, {observed.time_unit}", "mean depth",
        "mean structural virality",
    )  # fmt: skip
    return PageTable("Shapes by label", "labels", [Column("label", is_number=False), *map(Column, headings)], rows)


# -- pictures -------------------------------------------------------------------------------------------------------


def _curve(observed: ObservedCascades, session: Result | None, called: str, round_length: float | None) -> Picture:
    of = "the cascade" if len(observed) == 1 else f"the mean of the {len(observed):,} cascades"
    text = f"Curve of activations over time: {of} of {observed.name}, ending at {observed.sizes.mean():,.1f} agents"
    if session is not None:
        text += f"; beside it the session {called}, whose mean ends at {session.reach.mean:,.1f} agents"
    draw = partial(activation_curves, observed, session, round_length=round_length, name=called or None)
    return page_picture(draw, 4.4, "activations", f"{text}.")


def _distributions(
    observed: ObservedCascades, shapes: pd.DataFrame, simulated: pd.DataFrame | None, called: str
) -> Iterator[Picture]:
    """Yield the distributions of size and of structural virality, as far as more than one cascade has them."""
    named: tuple[tuple[ShapeQuantity, str], ...] = (("size", "sizes"), ("structural_virality", "structural virality"))
    for quantity, words in named:
        frames = {observed.name: shapes, **({} if simulated is None else {called: simulated})}
        parts = [
            f"{name}: median {number_text(float(frame[quantity].median()))}, largest "
            f"{number_text(float(frame[quantity].max()))}"
            for name, frame in frames.items()
            if frame[quantity].notna().any()
        ]
        if max(frame[quantity].notna().sum() for frame in frames.values()) > 1:
            draw = partial(shape_distribution, quantity, shapes, simulated, names=(observed.name, called))
            alternative = f"Share of cascades with at least each value, distribution of {words}. {'; '.join(parts)}."
            yield page_picture(draw, 4.4, quantity.replace("_", "-"), alternative)


# -- provenance -----------------------------------------------------------------------------------------------------


def _facts(row: Mapping[str, Any]) -> dict[str, str]:
    options = json.loads(row["options"])
    given = ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)
    network = "none" if row["network_id"] is None else f"{row['network_id']}, snapshot {row['snapshot_id']}"
    return {
        "Cascades": row["cascade_set"],
        "Source": row["source"],
        "Options": given or "none",
        "Imported": f"{row['imported_at']:%Y-%m-%d %H:%M} UTC",
        "Network": network,
        "Rows read": f"{row['rows_read']:,}",
        "Rejected": f"{row['rejected_rows']:,}",
        "Infectors left out, not active by then": f"{row['unknown_infectors']:,}",
        "Id of the set": row["cascade_set_id"],
    }


def _rejected(warehouse: Warehouse, row: Mapping[str, Any]) -> PageTable | None:
    """Return the table of the reasons for which rows were rejected; None if none was."""
    if not row["rejected_rows"]:
        return None
    counts = warehouse.cascade_rejects(row["cascade_set_id"])["reason"].astype(str).value_counts()
    rows = [[str(reason), f"{count:,}"] for reason, count in counts.items()]
    return PageTable("Rejected rows", "reasons", [Column("reason", is_number=False), Column("rows")], rows)


def _downloads(warehouse: Warehouse, row: Mapping[str, Any], observed: ObservedCascades) -> Iterator[Download]:
    offered = {
        "observed_cascades": (len(observed), "cascades", "one row per cascade: its shape"),
        "observed_activations": (observed.activations, "activations", "one row per activation: when, and by whom"),
        "cascade_rejects": (row["rejected_rows"], "rejects", "one row per rejected row, with the reason"),
    }
    about = {LATEST_SET: row["cascade_set_id"]}
    for table, (rows, what, description) in offered.items():
        if rows:
            name = f"{file_stem(observed.name)}-{what}.csv"
            yield table_download(warehouse, table, rows, name, description, about=about)


def _next_steps(warehouse: Warehouse, name: str) -> dict[str, str]:
    """Return lines of code and commands that continue from the page, by label."""
    command, quoted_name = f"rumormill --warehouse {shlex.quote(warehouse.url)}", shlex.quote(name)
    return {
        "In Python": "\n".join(
            (
                "from analytics import cascade_shapes",
                "from data import Warehouse",
                "",
                f"observed = Warehouse({warehouse.url!r}).cascades({name!r})",
                "cascade_shapes(observed)    # pandas: one row per cascade",
                "observed.frame()            # pandas: one row per activation",
            )
        ),
        "On the command line": "\n".join(
            (
                f"{command} cascades show {quoted_name} --session SESSION",
                f"{command} calibrate edges --help    # learn edge values from them",
                f"{command} forecast fit --help       # forecast final sizes",
            )
        ),
    }
