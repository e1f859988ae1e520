"""Independent cascade in plain dask.dataframe: a loop of merge, drop duplicates, anti-join, persisted every round."""

import os

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload

PARTITIONS = 4


def _successes(contacts: pd.DataFrame, probability: float, random_seed: int) -> pd.DataFrame:
    keys = (len(contacts), int(contacts["dst"].sum()), random_seed)
    draws = np.random.default_rng(keys).random(len(contacts))
    return contacts.loc[draws < probability, ["dst"]].rename(columns={"dst": "agent"})


class DaskMerges(Peer):
    """The same number of partitions as in Rumormill, on Dask's threads."""

    name = "dask_merges"
    title = "plain dask.dataframe merges"
    packages = ("dask", "pandas")
    threads = str(os.cpu_count())
    models = frozenset({"IndependentCascade"})

    def unsuited(self, workload: Workload, edges: Edges) -> str | None:
        return super().unsuited(workload, edges) or ("one cascade at a time" if workload.replicates > 1 else None)

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        pairs = pd.DataFrame({"src": edges.sources, "dst": edges.targets})
        table = dd.from_pandas(pairs, npartitions=PARTITIONS).persist(scheduler="threads")
        seeds = pd.DataFrame({"agent": edges.seeds.astype(np.int32)})
        probability = workload.parameters["probability"]

        def cascade(random_seed: int) -> int:
            reached = frontier = dd.from_pandas(seeds, npartitions=1)
            size, number = len(seeds), 0
            while True:
                number += 1
                contacts = frontier.merge(table, left_on="agent", right_on="src")[["dst"]]
                arrivals = contacts.map_partitions(_successes, probability, random_seed + number, meta=seeds.iloc[:0])
                arrivals = arrivals.drop_duplicates(subset=["agent"])
                known = arrivals.merge(reached.assign(known=True), on="agent", how="left")
                frontier = known[known["known"].isna()][["agent"]].persist()
                newly = len(frontier)
                if not newly:
                    return size
                size += newly
                reached = dd.concat([reached, frontier]).repartition(npartitions=PARTITIONS).persist()

        def run(replicates: int, random_seed: int) -> float:
            with dask.config.set(scheduler="threads"):
                return sum(cascade(1_000_000 * random_seed + 1000 * r) for r in range(replicates)) / replicates

        return run


PEER = DaskMerges()
