"""Runs that were started: what a crash leaves, and how it is continued without the campaign's file."""

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data.errors import InvalidInputError
from data.facade import Warehouse
from flows import run_events, run_records
from flows.campaign_jobs import prepare_run
from flows.config import load_campaign, resolve
from flows.model_sources import ModelSource
from flows.run_records import StoredRun, chosen_runs, find_run, is_reference, unfinished_runs
from flows.runs import run_campaign
from propagation import engine, jobs

pytestmark = [pytest.mark.xdist_group("prefect"), pytest.mark.usefixtures("prefect_url")]

TOWN = {
    "network": "town",
    "record": "activations",
    "messages": [{"name": "news", "type": "alarm", "properties": {"urgency": 2}}],
    "message_types": {"alarm": {"viral": {"decay": 0.5}}},
    "message_properties": {"viral": {"urgency": "virality"}},
    "sessions": [
        {"name": "three", "model": "viral", "seeds": ["1", "2", "3"], "replicates": 20},
        {"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 5}, "replicates": 20},
    ],
}


def crash(*_: Any, **__: Any) -> None:
    raise SystemExit(9)


def begun(
    path: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, where: tuple[Any, str] = (jobs, "publish_job")
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(*where, crash)
        with pytest.raises(SystemExit):
            run_campaign(path, warehouse.url)


def test_a_run_that_ends_well_is_not_unfinished(warehouse: Warehouse, campaign_file: Callable[..., str]) -> None:
    path = campaign_file(TOWN)
    run_campaign(path, warehouse.url)
    assert unfinished_runs(Warehouse(warehouse.url)) == []
    manifests = len(warehouse.manifests())
    assert run_campaign(path, warehouse.url)["status"] == "already_completed"
    assert len(warehouse.manifests()) == manifests


def test_a_crashed_run_is_continued_without_its_file(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    rumormill: Callable[..., Any],
) -> None:
    path = campaign_file(TOWN, "spring")
    begun(path, warehouse, monkeypatch)
    Path(path).unlink()
    warehouse.generate_network("town", "watts_strogatz", agents=200, degree=4)  # a later snapshot changes nothing
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert (run.campaign, run.network, run.sessions, run.sessions_published) == ("spring", "town", 2, 0)
    listed = rumormill("resume", "--list", COLUMNS="200")
    assert (listed.exit_code, "spring" in listed.stdout, "0 of 2" in listed.stdout) == (0, True, True)
    assert rumormill("resume", "--list", "--json").json[0]["campaign_id"] == run.campaign_id
    assert warehouse.read("campaigns").num_rows == 0
    answer = rumormill("resume", COLUMNS="200")
    assert answer.exit_code == 0
    assert "campaign 'spring' completed" in answer.stdout
    (published,) = warehouse.read("campaigns").to_pylist()
    configuration = json.loads(published["configuration"])
    assert published["campaign_id"] == run.campaign_id
    assert configuration["sessions"][0]["parameters"]["virality"] == 2.0
    assert run_campaign(run.reference, warehouse.url, again=True)["status"] == "confirmed"
    assert unfinished_runs(Warehouse(warehouse.url)) == []
    assert "no unfinished runs in warehouse" in rumormill("resume").stdout
    assert rumormill("resume", "--json").json == []


def test_what_was_published_is_not_computed_again(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(campaign_file(TOWN, "spring"), warehouse, monkeypatch, (run_events, "publish_campaign"))
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert run.sessions_published == 2
    monkeypatch.setattr(engine, "run_job", lambda *_, **__: pytest.fail("all sessions are there"))
    assert run_campaign(run.reference, warehouse.url)["status"] == "completed"


def test_one_of_several_is_chosen_by_name_or_id(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    rumormill: Callable[..., Any],
) -> None:
    for name in ("spring", "summer"):
        begun(campaign_file(TOWN, name), warehouse, monkeypatch)
    place = Warehouse(warehouse.url)
    assert [run.campaign for run in chosen_runs(place, None)] == ["spring", "summer"]
    (spring,) = chosen_runs(place, "spring")
    assert chosen_runs(place, spring.campaign_id[:8]) == [spring]
    with pytest.raises(
        InvalidInputError, match=r"no unfinished run of a campaign 'autumn' .*unfinished: spring, summer"
    ):
        chosen_runs(place, "autumn")
    assert rumormill("resume", "summer").exit_code == 0
    assert [run.campaign for run in unfinished_runs(Warehouse(warehouse.url))] == ["spring"]
    assert rumormill("resume", "autumn").exit_code == 2


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-models.md"
OWN = PAGE.read_text().split("```python\n")[1].split("```")[0]


MINE = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "replicates": 2, "max_rounds": 2}
"""A session of a model of one's own."""


def stored_by_an_older_version(path: str, warehouse: Warehouse) -> str:
    """Store a run as older versions did; return the campaign's id."""
    resolved = resolve(load_campaign(path), warehouse)
    record = {
        "campaign": resolved.campaign.model_dump(mode="json"),
        "snapshot_id": resolved.network.snapshot_id,
        "sessions": [session.session_id for session in resolved.distinct_sessions],
    }
    warehouse.commit("run", [f"run/{resolved.campaign_id}"], [], properties=record)
    return resolved.campaign_id


def test_a_run_that_fails_again_does_not_keep_others_from_being_continued(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rumormill: Callable[..., Any],
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    own = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [MINE]})
    stored_by_an_older_version(own, warehouse)
    begun(campaign_file(TOWN, "spring"), warehouse, monkeypatch)
    failing, good = unfinished_runs(Warehouse(warehouse.url))
    (tmp_path / "rumour.py").rename(tmp_path / "elsewhere.py")
    told = "no file of models .*rumour.py'; give the path of a Python file, where it was when the run was started; or "
    answer = rumormill("resume", COLUMNS="300")
    assert answer.exit_code == 2
    assert re.search(f"error: campaign {failing.campaign!r} cannot be continued\nerror: .*{told}", answer.stderr)
    assert f"campaign {good.campaign!r} completed" in answer.stdout
    assert [run.campaign for run in unfinished_runs(Warehouse(warehouse.url))] == [failing.campaign]
    # Alone, it is not named.
    alone = rumormill("resume", "--json", COLUMNS="300")
    assert (alone.exit_code, alone.json) == (2, [])
    assert "cannot be continued" not in alone.stderr
    (tmp_path / "elsewhere.py").rename(tmp_path / "rumour.py")
    assert rumormill("resume").exit_code == 0


def test_runs_of_older_versions_are_listed_and_resumed(
    warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    path = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [MINE, TOWN["sessions"][0]]}, "old")
    campaign_id = stored_by_an_older_version(path, warehouse)
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert (run.campaign, run.campaign_id, run.sessions, run.reference) == ("old", campaign_id, 2, f"run/{campaign_id}")
    # Models are known by their paths only: an edited one is told.
    (tmp_path / "rumour.py").write_text(OWN.replace("self.needed", "self.needed + 1"))
    with pytest.raises(
        InvalidInputError, match=r"was started with other models than those now in .*rumour.py; restore"
    ):
        run_campaign(run.reference, warehouse.url)
    (tmp_path / "rumour.py").write_text(OWN)
    summary = run_campaign(run.reference, warehouse.url)
    assert (summary["campaign_id"], summary["status"]) == (campaign_id, "completed")
    assert unfinished_runs(Warehouse(warehouse.url)) == []
    assert run_campaign(run.reference, warehouse.url)["status"] == "already_completed"


# -- what a stored run is -------------------------------------------------------------------------------------------


def test_a_model_that_was_edited_or_lost_meanwhile_runs_as_it_was(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    path = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [MINE]})
    begun(path, warehouse, monkeypatch)
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert run.rounds_kept == 3
    (tmp_path / "rumour.py").write_text(OWN.replace("self.needed", "self.needed + 1"))
    run_records._remembered.clear()  # as on another machine
    summary = run_campaign(run.reference, warehouse.url)
    assert summary["sessions"][0]["session_id"] in {
        session for row in warehouse.read("runs").to_pylist() for session in row["session_ids"]
    }
    (tmp_path / "rumour.py").unlink()
    run_records._remembered.clear()
    assert run_campaign(run.reference, warehouse.url, again=True)["status"] == "confirmed"
    (campaign,) = warehouse.read("campaigns").to_pylist()
    assert json.loads(campaign["configuration"])["models"] == [str(tmp_path / "rumour.py")]


def test_the_same_run_has_the_same_id(warehouse: Warehouse, campaign_file: Callable[..., str], tmp_path: Path) -> None:
    def run_of(content: Any, text: str = OWN, place: str = "rumour") -> StoredRun:
        (tmp_path / f"{place}.py").write_text(text)
        return prepare_run(
            campaign_file(content, "spring"), warehouse.url, models=[str(tmp_path / f"{place}.py")]
        ).stored

    own = {"network": "town", "sessions": [MINE]}
    first = run_of(own)
    assert run_of(own).run_id == first.run_id
    assert run_of(own, place="elsewhere").run_id == first.run_id, "wherever the file is"
    assert run_of(own, OWN + "\n# edited\n").run_id != first.run_id
    assert run_of({**own, "plan": "reference"}).run_id != first.run_id
    assert run_of({**own, "random_seed": 1}).run_id != first.run_id
    before = prepare_run(campaign_file(TOWN), warehouse.url).stored
    warehouse.generate_network("town", "watts_strogatz", agents=200, degree=4)
    assert prepare_run(campaign_file(TOWN), warehouse.url).stored.run_id != before.run_id


def test_a_stored_model_whose_text_does_not_match_its_fingerprint_is_not_executed(tmp_path: Path) -> None:
    file = tmp_path / "rumour.py"
    file.write_text(OWN)
    source = ModelSource.of_file(str(file))
    assert source.file(tmp_path / "cache") == str(file)
    file.write_text("raise SystemExit('executed')")
    copy = Path(source.file(tmp_path / "cache"))
    assert (copy.name, copy.read_text()) == ("rumour.py", OWN)
    copy.write_text("raise SystemExit('executed')")
    assert Path(source.file(tmp_path / "cache")).read_text() == OWN
    wrong = dataclasses.replace(source, text="raise SystemExit('executed')")
    with pytest.raises(InvalidInputError, match="does not match its fingerprint, so it is not executed"):
        wrong.file(tmp_path / "cache")


def test_a_stored_run_is_found_by_the_id_of_its_campaign_too(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(campaign_file(TOWN, "spring"), warehouse, monkeypatch)
    (row,) = warehouse.read("runs").to_pylist()
    place = Warehouse(warehouse.url)
    by_run, by_campaign = (find_run(f"run/{row[key]}", place) for key in ("run_id", "campaign_id"))
    assert by_run == by_campaign
    assert by_run.campaign == load_campaign(campaign_file(TOWN, "spring"))
    assert (by_run.started_at, by_run.session_ids) == (row["started_at"], tuple(row["session_ids"]))
    assert (row["campaign"], row["network_id"], row["models"]) == ("spring", "town", "[]")


def test_only_ids_are_references() -> None:
    assert is_reference("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b")
    assert not is_reference("run/campaign.yaml")
    assert not is_reference("seed-strategies")
    with pytest.raises(InvalidInputError, match="no run 'run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b' in warehouse"):
        run_campaign("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b")


def test_a_process_killed_between_rounds_goes_on_from_them(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    environment: dict[str, str],
    prefect_url: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    session = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "parameters": {"needed": 1, "boredom": 0.0}}
    session |= {"replicates": 2, "max_rounds": 12}
    path = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [session], "record": "activations"})
    command = [sys.executable, "-m", "flows.command_line", "run", path, "-w", warehouse.url]
    settings = {**environment, "PREFECT_API_URL": prefect_url}
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        while process.poll() is None:
            found = unfinished_runs(Warehouse(warehouse.url))
            if found and found[0].rounds_kept >= 3:
                break
            time.sleep(0.2)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert 3 <= run.rounds_kept < 13
    kept = {key for manifest in Warehouse(warehouse.url).manifests() for key in manifest.keys}
    run_campaign(run.reference, warehouse.url)
    after = [key for manifest in Warehouse(warehouse.url).manifests() for key in manifest.keys]
    assert len(after) == len(set(after))
    assert kept <= set(after)
    assert run_campaign(run.reference, warehouse.url, again=True)["status"] == "confirmed"
