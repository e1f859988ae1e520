"""Runs that were started: what a crash leaves, and how it is continued without the campaign's file."""

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
from flows import runs
from flows.run_records import chosen_runs, is_reference, unfinished_runs
from flows.runs import run_campaign
from propagation import engine

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


def begun(path: str, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, where: str = "publish_job") -> None:
    with monkeypatch.context() as patched:
        patched.setattr(runs, where, crash)
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
    assert "no run in warehouse" in rumormill("resume").stdout
    assert rumormill("resume", "--json").json == []


def test_what_was_published_is_not_computed_again(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(campaign_file(TOWN, "spring"), warehouse, monkeypatch, "publish_campaign")
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


def test_a_run_that_fails_again_does_not_keep_others_from_being_continued(
    warehouse: Warehouse,
    campaign_file: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    rumormill: Callable[..., Any],
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    session = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "replicates": 2, "max_rounds": 2}
    begun(campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [session]}), warehouse, monkeypatch)
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


OWN = (Path(__file__).parents[2] / "docs" / "own-models.md").read_text().split("```python\n")[1].split("```")[0]


def test_a_model_that_was_edited_meanwhile_is_told(
    warehouse: Warehouse, campaign_file: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    session = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "replicates": 2, "max_rounds": 2}
    path = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [session]})
    begun(path, warehouse, monkeypatch)
    (run,) = unfinished_runs(Warehouse(warehouse.url))
    assert run.rounds_kept == 3
    (tmp_path / "rumour.py").write_text(OWN.replace("self.needed", "self.needed + 1"))
    with pytest.raises(
        InvalidInputError, match=r"was started with other models than those now in .*rumour.py; restore"
    ):
        run_campaign(run.reference, warehouse.url)
    (tmp_path / "rumour.py").write_text(OWN)
    assert run_campaign(run.reference, warehouse.url)["sessions"][0]["propagation_model"] == "rumour"


def test_only_ids_are_references() -> None:
    assert is_reference("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b")
    assert not is_reference("run/campaign.yaml")
    assert not is_reference("seed-strategies")
    with pytest.raises(InvalidInputError, match="no run 'run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b' in warehouse"):
        run_campaign("run/6ec0bd7f-11c0-43da-975e-2a8ad9ebae0b")


def test_a_process_killed_between_rounds_goes_on_from_them(
    warehouse: Warehouse, campaign_file: Callable[..., str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "rumour.py").write_text(OWN)
    session = {"name": "mine", "model": "rumour", "seeds": ["1", "2"], "parameters": {"needed": 1, "boredom": 0.0}}
    session |= {"replicates": 2, "max_rounds": 30}
    path = campaign_file({"network": "town", "models": ["rumour.py"], "sessions": [session], "record": "activations"})
    command = [sys.executable, "-m", "flows.command_line", "run", path, "-w", warehouse.url]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
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
    assert 3 <= run.rounds_kept < 31
    kept = {key for manifest in Warehouse(warehouse.url).manifests() for key in manifest.keys}
    run_campaign(run.reference, warehouse.url)
    after = [key for manifest in Warehouse(warehouse.url).manifests() for key in manifest.keys]
    assert len(after) == len(set(after))
    assert kept <= set(after)
    assert run_campaign(run.reference, warehouse.url, again=True)["status"] == "confirmed"
