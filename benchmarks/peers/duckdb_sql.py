"""Independent cascade in plain DuckDB SQL: a loop that joins the frontier with the edges, minus the agents reached."""

import os

import duckdb
import pyarrow as pa

from benchmarks.peers.peer import Peer, Run
from benchmarks.workloads import Edges, Workload

ROUND = """
    CREATE OR REPLACE TEMP TABLE newly AS
    SELECT DISTINCT dst AS agent
    FROM (SELECT dst FROM frontier JOIN edges ON src = agent WHERE random() < probability) AS successes
    WHERE dst NOT IN (SELECT agent FROM reached)
"""


class DuckDBSQL(Peer):
    """Tables in memory; edges sorted by source."""

    name = "duckdb_sql"
    title = "plain DuckDB SQL"
    packages = ("duckdb",)
    threads = str(os.cpu_count())
    models = frozenset({"IndependentCascade"})

    def unsuited(self, workload: Workload, edges: Edges) -> str | None:
        return super().unsuited(workload, edges) or ("one cascade at a time" if workload.replicates > 1 else None)

    def prepare(self, edges: Edges, workload: Workload) -> Run:
        connection = duckdb.connect()
        pairs = pa.table({"src": edges.sources, "dst": edges.targets})
        connection.register("pairs", pairs)
        connection.execute("CREATE TABLE edges AS SELECT * FROM pairs")
        connection.unregister("pairs")
        statement = ROUND.replace("probability", str(float(workload.parameters["probability"])))
        seeds = ", ".join(f"({seed})" for seed in edges.seeds)

        def cascade() -> int:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE reached AS SELECT * FROM (VALUES {seeds}) AS t(agent)")
            connection.execute("CREATE OR REPLACE TEMP TABLE frontier AS SELECT agent::INTEGER AS agent FROM reached")
            while True:
                connection.execute(statement)
                (newly,) = connection.execute("SELECT count(*) FROM newly").fetchone()
                if not newly:
                    return int(connection.execute("SELECT count(*) FROM reached").fetchone()[0])
                connection.execute("INSERT INTO reached SELECT agent FROM newly")
                connection.execute("CREATE OR REPLACE TEMP TABLE frontier AS FROM newly")

        def run(replicates: int, random_seed: int) -> float:
            connection.execute("SELECT setseed(?)", [random_seed % 1000 / 1000])
            return sum(cascade() for _ in range(replicates)) / replicates

        return run


PEER = DuckDBSQL()
