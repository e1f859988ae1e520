"""Cascades of a stream of events without a column of the cascade: each tree of infectors is one."""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from data.cascades.id_texts import coded
from data.cascades.times import measured_times
from data.quantities import counted


def split_trees(rows: pd.DataFrame, source: str) -> tuple[pd.DataFrame, list[str]]:
    """Return rows with the cascades that their infectors make, and what was assumed.

    Each agent is activated once, by its first row. An infector that has no earlier row of its own is the root of a new
    tree, activated at the time at which it is first named, as nothing is known about it before. Each tree is a cascade,
    named after its root.

    Parameters
    ----------
    rows : DataFrame
        ``agent``, ``infector``, ``time`` and ``line``.
    source : str
        Readable origin.

    Returns
    -------
    (DataFrame, list of str)
        The rows, after one row for each root, with the column ``cascade``; and sentences for the user.
    """
    times = measured_times(rows["time"], "seconds").values  # in any unit: only their order matters here
    (agent, infector), texts = coded(rows[["agent", "infector"]])
    ids = texts.to_numpy(zero_copy_only=False)
    usable = np.flatnonzero(np.isfinite(times) & (agent >= 0))
    usable = usable[np.argsort(times[usable], kind="stable")]
    # 1. The first row of each agent, and the first that names it as infector.
    own, named = (np.full(len(ids), -1) for _ in range(2))
    own[agent[usable][::-1]] = usable[::-1]
    naming = usable[infector[usable] >= 0]
    named[infector[naming][::-1]] = naming[::-1]
    own_time, named_time = (np.where(first >= 0, times[first], np.inf) for first in (own, named))
    is_root = named_time < own_time
    # 2. Trees: each agent with the infector of its first row, unless it was a root by then.
    child = np.flatnonzero((own >= 0) & ~is_root)
    child = child[infector[own[child]] >= 0]
    edges = sparse.coo_array((np.ones(len(child), np.int8), (child, infector[own[child]])), (len(ids), len(ids)))
    _, tree = csgraph.connected_components(edges, directed=False)
    # 3. A tree has the name of its earliest agent that has no infector in it.
    moment = np.minimum(own_time, named_time)
    has_infector = np.zeros(len(ids), bool)
    has_infector[child] = True
    first = np.lexsort((np.arange(len(ids)), has_infector, moment, tree))
    starts = np.flatnonzero(np.diff(tree[first], prepend=-1))
    cascade = ids[first[starts]][tree]
    roots = np.flatnonzero(is_root)
    roots = roots[np.lexsort((named[roots], moment[roots]))]
    added = rows.iloc[named[roots]].assign(agent=ids[roots], infector=None)
    if "followers" in added:
        added["followers"] = None
    found = pd.concat([added, rows], ignore_index=True)
    found["cascade"] = np.concatenate([cascade[roots], np.where(agent >= 0, cascade[agent], None)])
    sentence = (
        f"{source}: the infectors make {counted(len(starts), 'tree')}, each a cascade named after its root; "
        f"{counted(len(roots), 'root')} without an earlier row {'was' if len(roots) == 1 else 'were'} added, at the "
        "time of the first row that names it as infector"
    )
    return found, [sentence]
