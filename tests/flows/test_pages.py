"""Pages of campaigns: which campaign is meant, where the page goes, and what it takes to make it."""

import base64
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analytics.pages.specification import campaign_yaml
from data.errors import InvalidInputError
from data.facade import Warehouse
from flows.campaign_jobs import prepare_run, publish_campaign, run_job
from flows.config import load_campaign, resolve_file
from flows.output_files import write_output
from flows.pages import default_page, find_campaign, write_page
from flows.run_events import record_start
from propagation.clusters import ClusterProfile
from propagation.jobs import Execution

ODD = {
    "name": "spring: 1 / 2",
    "network": "path",
    "messages": [{"name": "1e-3", "content": "a: b\n- c", "type": "no", "properties": {"code": "007", "part": 0.5}}],
    "model_parameters": {"sir": {"beta": 0.25}},
    "sessions": [
        {"name": "null", "model": "sir", "seeds": ["ann"], "replicates": 3, "record": "reach"},
        {"name": "#2 <b>", "seeds": {"strategy": "top_out_degree", "budget": 2}, "replicates": 3, "max_rounds": 2},
    ],
}
SPRING = {"name": "spring", "network": "path", "sessions": [{"name": "a", "seeds": ["ann"], "replicates": 4}]}
LATER = {**SPRING, "random_seed": 7}


def finish(file: str, warehouse: Warehouse) -> str:
    """Run a campaign without Prefect; return its id."""
    run = prepare_run(file, warehouse.url)
    for job in run.jobs:
        ids = [session.session_id for session in job.sessions]
        run_job(run.resolved, ids, Execution(), ClusterProfile(), compare=False)
    publish_campaign(run.resolved, dt.datetime.now(dt.UTC))
    return run.resolved.campaign_id


@pytest.fixture
def spring(warehouse: Warehouse, campaign_file: Callable[..., str]) -> list[str]:
    """Two finished campaigns called spring: their ids, the older one first."""
    files = [campaign_file(content, name) for name, content in (("spring", SPRING), ("later", LATER))]
    return [finish(file, warehouse) for file in files]


def test_the_campaign_on_the_page_is_the_one_that_ran(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    campaign_id = finish(campaign_file(ODD, "odd"), warehouse)
    html = write_page(warehouse.url, campaign_id).read_text(encoding="utf-8")
    (encoded,) = re.findall(r'\.yaml" href="data:application/yaml;charset=utf-8;base64,([^"]+)"', html)
    again = tmp_path / "again.yaml"
    again.write_bytes(base64.b64decode(encoded))
    resolved = resolve_file(str(again), warehouse)
    assert resolved.campaign_id == campaign_id
    assert resolved.campaign.messages == load_campaign(str(tmp_path / "odd.yaml")).messages
    assert campaign_yaml(resolved.configuration) == again.read_text(encoding="utf-8")


def test_the_page_of_a_name_is_that_of_the_newest_campaign(warehouse: Warehouse, spring: list[str]) -> None:
    older, newer = spring
    found = find_campaign(warehouse, "spring")
    assert found.campaign_id == newer
    assert found.choice is not None
    assert found.choice.startswith("2 campaigns are called 'spring'; this is the newest, completed ")
    assert found.choice.endswith(f"For another give its id: {older}")
    assert find_campaign(warehouse, older[:7]).campaign_id == older
    assert Path(default_page(warehouse, found)) == Path(warehouse.url) / "spring.html"
    assert Path(default_page(warehouse, find_campaign(warehouse, older))).name == f"spring-{older[:8]}.html"


def test_a_campaign_file_means_its_own_configuration(
    warehouse: Warehouse, spring: list[str], campaign_file: Callable[..., str]
) -> None:
    assert find_campaign(warehouse, campaign_file(SPRING, "spring")).campaign_id == spring[0]
    changed = campaign_file({**SPRING, "random_seed": 8}, "changed")
    with pytest.raises(InvalidInputError, match=f"is not finished .*rumormill run .*changed.yaml --page.*{spring[1]}"):
        find_campaign(warehouse, changed)


def test_a_campaign_that_has_begun_is_not_finished(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    run = prepare_run(campaign_file(SPRING, "spring"), warehouse.url)
    record_start(run, "a flow run")
    with pytest.raises(InvalidInputError, match=r"is not finished: 0 of 1 sessions are published; .* rumormill resume"):
        find_campaign(warehouse, "spring")


def test_the_page_of_an_object_store_goes_to_the_current_folder(spring: list[str], warehouse: Warehouse) -> None:
    store = SimpleNamespace(url="s3://bucket/folder", filesystem=object())
    assert default_page(store, find_campaign(warehouse, "spring")) == "spring.html"  # type: ignore[arg-type]


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("earlier")

    def fail(file: Any) -> None:
        file.write("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_output(str(target), fail)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert target.read_text() == "earlier"


def test_the_command_writes_the_page_and_prints_its_path(
    rumormill: Callable[..., Any], spring: list[str], tmp_path: Path
) -> None:
    answer = rumormill("page", "spring")
    path = Path(answer.stdout.strip())
    assert path == tmp_path / "warehouse" / "spring.html"
    assert "<h1>Campaign <bdi>spring</bdi></h1>" in path.read_text(encoding="utf-8")
    assert "2 campaigns are called 'spring'; this is the newest" in answer.stderr
    answer = rumormill("page", spring[0], "--output", "mine.html", "--json")
    assert answer.json == {"campaign": "spring", "campaign_id": spring[0], "page": "mine.html"}
    assert (tmp_path / "mine.html").is_file()


def test_a_run_of_a_finished_campaign_writes_the_page_too(
    rumormill: Callable[..., Any], spring: list[str], campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    answer = rumormill("run", campaign_file(LATER, "later"), "--page")
    assert answer.stdout.endswith(f"page: {tmp_path / 'warehouse' / 'spring.html'}\n")
    answer = rumormill("run", campaign_file(SPRING, "spring"), "--page", "--output", "mine.html", "--json")
    assert answer.json["page"] == "mine.html"
    assert spring[0] in (tmp_path / "mine.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["page", "sprig"], "no campaign 'sprig' (did you mean 'spring'?)"),
        (["page", "missing.yaml"], "no campaign file 'missing.yaml'"),
        (["page", "spring", "-o", "missing/a.html"], "there is no folder 'missing'"),
        (["page", "spring", "-o", "warehouse"], "it is a folder"),
        (["run", "spring.yaml", "-o", "a.html"], "add --page"),
        (["run", "spring.yaml", "--page", "--dry-run"], "leave out --page or --dry-run"),
        (["run", "spring.yaml", "--page", "-o", "missing/a.html"], "there is no folder 'missing'"),
    ],
)
def test_mistakes_are_told_before_work_starts(
    rumormill: Callable[..., Any], spring: list[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.setattr("analytics.pages.campaign.campaign_page", None)
    monkeypatch.setattr("flows.runs.run_campaign", None)
    answer = rumormill(*arguments)
    assert answer.exit_code == 2
    assert told in " ".join(answer.stderr.split())
