"""``rumormill models`` and ``--version``."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from propagation.models import MODELS
from propagation.models.description import describe

Rumormill = Callable[..., Any]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-models.md"
OWN = PAGE.read_text().split("```python\n")[1].split("```")[0]


@pytest.mark.parametrize("model", MODELS.values(), ids=str)
def test_every_parameter_of_every_model_is_described(model: Any) -> None:
    described = describe(model)
    assert described.summary.endswith(".")
    assert {each.name for each in described.parameters} == set(model.model_fields)
    for each in described.parameters:
        assert each.type
        assert len(each.meaning) > 10
        assert each.default == model.model_fields[each.name].default


def test_models_are_listed_with_their_defaults(rumormill: Rumormill) -> None:
    listed = {row["model"]: row for row in rumormill("models", "--json").json}
    assert list(listed) == list(MODELS)
    assert listed["sir"]["parameters"]["gamma"] == 0.2
    shown = rumormill("models").stdout
    assert "sir" in shown
    assert "beta 0.1, gamma 0.2" in shown


def test_a_model_is_described_with_rules_and_parameters(rumormill: Rumormill) -> None:
    shown = " ".join(rumormill("models", "sir", COLUMNS="200").stdout.split())
    for text in ("infectious agents recover for good", "Kermack", "susceptible infectious", "Probability per round of"):
        assert text in shown
    assert rumormill("models", "sir", "--json").json["meanings"]["gamma"].startswith("Probability per round")


def test_models_of_ones_own_are_described_too(rumormill: Rumormill, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    answer = rumormill("models", "rumour", "--models", "own.py")
    assert answer.exit_code == 0, answer.stderr
    assert "believe after hearing it often enough" in answer.stdout
    assert "needed" in answer.stdout
    documented = (
        '    """Tell it.\n\n    Parameters\n    ----------\n    needed : float\n        Times to hear it.\n    """\n'
    )
    (tmp_path / "own.py").write_text(
        OWN.replace("class Rumour(PandasModel):\n", "class Rumour(PandasModel):\n" + documented)
    )
    answer = rumormill("models", "rumour", "--models", "own.py")
    assert "Tell it." in answer.stdout
    assert "Times to hear it." in answer.stdout


def test_a_misspelt_model_is_refused_with_the_nearest(rumormill: Rumormill) -> None:
    answer = rumormill("models", "serz")
    assert answer.exit_code == 2
    assert "did you mean 'seiz'?" in " ".join(answer.stderr.split())


def test_the_version_is_that_of_the_package(rumormill: Rumormill) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    answer = rumormill("--version")
    assert (answer.exit_code, answer.stdout) == (0, f"rumormill {project['version']}\n")
