"""The cost of publications: ``python -m benchmarks.publications [--earlier 1000 10000] [--rows 1000000]``.

1. A warehouse with many earlier publications, each of 20 keys and one file, then `maintain`, then 1,000 further
   publications: opening, counting, a point query and one more commit, each in fresh processes, against an empty
   warehouse.
2. A keyed table: counting with 100 change files against compacted, an upsert, an as-of read.
3. File checks in SQL queries: the first query, which checks files, against a later one.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.facade import Warehouse
from data.warehouse.catalogue import query
from data.warehouse.keyed_rows import base_schema
from data.warehouse.keyed_tables import ROWS_PER_BASE_FILE, Changes, stage_changes
from data.warehouse.maintenance import compact
from data.warehouse.manifests import DataFile, Manifest
from data.warehouse.tables import TABLES
from data.warehouse.tables.specification import Column, TableSpecification, schema_fingerprint

KEYS = 20
"""Keys, and rows, of each publication."""
LATER = 1_000
"""Publications after maintenance."""
PROFILES = TableSpecification(
    "profiles",
    "One row per agent.",
    ("agent",),
    (
        Column("agent", pa.int64(), "agent"),
        Column("mood", pa.float64(), "mood"),
        Column("team", pa.int32(), "team"),
    ),
    keyed=True,
)
ACTIONS = ("open", "count", "point", "point_sql", "commit")


def timed(work: Callable[[], Any]) -> float:
    """Return how long `work` takes, seconds."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# -- 1. many publications -------------------------------------------------------------------------------------------


def session_id(publication: int, number: int) -> str:
    """Return the id of a session, the same on every call."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{publication}/{number}"))


def cascades(publication: int) -> pa.Table:
    """Return the rows of one publication."""
    ids = sorted(session_id(publication, number) for number in range(KEYS))
    columns: dict[str, Any] = {"session_id": ids, "replicate": np.zeros(KEYS, np.int32)}
    columns |= {name: np.ones(KEYS, np.int32) for name in ("depth", "rounds", "peak_round", "half_round")}
    columns |= {"size": np.ones(KEYS, np.int64), "truncated": np.zeros(KEYS, bool)}
    schema = TABLES["cascades"].schema
    return pa.table({name: columns[name] for name in schema.names}).cast(schema)


def build(folder: Path, publications: int) -> None:
    """Write earlier publications as `Store.commit` does, but without syncing each, which would take minutes."""
    for name in ("manifests", "tables/cascades"):
        (folder / name).mkdir(parents=True)
    parent = None
    for number in range(1, publications + 1):
        file = _written(folder, number)
        keys = tuple(f"session/{session_id(number, each)}" for each in range(KEYS))
        created_at = f"2026-01-01T00:00:00.{number:06d}+00:00"
        content = Manifest(number, parent, "sessions", keys, (file,), created_at).to_bytes()
        (folder / "manifests" / f"{number:012d}.json").write_bytes(content)
        parent = hashlib.sha256(content).hexdigest()


def _written(folder: Path, number: int) -> DataFile:
    rows, path = cascades(number), f"tables/cascades/{number:032x}.parquet"
    pq.write_table(rows, folder / path, compression="zstd", write_page_checksum=True)
    content = (folder / path).read_bytes()
    ids = rows["session_id"].cast(pa.string()).to_pylist()
    checksum, fingerprint = hashlib.sha256(content).hexdigest(), schema_fingerprint(rows.schema)
    return DataFile("cascades", path, KEYS, len(content), checksum, fingerprint, key_range=(ids[0], ids[-1]))


def publish_later(warehouse: Warehouse, first: int, count: int) -> None:
    """Publish `count` more, each durable before the next."""
    for number in range(first, first + count):
        keys = [f"session/{session_id(number, each)}" for each in range(KEYS)]
        warehouse.commit("sessions", keys, [warehouse.stage("cascades", cascades(number))])


def measure(url: str) -> dict[str, float]:
    """Return the seconds of each action in this process, which has not opened a warehouse before."""
    warehouse = Warehouse(url)
    query(Warehouse("memory://warm-up"), "SELECT 1")
    seconds = {"open": timed(lambda: warehouse.head)}
    wanted = session_id(7, 3)
    seconds["count"] = timed(lambda: query(warehouse, "SELECT count(*) FROM cascades"))
    seconds["point"] = timed(lambda: warehouse.read("cascades", [f"session/{wanted}"]))
    sql = f"SELECT size FROM cascades WHERE session_id = '{wanted}'"
    seconds["point_sql"] = timed(lambda: query(warehouse, sql))
    file = warehouse.stage("cascades", cascades(10**9 + warehouse.head))
    seconds["commit"] = timed(lambda: warehouse.commit("sessions", [f"session/{uuid.uuid4()}"], [file]))
    return seconds


def medians(url: str, processes: int) -> dict[str, float]:
    """Return the median of each action over several processes."""
    command = [sys.executable, "-m", "benchmarks.publications", "--measure", url]
    answers = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(processes)]
    return {action: statistics.median(answer[action] for answer in answers) for action in ACTIONS}


def many_publications(folder: Path, counts: list[int], processes: int) -> None:
    """Print the time of each action after each number of publications."""
    empty = medians(str(folder / "empty"), processes)
    _print_row("publications before", {action: action for action in ACTIONS})
    _print_row("none", {action: f"{1000 * empty[action]:.0f} ms" for action in ACTIONS})
    for count in counts:
        place = folder / f"after-{count}"
        print(f"   building: {timed(lambda place=place, count=count: build(place, count)):.0f} s", end="")
        print(f", maintaining: {timed(lambda place=place: Warehouse(place).maintain()):.0f} s", end="")
        warehouse = Warehouse(place)
        print(f", {LATER:,} more: {timed(lambda w=warehouse, c=count: publish_later(w, c + 1, LATER)):.0f} s")
        later = medians(str(place), processes)
        cells = {a: f"{1000 * later[a]:.0f} ms {later[a] / empty[a]:.1f}x" for a in ACTIONS}
        _print_row(f"{count:,} + {LATER:,}", cells)


def _print_row(title: str, cells: dict[str, str]) -> None:
    print(f"{title:24}", *(f"{cells[action]:>15}" for action in ACTIONS))


# -- 2. keyed tables ------------------------------------------------------------------------------------------------


def add_profiles() -> None:
    """Register the table `profiles`."""
    for name in ("tables", "views", "catalogue", "maintenance", "verification", "deletion"):
        module = import_module(f"data.warehouse.{name}")
        module.TABLES = {**module.TABLES, PROFILES.name: PROFILES}  # type: ignore[attr-defined]


def profiles(agents: Any) -> pa.Table:
    """Return rows of some agents."""
    return pa.table(
        {
            "agent": agents,
            "mood": np.random.default_rng(len(agents)).random(len(agents)),
            "team": (agents % 7).astype(np.int32),
        }
    )


def publish_base(warehouse: Warehouse, rows: int) -> None:
    """Publish the agents 0 to `rows` - 1 as base files."""
    files = []
    for first in range(0, rows, ROWS_PER_BASE_FILE):
        part = profiles(np.arange(first, min(first + ROWS_PER_BASE_FILE, rows)))
        with warehouse.staging("profiles", base_schema(PROFILES), role="base") as staged:
            staged.write(part.append_column("publication", pa.repeat(pa.scalar(1), part.num_rows)))
        files.append(staged.file)
    warehouse.commit("changes", [], files)


def upsert(warehouse: Warehouse, agents: Any) -> None:
    """Publish new rows of some agents."""
    warehouse.commit("changes", [], [stage_changes(warehouse, "profiles", Changes(profiles(np.sort(agents))))])


def keyed_tables(folder: Path, rows: int, repeats: int) -> None:
    """Print the times of a keyed table of `rows` rows, with and without change files."""
    add_profiles()
    warehouse, draws = Warehouse(folder / "keyed"), np.random.default_rng(0)
    publish_base(warehouse, rows)
    before = warehouse.head

    def median(sql: str, state: Warehouse = warehouse) -> float:
        query(state, sql)  # checks the files
        return statistics.median(timed(lambda: query(state, sql)) for _ in range(repeats))

    questions = {"count": "SELECT count(*) FROM profiles", "mean": "SELECT avg(mood) FROM profiles"}
    compacted = {name: median(sql) for name, sql in questions.items()}
    for _ in range(100):
        upsert(warehouse, draws.choice(rows + rows // 100, rows // 10_000, replace=False))
    for name, sql in questions.items():
        changed = median(sql)
        print(f"{name} of {rows:,} rows: compacted {1000 * compacted[name]:.0f} ms, with 100 change files of ", end="")
        print(f"{rows // 10_000:,} rows {1000 * changed:.0f} ms, {changed / compacted[name]:.1f}x")
    past = warehouse.as_of(before)
    print(f"as-of count before them: {1000 * median(questions['count'], past):.0f} ms")
    some = draws.choice(rows, rows // 10, replace=False)
    print(f"upsert of {rows // 10:,} of {rows:,} rows: {1000 * timed(lambda: upsert(warehouse, some)):.0f} ms")
    print(f"compaction: {timed(lambda: compact(warehouse)):.1f} s")
    print(f"count after it: {1000 * median(questions['count']):.0f} ms")


# -- 3. checks ------------------------------------------------------------------------------------------------------


def checks(folder: Path, rows: int) -> None:
    """Print the times of the first query of a file and of a later one."""
    warehouse = Warehouse(folder / "checks")
    agents = np.arange(rows, dtype=np.int32)
    columns = {"session_id": pa.repeat(pa.scalar("a"), rows), "agent": agents, "times_reached": agents.astype(np.int64)}
    reach = pa.table(
        {
            **columns,
            "probability": np.random.default_rng(0).random(rows),
            "mean_round": np.random.default_rng(0).random(rows),
        }
    )
    file = warehouse.stage("reach", reach)
    warehouse.commit("sessions", ["session/a"], [file])
    first, later = (timed(lambda: query(warehouse, "SELECT avg(probability) FROM reach")) for _ in range(2))
    print(f"checks: {file.size / 1e6:,.0f} MB: first query {1000 * first:.0f} ms, later {1000 * later:.0f} ms")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--earlier", type=int, nargs="*", default=[1_000, 10_000, 50_000])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--measure", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        if given.earlier:
            many_publications(Path(temporary), given.earlier, given.processes)
        for rows in given.rows:
            keyed_tables(Path(temporary) / f"{rows}", rows, given.processes)
            checks(Path(temporary) / f"{rows}", rows)


if __name__ == "__main__":
    main()
