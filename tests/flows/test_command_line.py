"""The command line: what it prints, how it ends, and what it says about bad input."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from data.facade import Warehouse
from data.generators import GENERATORS
from data.networks.edge_lists import DuplicatePolicy, HeaderKind, ImportOptions
from data.warehouse.tables import MACROS, TABLES, VIEWS
from tests.deadlines import PATIENCE

Rumormill = Callable[..., Any]
COMMAND = [sys.executable, "-m", "flows.command_line"]
EDGES = "ann bob\nbob cy\ncy dan\ndan eve\n"
CAMPAIGN = {
    "network": "path",
    "sessions": [{"name": "all", "parameters": {"probability": 1.0}, "seeds": ["ann"], "replicates": 3}],
}


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    path = tmp_path / "edges.txt"
    path.write_text(EDGES)
    return path


# -- start-up and help ----------------------------------------------------------------------------------------------


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    heavy = (
        "prefect",
        "dask",
        "distributed",
        "pandas",
        "pyarrow",
        "numpy",
        "numba",
        "duckdb",
        "pydantic",
        "yaml",
        "matplotlib",
    )
    script = f"import sys, flows.command_line; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_help_is_worth_reading(rumormill: Rumormill) -> None:
    top = rumormill("--help")
    assert top.exit_code == 0
    for word in ("demo", "network", "run", "sessions", "sql", "tables", "verify", "RUMORMILL_WAREHOUSE", "Examples"):
        assert word in top.stdout
    for command in (["demo"], ["run"], ["sessions"], ["sql"], ["tables"], ["verify"], ["network", "import"]):
        answer = rumormill(*command, "--help")
        assert answer.exit_code == 0
        assert f"rumormill {' '.join(command)}" in answer.stdout.split("Examples")[1]
        assert "--json" in answer.stdout


def test_help_names_every_generator_and_every_import_option(rumormill: Rumormill) -> None:
    text = " ".join(rumormill("network", "generate", "--help", COLUMNS="200").stdout.split())
    assert f"One of {', '.join(GENERATORS)}." in text
    text = rumormill("network", "import", "--help", COLUMNS="200").stdout
    for option in ImportOptions.model_fields:
        assert f"--{option.replace('_', '-')}" in text
    assert f"<{'|'.join(get_args(DuplicatePolicy))}>" in text
    assert f"<{'|'.join(get_args(HeaderKind))}>" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "No such command 'runn'. Did you mean 'run'? (see: rumormill --help)"),
        (["run"], "Missing argument 'CAMPAIGN' (see: rumormill run --help)"),
        (["run", "x", "--agian"], "No such option: --agian"),
        (["sql", "SELECT 1", "--format", "xml"], "Invalid value for '--format'"),
        (["network", "import", "x"], "give either FILE or --query, not both"),
        (["network", "generate", "x", "rmat", "--agents", "many"], "Invalid value for '--agents'"),
        (["network", "generate", "x", "rmat", "--agents", "9", "--set", "a"], "--set 'a' is not KEY=VALUE"),
        (["network", "generate", "x", "rmat", "--agents", "9", "--set", "q=1"], "generator rmat: "),
        (["network", "generate", "x", "rnat", "--agents", "9"], "no generator 'rnat'; generators are rmat,"),
        (["tables", "reaches"], "no table 'reaches' (did you mean 'reach'?); tables are networks,"),
        (["sql", "SELECT * FROM nothing"], "Table with name nothing does not exist"),
        (["sql", "DROP TABLE networks"], "a DROP statement is not accepted"),
        (["--warehouse", "gs://bucket/x", "network", "list"], "gs:// is not supported"),
    ],
)
def test_mistakes_on_the_command_line_end_with_2(rumormill: Rumormill, arguments: list[str], message: str) -> None:
    answer = rumormill(*arguments)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr.startswith("error: ")
    assert message in answer.stderr


def test_an_unexpected_error_is_one_line_and_its_traceback_on_demand(
    rumormill: Rumormill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Warehouse, "read", lambda *_: {}["missing"])
    answer = rumormill("network", "list")
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert answer.stderr.startswith("error: unexpected KeyError: 'missing'. ")
    assert "RUMORMILL_TRACEBACK=1" in answer.stderr
    script = "import flows.command_line as c; c.networks.write_rows = None; c.main()"
    shown = subprocess.run(
        [sys.executable, "-c", script, "--json", "network", "list"],
        env={**os.environ, "RUMORMILL_TRACEBACK": "1"},
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr
    assert "error: unexpected TypeError" in shown.stderr


# -- networks -------------------------------------------------------------------------------------------------------


def test_import_list_and_describe(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "dirty.txt").write_text(EDGES + "eve eve\nann bob\n")
    first = rumormill("network", "import", "path", "dirty.txt")
    assert first.exit_code == 0
    assert "network 'path' is now 5 agents, 4 edges" in first.stdout
    assert "rejected 2 of 6 rows: 1 self-loops, 1 duplicates, 0 malformed" in first.stdout
    second = rumormill("network", "import", "path", "dirty.txt", "--json")
    assert second.json["new"] is False
    (listed,) = rumormill("network", "list", "--json").json
    assert (listed["network"], listed["agents"], listed["edges"], listed["snapshots"]) == ("path", 5, 4, 1)
    assert "path" in rumormill("network", "list").stdout
    described = rumormill("network", "describe", "path", "--json").json
    assert (described["self-loops"], described["duplicates"], described["rows read"]) == (1, 1, 6)
    assert [row["line"] for row in described["rejects"]] == [5, 6]
    degrees = {row["degree"]: row for row in described["degrees"]}
    assert (degrees["out_degree"]["mean"], degrees["in_degree"]["max"], degrees["in_degree"]["min"]) == (0.8, 1, 0)
    assert "the first 2 of 2 rejected rows" in rumormill("network", "describe", "path").stdout
    events = Warehouse("warehouse").read("events").to_pylist()
    assert [event["event_type"] for event in events] == ["network_imported"]
    assert json.loads(events[0]["data"])["edges"] == 4


def test_options_of_an_import_reach_it(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "ties.csv").write_text("x,y,3\ny,x,1\nx,y,2\n")
    (tmp_path / "more.txt").write_text("z\n")
    options = ["--columns", "from, to,weight", "--strength", "weight", "--duplicates", "sum", "--agents", "more.txt"]
    rumormill("network", "import", "ties", "ties.csv", *options, "--reverse", "--partitions", "2", "--header", "none")
    network = Warehouse("warehouse").network("ties")
    assert (network.n_agents, network.n_edges) == (3, 2)
    edges = rumormill("sql", "SELECT source_agent_id, target_agent_id, weight FROM network_edges", "--json").json
    assert sorted(tuple(row.values()) for row in edges) == [("x", "y", 1), ("y", "x", 5)]
    given = json.loads(network.row["options"])
    assert (given["reverse"], given["duplicates"], given["partitions"], given["header"]) == (True, "sum", 2, "none")


def test_source_and_target_columns_can_be_chosen(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "ties.csv").write_text("weight,to,from\n3,y,x\n")
    answer = rumormill("network", "import", "ties", "ties.csv", "--source", "from", "--target", "to")
    assert answer.exit_code == 0
    rows = rumormill("sql", "SELECT source_agent_id, target_agent_id FROM network_edges", "--json").json
    assert rows == [{"source_agent_id": "x", "target_agent_id": "y"}]


def test_what_an_import_guessed_is_told(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "counts.txt").write_text("4 3\n1 2\n2 3\n3 4\n")
    sentence = (
        "counts.txt: the first line '4 3' was read as an edge; if it counts agents and edges, use --header counts"
    )
    answer = rumormill("network", "import", "n", "counts.txt")
    assert answer.stderr.splitlines() == [f"warning: {sentence}"]
    assert answer.stdout == "network 'n' is now 4 agents, 4 edges\n"
    again = rumormill("network", "import", "n", "counts.txt", "--json")
    assert (again.json["new"], again.json["warnings"]) == (False, [sentence])
    assert rumormill("network", "describe", "n", "--json").json["warnings"] == [sentence]
    silent = rumormill("network", "import", "n", "counts.txt", "--header", "counts", "--json")
    assert (silent.stderr, silent.json["warnings"], silent.json["edges"]) == ("", [], 3)


def test_a_url_as_a_source_is_told_whole(rumormill: Rumormill, tmp_path: Path) -> None:
    answer = rumormill("network", "import", "n", "https://example.org/e.txt")
    assert answer.exit_code == 2
    assert "https://example.org/e.txt is a URL, but imports read local files only; download it first" in answer.stderr
    (tmp_path / "e.txt").write_text("1 2\n")
    assert rumormill("network", "import", "n", f"file://{tmp_path}/e.txt").exit_code == 0


def test_import_of_a_query(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "friends.csv").write_text("a,b\nann,bob\nbob,cy\n")
    answer = rumormill("network", "import", "friends", "--query", "SELECT b, a FROM 'friends.csv'", "--json")
    assert (answer.exit_code, answer.json["agents"], answer.json["edges"]) == (0, 3, 2)


def test_generate(rumormill: Rumormill) -> None:
    ring = [
        "network",
        "generate",
        "ring",
        "watts_strogatz",
        "--agents",
        "20",
        "--set",
        "degree=4",
        "--set",
        "rewiring=0",
    ]
    assert rumormill(*ring, "--json").json["edges"] == 80
    assert "was imported before, nothing changed" in rumormill(*ring).stdout
    assert rumormill("network", "generate", "r", "rmat", "-n", "50", "-m", "100", "--json").json["edges"] == 100


def test_the_warehouse_is_given_before_or_after_or_in_the_environment(rumormill: Rumormill, edges: Path) -> None:
    rumormill("--warehouse", "first", "network", "import", "path", str(edges))
    rumormill("network", "import", "path", str(edges), "--warehouse", "second")
    for place in ("first", "second"):
        assert rumormill("--warehouse", place, "--json", "network", "list").json[0]["network"] == "path"
        assert rumormill("network", "list", "--json", RUMORMILL_WAREHOUSE=place).json[0]["network"] == "path"
    assert rumormill("--warehouse", "third", "network", "list", "-w", "first", "--json").json != []
    assert rumormill("--warehouse", "third", "network", "list", "--json", RUMORMILL_WAREHOUSE="first").json == []
    empty = rumormill("network", "list")
    assert "no networks yet in warehouse" in empty.stdout
    assert rumormill("network", "list", "--json").json == []


# -- answers --------------------------------------------------------------------------------------------------------


def test_sql_answers_as_table_csv_and_json(rumormill: Rumormill) -> None:
    query = (
        "SELECT 1 AS n, 'a,b' AS text, 0.1::DOUBLE AS x, NULL AS nothing, 'nan'::DOUBLE AS odd, true AS yes, [1] AS l"
    )
    assert rumormill("sql", query, "--json").json == [
        {"n": 1, "text": "a,b", "x": 0.1, "nothing": None, "odd": None, "yes": True, "l": [1]}
    ]
    assert rumormill("sql", query, "--format", "json").stdout == rumormill("sql", query, "--json").stdout
    assert rumormill("sql", query, "--format", "csv").stdout == (
        'n,text,x,nothing,odd,yes,l\n1,"a,b",0.1,,nan,true,[1]\n'
    )
    table = rumormill("sql", query).stdout
    assert table.split()[:7] == ["n", "text", "x", "nothing", "odd", "yes", "l"]
    long = rumormill("sql", "SELECT range AS n FROM range(250)", "--rows", "7")
    assert long.stdout.split()[-1] == "6"
    assert "7 of 250 rows" in long.stderr
    assert len(rumormill("sql", "SELECT range AS n FROM range(250)", "--format", "csv").stdout.splitlines()) == 251
    assert "1 AS a" not in rumormill("sql", "SELECT 1 AS a, 2 AS a").stdout


def test_tables_lists_rows_and_columns(rumormill: Rumormill, edges: Path) -> None:
    rumormill("network", "import", "path", str(edges))
    listed = {row["table"]: row for row in rumormill("tables", "--json").json}
    assert list(listed) == [*TABLES, *VIEWS, *MACROS]
    assert (listed["network_edges"]["rows"], listed["cascades"]["rows"]) == (4, 0)
    assert TABLES["cascades"].grain in rumormill("tables").stdout
    described = rumormill("tables", "reach", "--json").json
    assert described["key"] == ["session_id", "agent"]
    assert [c["column"] for c in described["columns"]] == [*(c.name for c in TABLES["reach"].columns), "agent_id"]
    assert "share of replicates that reached the agent" in rumormill("tables", "reach").stdout
    view = VIEWS["campaign_results"]
    described = rumormill("tables", view.name, "--json").json
    assert [c["column"] for c in described["columns"]] == [c.name for c in view.columns]
    assert "A view over several tables." in rumormill("tables", view.name).stdout
    macro = MACROS["neighbors"]
    described = rumormill("tables", macro.name, "--json").json
    assert [c["column"] for c in described["columns"]] == [c.name for c in macro.columns]
    assert f"A table macro: {macro.example}" in rumormill("tables", macro.name).stdout


def test_verify_finds_damage_and_sweeps_orphans(rumormill: Rumormill, edges: Path, tmp_path: Path) -> None:
    rumormill("network", "import", "path", str(edges))
    orphan = tmp_path / "warehouse" / "tables" / "cascades" / "orphan.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"left by a crash")
    os.utime(orphan, (0, 0))
    answer = rumormill("verify", "--sweep", "--json")
    assert (answer.exit_code, answer.json["damaged"], answer.json["swept"]) == (
        0,
        [],
        ["tables/cascades/orphan.parquet"],
    )
    assert not orphan.exists()
    damaged = next((tmp_path / "warehouse" / "tables" / "network_edges").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    answer = rumormill("verify")
    assert answer.exit_code == 1
    assert f"error: {damaged} (table network_edges) does not have the published content" in answer.stderr
    assert "1 damaged" in answer.stdout


# -- campaigns ------------------------------------------------------------------------------------------------------


@pytest.mark.xdist_group("prefect")
@pytest.mark.usefixtures("prefect_url")
def test_run_prints_a_table_and_sessions_lists_it(
    rumormill: Rumormill, edges: Path, campaign_file: Callable[..., str]
) -> None:
    rumormill("network", "import", "path", str(edges))
    path = campaign_file(CAMPAIGN, "everyone")
    first = rumormill("run", path)
    assert first.exit_code == 0
    assert first.stderr == ""
    assert first.stdout.startswith("campaign 'everyone' completed")
    assert "5 ± 0" in first.stdout
    assert "± is half of the 95 % interval" in first.stdout
    assert "100.00 %" in first.stdout
    again = rumormill("run", path, "--again")
    assert "campaign 'everyone' recomputed: every row equals the published one" in again.stdout
    second = rumormill("--json", "run", path)
    assert second.json["status"] == "already_completed"
    assert second.json["sessions"][0]["total_influenced"] == 5.0
    assert "nothing to do (--again recomputes and compares)" in rumormill("run", path).stdout
    (session,) = rumormill("sessions", "--json").json
    assert session["campaigns"] == {"everyone": ["all"]}
    assert session["session_id"] == second.json["sessions"][0]["session_id"]
    assert session["session_id"] in rumormill("sessions", "--campaign", "everyone", "--network", "path").stdout
    assert rumormill("sessions", "--campaign", "nobody", "--json").json == []


@pytest.mark.parametrize("format_", ["table", "json"])
def test_the_demo_is_handed_file_warehouse_and_console(
    rumormill: Rumormill, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    from flows import demo

    handed: list[Any] = []

    def run_demo(source: str | None, warehouse: str, console: Any) -> Any:
        handed.append((source, warehouse, console.stderr))
        return demo.DemoResult(headline="hubs win", summary={}, answers=[], places={}, seconds=1.0)

    monkeypatch.setattr(demo, "run_demo", run_demo)
    as_json = ["--json"] if format_ == "json" else []
    answer = rumormill("demo", "edges.txt", "-w", "there", *as_json)
    assert answer.exit_code == 0
    assert handed == [("edges.txt", "there", format_ == "json")]
    assert (json.loads(answer.stdout)["headline"] if as_json else answer.stdout) == ("hubs win" if as_json else "")


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "options", "messages"),
    [
        (None, [], ["source.csv does not exist", "name a local file"]),
        (b"", [], ["source.csv is empty", "must contain at least one line"]),
        (b"a b 0.5\nb c 0.7\n", [], ["source.csv has 3 columns", "name all columns in order with --columns"]),
        (b"\x00\x01\x02PAR\xff" * 99, [], ["source.csv is not text", "NUL bytes", "save it as UTF-8 text"]),
        (b"a,b,p\nx,y,nan\n", ["--strength", "p"], ["line 2", "strength column 'p' holds nan", "correct the value"]),
        (b"a,b,p\nx,y,1.3\n", ["--probability", "p"], ["line 2", "'p' holds 1.3", "[0, 1]", "correct the value"]),
        (b"a,b,p\nx,y,1\n", ["--probability", "q"], ["no column 'q'", "columns are a, b, p"]),
        (b"x y\nx y\nx x\n", ["--max-rejects", "1"], ["2 rows rejected", "at most 1", "--max-rejects"]),
        (b"x y\nx y\n", ["--duplicates", "error"], ["line 2", "x -> y is a duplicate", "--duplicates first"]),
    ],
)
def test_files_that_cannot_be_imported(
    rumormill: Rumormill, tmp_path: Path, content: bytes | None, options: list[str], messages: list[str]
) -> None:
    if content is not None:
        (tmp_path / "source.csv").write_bytes(content)
    answer = rumormill("network", "import", "x", "source.csv", *options)
    assert answer.exit_code == 2
    for message in messages:
        assert message in answer.stderr
    assert rumormill("network", "list", "--json").json == []


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            {"network": "nowhere"},
            ["no network 'nowhere'", "networks there: path", "network import", "network generate"],
        ),
        ({"netwrok": "path"}, ["line 1", "netwrok: unknown key (did you mean 'network'?)", "keys here are name,"]),
        (
            {"seeds": ["zoe"]},
            ["line 1: sessions.0.seeds", "agent 'zoe' is not in network 'path'", "ids there look like 'bob'"],
        ),
        ({"parameters": {"probability": 1.3}}, ["line 1", "probability: 1.3 is not in [0, 1]"]),
        ({"seeds": {"strategy": "random", "budget": 6}}, ["seed budget 6 exceeds the 5 agents"]),
        ({"parameters": {"probability": "column:p"}}, ["no edge column 'p'"]),
    ],
)
def test_campaigns_that_cannot_run(
    rumormill: Rumormill, edges: Path, campaign_file: Callable[..., str], change: dict[str, Any], messages: list[str]
) -> None:
    rumormill("network", "import", "path", str(edges))
    session = {**CAMPAIGN["sessions"][0], **{key: value for key, value in change.items() if "net" not in key}}  # type: ignore[dict-item]
    fields = {key: value for key, value in change.items() if "net" in key}
    answer = rumormill("run", campaign_file({**CAMPAIGN, "sessions": [session], **fields}))
    assert answer.exit_code == 2
    assert answer.stdout == ""
    for message in messages:
        assert message in answer.stderr


def test_a_campaign_that_does_not_exist(rumormill: Rumormill) -> None:
    answer = rumormill("run", "seed-strategie")
    assert answer.exit_code == 2
    assert "no campaign file 'seed-strategie' (did you mean 'seed-strategies'?)" in answer.stderr


def test_a_warehouse_below_a_plain_file(rumormill: Rumormill, edges: Path) -> None:
    answer = rumormill("network", "import", "path", str(edges), "--warehouse", f"{edges}/warehouse")
    assert answer.exit_code == 2
    assert "cannot be written (Not a directory); give another place with --warehouse" in answer.stderr


def test_a_corrupted_file(rumormill: Rumormill, edges: Path, tmp_path: Path) -> None:
    rumormill("network", "import", "path", str(edges))
    damaged = next((tmp_path / "warehouse" / "tables" / "network_edges").iterdir())
    damaged.write_bytes(b"PAR1 and then nothing that makes sense PAR1")
    answer = rumormill("sql", "SELECT * FROM network_edges")
    assert answer.exit_code == 1
    assert str(damaged) in answer.stderr
    assert "has 43 bytes instead of" in answer.stderr
    assert "rumormill verify" in answer.stderr


# -- as a process ---------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_nothing_visible(tmp_path: Path, environment: dict[str, str]) -> None:
    def little_space() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    generate = ["network", "generate", "big", "rmat", "--agents", "20000", "--edges", "200000"]
    ended = subprocess.run(
        [*COMMAND, *generate], cwd=tmp_path, env=environment, preexec_fn=little_space, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "no space left for" in ended.stderr
    assert "nothing of this write is visible: free some space and run again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert Warehouse(tmp_path / "warehouse").read("networks").num_rows == 0


def test_exit_codes_and_streams_of_a_process(tmp_path: Path, environment: dict[str, str]) -> None:
    listed = subprocess.run([*COMMAND, "network", "list", "--json"], cwd=tmp_path, env=environment, capture_output=True)
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, b"[]\n", b"")
    wrong = subprocess.run([*COMMAND, "run", "nothing"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: no campaign file 'nothing'")


@pytest.mark.xdist_group("prefect")
@pytest.mark.parametrize(("cluster", "options"), [("threads", []), ("processes", []), ("threads", ["--verbose"])])
def test_ctrl_c_says_one_sentence_and_publishes_nothing(
    tmp_path: Path, environment: dict[str, str], prefect_url: str, cluster: str, options: list[str]
) -> None:
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL as DATABASE

    # Threads: with an embedded server, on a database that is made already. Processes: on this session's server.
    server = {DATABASE.name: DATABASE.value()} if cluster == "threads" else {"PREFECT_API_URL": prefect_url}
    warehouse = Warehouse(tmp_path / "warehouse")
    warehouse.generate_network("big", "rmat", agents=50_000, edges=500_000)
    session = {"name": "long", "parameters": {"probability": 0.3}, "replicates": 150_000}
    sessions = [{**session, "seeds": {"strategy": "top_out_degree", "budget": 10}}]
    (tmp_path / "long.yaml").write_text(json.dumps({"network": "big", "cluster": cluster, "sessions": sessions}))
    run = subprocess.Popen(
        [*COMMAND, "run", "long.yaml", *options],
        cwd=tmp_path,
        env={**environment, **server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        started = wait_for_event(warehouse, run)
        time.sleep(3)  # the job's task begins or runs by now; what is said is the same
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        stdout, stderr = run.communicate(timeout=PATIENCE)
    finally:
        run.kill()
    assert started
    assert (run.returncode, stdout) == (130, "")
    said = "error: the run was cancelled; nothing was published\n"
    if options:  # what Prefect reports is beside it, a line each
        assert said in stderr
        assert "Traceback" not in stderr
    else:
        assert stderr == said
    assert warehouse.read("propagation_sessions").num_rows == 0
    events = warehouse.read("events")["event_type"].to_pylist()
    assert events == ["propagation_started", "propagation_cancelled"]


def wait_for_event(warehouse: Warehouse, run: "subprocess.Popen[str]") -> bool:
    """Wait until the run has published that it started."""
    while run.poll() is None:
        if warehouse.read("events").num_rows:
            return True
        time.sleep(0.1)
    return False


def test_columns_of_one_name_all_reach_json(rumormill):
    assert rumormill("sql", "SELECT 1 AS a, 2 AS a, 3 AS a", "--json").json == [{"a": 1, "a_2": 2, "a_3": 3}]


def test_verifying_where_nothing_is_published_is_a_mistake(rumormill):
    answer = rumormill("verify")
    assert answer.exit_code == 2
    assert "nothing is published in warehouse" in answer.stderr
    assert "--warehouse" in answer.stderr


# -- formats --------------------------------------------------------------------------------------------------------

TIMES = "SELECT 1 AS n, 'a, b' AS text, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS at, [1, 2] AS list"


def test_answers_are_written_as_files_by_their_endings(rumormill: Rumormill, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for name in ("a.parquet", "a.csv", "a.json"):
        answer = rumormill("sql", TIMES, "--output", name)
        assert (answer.exit_code, answer.stdout) == (0, "")
        assert f"wrote {name}" in answer.stderr
    (row,) = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert (row["n"], row["text"], row["list"], row["at"].isoformat()) == (
        1,
        "a, b",
        [1, 2],
        "2026-01-02T03:04:05+00:00",
    )
    assert (tmp_path / "a.csv").read_text().splitlines()[1].startswith('1,"a, b",2026-01-02 03:04:05Z')
    assert json.loads((tmp_path / "a.json").read_text())[0]["list"] == [1, 2]
    assert {path.name for path in tmp_path.iterdir()} >= {"a.parquet", "a.csv", "a.json"}
    assert not list(tmp_path.glob(".*.part"))


def test_listings_are_written_in_every_format(rumormill: Rumormill, edges: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rumormill("network", "import", "path", str(edges))
    for command in (["network", "list"], ["tables"]):
        listed = rumormill(*command, "--json").json
        assert rumormill(*command, "--format", "json").json == listed
        rumormill(*command, "--output", "listed.parquet")
        assert pq.read_table(tmp_path / "listed.parquet").num_rows == len(listed)
        assert len(rumormill(*command, "--format", "csv").stdout.splitlines()) == len(listed) + 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--output", "answer.xls"], "does not end in .csv, .json, .parquet"),
        (["--output", "a.csv", "--format", "table"], "--format table is for the terminal"),
        (["--output", "missing/a.csv"], "cannot write 'missing/a.csv': there is no folder 'missing'"),
        (["--json", "--format", "csv"], "--json and --format csv exclude each other"),
    ],
)
def test_files_that_cannot_be_written_are_refused(rumormill: Rumormill, options: list[str], sentence: str) -> None:
    answer = rumormill("sql", "SELECT 1", *options)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert sentence in " ".join(answer.stderr.split())
