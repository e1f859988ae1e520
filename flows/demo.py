"""The demo: one command that generates a network, compares seed strategies and writes a page.

It uses the same steps as any user: a network, a campaign as a Prefect flow, SQL queries.
``python -m flows.demo PICTURE.png`` draws the plot in the README.
"""

import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.commands.logs import quiet_logs
from flows.commands.options import DEFAULT_WAREHOUSE, WAREHOUSE_VARIABLE
from flows.commands.terminal import progress_bars
from flows.prefect_server import embedded_server

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from analytics.sql_reports import Answer
    from data.facade import Warehouse
    from data.networks.network import Network
    from data.progress import Progress
    from propagation.result import Result

NETWORK = "demo"
"""Name of the generated network."""
AGENTS = 100_000
EDGES = 1_000_000
RANDOM_SEED = 1
CAMPAIGN = "seed-strategies"
"""Name of the bundled campaign that the demo runs."""
BUDGET = 500
"""Seeds of each strategy in the campaign."""
AGENTS_PER_SEED = 10
"""In a small network of the user's, at most one in `AGENTS_PER_SEED` agents is a seed."""
QUESTION = "Which agents should a message start from? Three strategies compared."
ASKED = ("reach", "fastest_rounds", "cascade_sizes", "large_cascades")
PRINTED = ("fastest_rounds", "large_cascades")
"""Reports that are run, and those of them that are printed."""


@dataclass(frozen=True)
class DemoResult:
    """Results of the demo, and where they are stored.

    Attributes
    ----------
    headline : str
        A sentence that names the strategy with the largest reach.
    summary : dict
        The flow's result: campaign, status, plan, one row per session.
    answers : list of dict
        SQL queries: question, sql and rows.
    places : dict
        Paths or URLs of the results: warehouse, page, bootstrap.
    seconds : float
        Wall-clock time of the whole demo.
    """

    headline: str
    summary: dict[str, Any]
    answers: list[dict[str, Any]]
    places: dict[str, str]
    seconds: float


def run_demo(source: str | None, warehouse: str, console: "Console") -> DemoResult:
    """Compare three seed strategies on a network, and print the results.

    Parameters
    ----------
    source : str or None
        An edge list to import; None generates a network of 100,000 agents and 1,000,000 edges.
    warehouse : str
        Folder or URL of the warehouse. Results that it already holds are not computed again.
    console : rich.console.Console
        Where to print.

    Returns
    -------
    DemoResult

    Raises
    ------
    RumormillError
        If the file cannot be imported, the warehouse cannot be written, or the run was cancelled.
    """
    from analytics.reports import headline
    from analytics.sql_reports import report
    from data.facade import Warehouse
    from flows.runs import prepare_run, run_campaign
    from propagation.published import load_result

    started = time.perf_counter()
    place = Warehouse(warehouse)
    steps = _Steps(console)
    console.print(QUESTION, style="bold")
    # 1. A network; meanwhile Prefect's server starts, if a flow is certain to follow.
    if not _has_network(place, source):
        embedded_server().start()
    with steps.step("network") as step:
        network = _network(place, source, step.progress)
        step.told = _network_told(network)
    # 2. The campaign, as a flow; a finished campaign needs no server.
    with _campaign_file(network) as campaign:
        if not prepare_run(campaign, place.url).nothing_to_do:
            embedded_server().start()
            with steps.step("kernels") as step:
                _compile_kernels(network)
                step.told = "compiled or loaded from cache"
            with steps.step("Prefect") as step:
                step.progress("starting Prefect", 0, 1)
                embedded_server().wait()
                step.told = "server is running"
        with steps.step("campaign") as step:
            summary = run_campaign(campaign, place.url, progress=step.progress)
            step.told = _campaign_told(summary)
    results = {row["session"]: load_result(place, row["session_id"]) for row in summary["sessions"]}
    # 3. SQL queries, and the campaign's page.
    with steps.step("answers") as step:
        answers = {name: report(place, name, summary["campaign_id"]) for name in ASKED}
        places = _places(network, summary["campaign_id"], campaign)
        step.told = f"{len(answers)} SQL queries, and a web page"
    seconds = time.perf_counter() - started
    _print_results(console, headline(results), results, summary)
    _print_answers(console, [answers[name] for name in PRINTED])
    _print_places(console, place.url, places)
    console.print(f"\nDone in {seconds:.1f} s.", style="bold")
    asked = [{"question": a.question, "sql": a.sql, "rows": a.rows.to_pylist()} for a in answers.values()]
    return DemoResult(headline(results), summary, asked, places, seconds)


def draw_picture(path: str, warehouse: str) -> None:
    """Draw the plot in the README: adoption curves and reach of the demo's campaign.

    Parameters
    ----------
    path : str
        PNG file to write.
    warehouse : str
        Folder or URL of the warehouse; the campaign runs unless its results are there.
    """
    from analytics.plots import campaign_figure
    from data.facade import Warehouse
    from data.progress import ignore_progress
    from flows.runs import run_campaign
    from propagation.published import load_result

    network = _network(Warehouse(warehouse), None, ignore_progress)
    summary = run_campaign(CAMPAIGN, network.warehouse.url)
    results = {row["session"]: load_result(network.warehouse, row["session_id"]) for row in summary["sessions"]}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    campaign_figure(results).savefig(path, dpi=125, metadata={"Software": None})


# -- the steps ------------------------------------------------------------------------------------------------------


@dataclass
class _Step:
    """One step: its progress callback, and the text printed when it is done."""

    progress: "Progress"
    told: str = ""


class _Steps:
    """The steps of the demo: each shows a progress bar while it runs and prints a line when it is done."""

    def __init__(self, console: "Console") -> None:
        self._console = console

    @contextmanager
    def step(self, name: str) -> Iterator[_Step]:
        started = time.perf_counter()
        with progress_bars(hidden=not self._console.is_terminal) as progress:
            step = _Step(progress)
            yield step
        seconds = f"{time.perf_counter() - started:.1f} s"
        self._console.print(f"{seconds:>7}  {name:8}  {step.told}", markup=False)


def _budget(network: "Network") -> int:
    return max(1, min(BUDGET, network.n_agents // AGENTS_PER_SEED))


def _has_network(warehouse: "Warehouse", source: str | None) -> bool:
    from data.networks import index

    name = network_name(source) if source else NETWORK
    return name in index.names(warehouse)


def _network(warehouse: "Warehouse", source: str | None, progress: "Progress") -> "Network":
    if source is not None:
        return warehouse.import_network(network_name(source), source, progress=progress)
    if _has_network(warehouse, None):
        return warehouse.network(NETWORK)
    return warehouse.generate_network(
        NETWORK, "rmat", agents=AGENTS, edges=EDGES, random_seed=RANDOM_SEED, progress=progress
    )


def network_name(source: str) -> str:
    """Return the network name for a file: its stem, with invalid characters replaced by dashes.

    Examples
    --------
    >>> network_name("data/wiki-Vote.txt.gz"), network_name("my edges (1).csv")
    ('wiki-Vote', 'my-edges-1')
    """
    stem = Path(source).name.split(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-")[:80] or "network"


@contextmanager
def _campaign_file(network: "Network") -> Iterator[str]:
    """Yield the name of the bundled campaign, or the path of a copy adapted to another network."""
    from flows.config import campaign_path

    if network.network_id == NETWORK and network.n_agents >= BUDGET * AGENTS_PER_SEED:
        yield CAMPAIGN
        return
    text = campaign_for(campaign_path(CAMPAIGN).read_text(encoding="utf-8"), network)
    name = f"{CAMPAIGN}-{network.network_id}.yaml"
    if network.warehouse.filesystem is None:
        yield network.warehouse.replace_derived(name, text)
        return
    with tempfile.TemporaryDirectory(prefix="rumormill-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        yield str(path)


def campaign_for(campaign: str, network: "Network") -> str:
    """Return the demo's campaign file adapted to another network, with fewer seeds if that is small."""
    budget = _budget(network)
    text = re.sub(r"^network: .*$", f"network: {network.network_id}", campaign, flags=re.MULTILINE)
    return re.sub(r"^( +budget:) \d+$", rf"\g<1> {budget}", text, flags=re.MULTILINE)


def _compile_kernels(network: "Network") -> None:
    """Run a few cascades of the campaign's kind, so that later timings do not include compilation."""
    from propagation import simulate
    from propagation.models import IndependentCascade
    from propagation.seeding import TopOutDegree

    seeds = TopOutDegree(budget=_budget(network))
    simulate(network, IndependentCascade(), seed_set=seeds, replicates=64, publish=False)


def _network_told(network: "Network") -> str:
    told = f"{network.network_id}: {network.n_agents:,} agents, {network.n_edges:,} edges"
    kinds = {"self_loops": "self-loops", "duplicates": "duplicates", "malformed": "malformed lines"}
    left_out = [f"{network.row[column]:,} {kind}" for column, kind in kinds.items() if network.row[column]]
    return f"{told} (left out: {', '.join(left_out)})" if left_out else told


def _campaign_told(summary: Mapping[str, Any]) -> str:
    if summary["status"] == "already_completed":
        return "finished before; results read from the warehouse"
    return f"{summary['lanes']:,} cascades, as a Prefect flow on Dask"


def _places(network: "Network", campaign_id: str, campaign: str) -> dict[str, str]:
    """Write the campaign's page, and the SQL views into the warehouse; return the paths of all results."""
    from data.warehouse.catalogue import write_bootstrap
    from flows.config import campaign_path
    from flows.pages import write_page

    warehouse = network.warehouse
    places = {
        "page": str(write_page(warehouse.url, campaign_id)),
        "warehouse": warehouse.url,
        "SQL views": write_bootstrap(warehouse),
    }
    if warehouse.filesystem is None:
        places["campaign"] = str(campaign_path(campaign))
    return places


def _sql_command(warehouse: str) -> str:
    return f'{_rumormill(warehouse)} sql "SELECT session_id, total_influenced FROM propagation_sessions"'


def _rumormill(warehouse: str) -> str:
    """Return the command that runs `rumormill` on this warehouse, from the current folder."""
    default = os.environ.get(WAREHOUSE_VARIABLE, DEFAULT_WAREHOUSE)
    if warehouse in {default, str(Path(default).absolute())}:
        return _command("rumormill")
    return f"{_command('rumormill')} --warehouse {shlex.quote(warehouse)}"


def _command(name: str) -> str:
    """Return how to call a command of this environment: by its name if the shell finds it, else by its path."""
    ours = Path(sys.executable).parent / name
    if shutil.which(name) == str(ours) or not ours.exists():
        return name
    return shlex.quote(str(ours.relative_to(Path.cwd())) if ours.is_relative_to(Path.cwd()) else str(ours))


# -- what is printed ------------------------------------------------------------------------------------------------


def _print_results(
    console: "Console", sentence: str, results: "Mapping[str, Result]", summary: Mapping[str, Any]
) -> None:
    from propagation.intervals import INTERVAL_NOTE, with_interval

    rows = [
        {
            "seed strategy": name,
            "seeds": len(result.session["seed_agents"]),
            "reach, agents": with_interval(result.reach),
            "of network": f"{100 * result.reach.mean / result.network.n_agents:.2f} %",
            "rounds": result.session["rounds"],
        }
        for name, result in sorted(results.items(), key=lambda item: -item[1].reach.mean)
    ]
    first = next(iter(results.values())).session
    console.print()
    console.print(sentence, style="bold", markup=False)
    console.print(f"({INTERVAL_NOTE}; strategies use common random numbers.)", style="dim")
    console.print()
    console.print(_table(rows))
    console.print(
        f"Time: {summary['seconds']:.2f} s for all {summary['lanes']:,} cascades, {first['estimated_seconds']:.2f} s "
        f"estimated. Plan: {summary['plan']}, {summary['plan_reason']}.",
        style="dim",
        markup=False,
    )


def _print_answers(console: "Console", answers: "Sequence[Answer]") -> None:
    for answer in answers:
        console.print()
        console.print(answer.question, style="bold", markup=False)
        console.print(textwrap.indent(answer.sql, "  "), style="cyan", markup=False)
        console.print()
        console.print(_table(answer.rows.to_pylist()))


def _print_places(console: "Console", warehouse: str, places: Mapping[str, str]) -> None:
    entries = {
        **places,
        "query": _sql_command(warehouse),
        "Prefect's UI": f"{_command('rumormill')} up",
    }
    console.print("\nResults and next steps", style="bold")
    for label, entry in entries.items():
        console.print(f"  {label:14}{entry}", markup=False, soft_wrap=True)


def _table(rows: Sequence[Mapping[str, Any]]) -> "Table":
    """Return rows as a table: values that are or begin with a number are right-aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from analytics.reports import format_value

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, value in rows[0].items():
        numeric = not isinstance(value, str) or value[:1].isdigit()
        table.add_column(Text(name), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(Text(format_value(value)) for value in row.values()))
    return table


if __name__ == "__main__":
    quiet_logs()
    with tempfile.TemporaryDirectory(prefix="rumormill-") as warehouse:
        draw_picture(sys.argv[1], warehouse)
