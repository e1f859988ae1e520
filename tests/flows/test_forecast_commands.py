"""``rumormill forecast``: fit, show, score and predict, the latter as a flow that forecasts nothing twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data.facade import Warehouse

Rumormill = Callable[..., Any]


def rows(seed: int) -> pd.DataFrame:
    """Sixty cascades that double at least if their second half is the larger one."""
    draws, found = np.random.default_rng(seed), []
    for cascade in range(60):
        late = cascade % 2
        early = np.sort(np.concatenate([draws.uniform(0, 20, 12 - 8 * late), draws.uniform(40, 60, 4 + 8 * late)]))
        later = draws.uniform(61, 500, 4 + 20 * late + int(draws.integers(0, 4)))
        times = [0.0, *early, *later]
        found += [(f"c{cascade}", f"a{i}", time) for i, time in enumerate(times)]
    return pd.DataFrame(found, columns=["cascade", "agent", "time"])


@pytest.fixture
def cascades(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path / "warehouse")
    for name, seed in (("past", 1), ("today", 2)):
        warehouse.import_cascades(name, rows(seed), time_unit="minutes")
    young = rows(3)
    warehouse.import_cascades("young", young[young["time"] < 50], time_unit="minutes")
    return warehouse


@pytest.mark.xdist_group("prefect")
def test_a_model_is_fitted_shown_scored_and_forecasts_each_set_once(
    cascades: Warehouse, rumormill: Rumormill, prefect_url: str, tmp_path: Path
) -> None:
    asked = (
        "forecast", "fit", "viral", "past", "--window", "60", "--test-share", "0.4", "--size-estimators", "linear",
        "--outcome-estimators", "logistic,boosting",
    )  # fmt: skip
    fitted = rumormill(*asked, "--plot", "viral.png")
    assert fitted.exit_code == 0, fitted.stderr
    assert "fitted to 36 cascades, tested on 24 others" in fitted.stdout
    assert "published in table forecast_models" in fitted.stderr
    assert (tmp_path / "viral.png").stat().st_size > 10_000
    again = rumormill(*asked, "--json").json
    auc = next(row for row in again if (row["forecaster"], row["measure"]) == ("model", "auc"))
    assert auc["score_value"] == 1.0
    assert "## Limits" in rumormill("forecast", "show", "viral").stdout
    assert rumormill("forecast", "show", "--json").json[0]["forecast_model"] == "viral"
    assert "flatter" in rumormill("forecast", "score", "viral", "past").stderr
    scored = rumormill("forecast", "score", "viral", "today")
    assert "Brier score" in scored.stdout
    assert "flatter" not in scored.stderr
    everything = rumormill("forecast", "predict", "viral")
    assert everything.exit_code == 0, everything.stderr
    assert "today: 60 of 60 cascades forecast" in everything.stdout
    assert "past:" not in everything.stdout  # the model was fitted to it
    assert "cascades 'young' are left out" in everything.stderr
    for column in ("cascades", "90 % interval", "at least doubles"):
        assert column in everything.stdout.splitlines()[1]
    assert "nothing was added" in rumormill("forecast", "predict", "viral").stdout
    again = rumormill("forecast", "predict", "viral", "today", "today", "--json")
    assert [row["cascade_set"] for row in again.json] == ["today"] * 60
    assert "before; nothing was added" in rumormill("forecast", "predict", "viral", "today").stderr
    refused = rumormill("forecast", "predict", "viral", "young")
    assert (refused.exit_code, "say so with --age 60" in " ".join(refused.stderr.split())) == (2, True)
    assert len(rumormill("forecast", "predict", "viral", "young", "--age", "60", "--json").json) == 60
    counted = cascades.sql(
        "SELECT cascade_set, count(*) AS n FROM forecasts WHERE forecast_model = 'viral' GROUP BY ALL ORDER BY 1"
    )
    assert counted.to_numpy().tolist() == [["today", 60], ["young", 60]]


@pytest.mark.xdist_group("prefect")
def test_cascades_too_small_to_be_forecast_are_done_with_at_once(
    cascades: Warehouse, rumormill: Rumormill, prefect_url: str
) -> None:
    rumormill(
        "forecast", "fit", "large", "past", "--first", "20", "--outcome", "median", "--test-share", "0.4",
        "--size-estimators", "linear", "--outcome-estimators", "logistic",
    )  # fmt: skip
    tiny = pd.DataFrame({"cascade": ["x", "x"], "agent": ["a", "b"], "time": [0, 1]})
    cascades.import_cascades("tiny", tiny, time_unit="minutes")
    first = rumormill("forecast", "predict", "large", "tiny")
    assert "tiny: 0 of 1 cascades forecast; 1 have too few activations" in first.stdout
    assert "published" not in first.stderr
    assert "tiny" not in rumormill("forecast", "predict", "large").stdout


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fit", "viral", "past"], "give either a window of time or the number of first activations"),
        (["fit", "viral", "gone", "--window", "60"], "no cascades 'gone'"),
        (
            ["fit", "viral", "past", "--window", "60", "--split", "lats"],
            "split 'lats' is unknown (did you mean 'last'?)",
        ),
        (["fit", "", "past", "--window", "60"], "empty name"),
        (["fit", "viral", "past", "--window", "60", "--random-seed", "99999999999"], "random_seed is 99999999999"),
        (["fit", "viral", "past", "--first", "5", "--at-least", "60"], "at_least is 60"),
        (["fit", "viral", "c2:big", "--window", "60"], "no session or campaign 'c2:big'"),
        (["fit", "viral", "past", "--window", "60", "--size-estimators", "bosting"], "did you mean 'boosting'"),
        (["show", "viral"], "no forecast model 'viral'"),
        (["predict", "viral", "today"], "no forecast model 'viral'"),
        (["show", "--plot", "all.png"], "--plot draws one model"),
    ],
)
def test_mistakes_are_refused_in_a_sentence(
    cascades: Warehouse, rumormill: Rumormill, command: list[str], message: str
) -> None:
    answer = rumormill("forecast", *command)
    assert answer.exit_code == 2
    assert message in " ".join(answer.stderr.split())
