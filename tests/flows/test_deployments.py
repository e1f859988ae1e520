"""Deployment files, and what a deployment sets."""

import datetime as dt
import inspect
from pathlib import Path

import pytest
import yaml

from data.errors import CampaignError, InvalidInputError, SourceNotFoundError
from flows.config import is_deployment_file, load_deployment
from flows.forecasts import forecast
from flows.propagate import propagate
from flows.scheduling import flow_parameters, scheduled_times

BUNDLED = Path(__file__).resolve().parents[2] / "configs" / "deployments"
CAMPAIGN = "network: path\nsessions:\n  - {name: whole, seeds: [ann]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spring.yaml").write_text(CAMPAIGN)
    (tmp_path / "exports").mkdir()
    return tmp_path


def deployment(folder: Path, content: str) -> str:
    path = folder / "nightly.yaml"
    path.write_text(content)
    return str(path)


@pytest.mark.parametrize("file", sorted(BUNDLED.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_bundled_deployments_are_valid(file: Path) -> None:
    assert is_deployment_file(str(file))
    assert load_deployment(str(file), "warehouse").name == file.stem


def test_paths_are_relative_to_the_file_and_become_absolute(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = deployment(folder, "campaign: spring.yaml\ncron: 0 6 * * *\nimport: {path: exports, undirected: true}\n")
    monkeypatch.chdir("/")
    assert flow_parameters(load_deployment(file, "results")) == {
        "campaign": str(folder / "spring.yaml"),
        "warehouse": "/results",
        "import_from": str(folder / "exports"),
        "import_options": {"undirected": True},
        "page": True,
    }


def test_a_bundled_campaign_and_a_store_keep_their_names(folder: Path) -> None:
    found = load_deployment(deployment(folder, "campaign: seed-strategies\nwarehouse: s3://bucket/w\n"), "warehouse")
    assert Path(found.campaign).name == "seed-strategies.yaml"
    assert found.warehouse == "s3://bucket/w"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("campaign: spring.yaml\ncron: daily\n", "line 2: cron: 'daily' is not a schedule"),
        ("campaign: spring.yaml\ncron: 61 6 * * *\n", "line 2: cron: '61 6"),
        ("campaign: spring.yaml\ntimezone: Berlin\n", "line 2: timezone: no timezone 'Berlin'"),
        ("campaign: spring.yaml\ntimezone: UTC\n", "line 2: timezone: 'UTC' applies to `cron`, which is not given"),
        ("campaign: spring.yaml\nimports: exports\n", "line 2: imports"),
        ("campaign: spring.yaml\nimport: {path: exports, direct: true}\n", "line 2: import.direct"),
        ("campaign: spring.yaml\nplan: fast\n", "line 2: plan"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(folder: Path, content: str, sentence: str) -> None:
    with pytest.raises(CampaignError) as told:
        load_deployment(deployment(folder, content), "warehouse")
    assert sentence in str(told.value)


@pytest.mark.parametrize("line", ["campaign: autumn.yaml", "campaign: spring.yaml\nimport: nowhere"])
def test_missing_files_are_told(folder: Path, line: str) -> None:
    with pytest.raises(SourceNotFoundError):
        load_deployment(deployment(folder, line), "warehouse")


def test_a_campaign_is_no_deployment(folder: Path) -> None:
    assert not is_deployment_file(str(folder / "spring.yaml"))
    assert not is_deployment_file("seed-strategies")


def test_times_follow_the_clock_of_the_timezone() -> None:
    first, last = dt.datetime(2026, 10, 24, tzinfo=dt.UTC), dt.datetime(2026, 10, 26, tzinfo=dt.UTC)
    times = scheduled_times("30 8 * * *", "Europe/Berlin", first, last)
    assert [time.astimezone(dt.UTC).hour for time in times] == [6, 7]  # clocks are set back on 25 October


def test_too_many_times_are_refused() -> None:
    first, last = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    with pytest.raises(InvalidInputError, match=r"more than 1,000 runs"):
        scheduled_times("* * * * *", "UTC", first, last)


def test_prefects_own_file_deploys_what_the_bundled_deployment_does() -> None:
    stated, forecasts = yaml.safe_load((BUNDLED.parents[1] / "prefect.yaml").read_text())["deployments"]
    assert set(forecasts["parameters"]) <= set(inspect.signature(forecast.fn).parameters)
    assert forecasts["entrypoint"] == f"flows/{Path(inspect.getfile(forecast.fn)).name}:{forecast.fn.__name__}"
    bundled = load_deployment(str(BUNDLED / f"{stated['name']}.yaml"), "warehouse")
    (schedule,) = stated["schedules"]
    assert (schedule["cron"], schedule["timezone"]) == (bundled.cron, bundled.timezone)
    assert schedule["active"] is not bundled.paused
    assert stated["tags"] == list(bundled.tags)
    assert set(stated["parameters"]) <= set(inspect.signature(propagate.fn).parameters)
    assert str(BUNDLED.parents[1] / stated["parameters"]["campaign"]) == bundled.campaign
    file, _, name = stated["entrypoint"].partition(":")
    assert (BUNDLED.parents[1] / file, name) == (Path(inspect.getfile(propagate.fn)), propagate.fn.__name__)
