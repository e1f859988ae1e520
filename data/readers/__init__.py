"""Readers: edge lists of all supported formats, as `EdgeList`.

Formats are text (SNAP, CSV, TSV; plain or compressed), METIS, Matrix Market, Parquet, and the tables, graphs and
matrices of other libraries. A reader returns every well-formed row in order, counts the others, and reports what it
guessed. Self-loops and duplicates are removed later, in `data.networks.cleaning`.
"""

import os
from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa

from data.networks.edge_lists import EdgeList, ImportOptions
from data.progress import Progress, ignore_progress
from data.readers.agents import read_agents
from data.readers.byte_stream import check_file, first_bytes
from data.readers.formats import refuse_other_formats
from data.readers.layout import suffix_of
from data.readers.matrix_market import is_matrix_market, read_matrix_market
from data.readers.metis import read_metis
from data.readers.objects import read_object
from data.readers.sources import local_path
from data.readers.tabular import is_parquet, read_frame, read_parquet, read_table
from data.readers.text import read_text

__all__ = ["read_agents", "read_edges"]


def read_edges(
    source: Any,
    options: ImportOptions,
    *,
    agents: Any = None,
    progress: Progress = ignore_progress,
) -> EdgeList:
    """Read an edge list of any supported format.

    A file is Parquet if it begins like Parquet or is named ``.parquet`` or ``.pq``, Matrix Market if it begins with
    the banner, METIS if it is named ``.graph`` or ``.metis``, else text; a folder contains Parquet files. Comments
    (lines that begin with ``#`` or ``%``) and blank lines are not rows. Ids are text or integers, without surrounding
    blanks. Graph formats that are not edge lists (GML, GraphML, Pajek, ...) are refused with a hint.

    Parameters
    ----------
    source : str, path-like, table, graph or sparse matrix
        The edges: a file, a table with one row per edge (pandas, Arrow), or an object of another library that
        `data.readers.objects.read_object` knows.
    options : ImportOptions
        Header, columns, roles, direction and the limit of malformed rows.
    agents : str, path-like or table, optional
        Agents that may have no edges, with their attributes; see `read_agents`.
    progress : Progress
        Called with ``("reading", done, total)``, in bytes of a text file or rows of a table.

    Returns
    -------
    EdgeList
        All well-formed rows in the order of the source, self-loops and duplicates included.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    EdgeListError
        If the source cannot be read as an edge list; the message says why and what to do.
    TooManyRejectsError
        If more rows are malformed than ``options.max_rejects``.

    Examples
    --------
    >>> edges = read_edges(pa.table({"from": ["ann", "bob"], "to": ["bob", "cem"], "w": [1, 2]}), ImportOptions())
    >>> edges.agent_ids.take(pa.array(edges.target)).to_pylist()
    ['bob', 'cem']
    >>> edges.edge_attributes.column_names
    ['w']
    """
    doubts: list[str] = []
    known = None if agents is None else read_agents(agents, doubts)
    edges = _read(source, options, known, progress)
    return replace(edges, warnings=(*doubts, *edges.warnings))


def _read(
    source: Any,
    options: ImportOptions,
    agents: pa.Table | None,
    progress: Progress,
) -> EdgeList:
    if isinstance(source, pd.DataFrame):
        return read_frame(source, options, agents, progress)
    if isinstance(source, pa.Table):
        return read_table(source, options, agents, progress)
    if not isinstance(source, str | os.PathLike):
        return read_object(source, options, agents, progress)
    path = local_path(source)
    if not path.is_dir() or not is_parquet(path):
        check_file(path)
    if is_parquet(path):
        return read_parquet(path, options, agents, progress)
    start = first_bytes(path)
    if is_matrix_market(start):
        return read_matrix_market(path, options, agents, progress)
    refuse_other_formats(start, path)
    if suffix_of(path) in {".graph", ".metis"}:
        return read_metis(path, options, agents, progress)
    return read_text(path, options, agents, progress)
