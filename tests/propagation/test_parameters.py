"""Parameters of models as they are given in Python: what counts as a number, as a column, and what is refused how."""

import numpy as np
import pytest

from data.errors import InvalidInputError
from propagation.models import (
    MODELS,
    SEIR,
    SEIZ,
    SIR,
    SIRS,
    SIS,
    Diffusion,
    FractionalThreshold,
    IndependentCascade,
    LinearThreshold,
    PandasModel,
    Viral,
    make_model,
)
from propagation.seeding import make_strategy
from propagation.sessions import Session


class Own(PandasModel):
    name = "own"

    steps: int = 3
    rate: float | str = 0.5

    def transmit(self, contacts, draws):
        raise AssertionError("nothing is run here")

    update = transmit


@pytest.mark.parametrize(
    ("model", "parameters", "message"),
    [
        # 1. A number is a number.
        (SIR, {"gamma": True}, "gamma: True is a boolean; a number is needed"),
        (SIR, {"beta": np.True_}, "beta: True is a boolean; a number is needed"),
        (SIR, {"gamma": "0.2"}, "gamma: '0.2' is text; a number is needed, without quotes or leading zeros"),
        (SIR, {"infectious_period": "3"}, "infectious_period: '3' is text; a number is needed, without quotes"),
        (SIR, {"gamma": "often"}, "gamma: 'often' is text; a number is needed"),
        (SIR, {"infectious_period": 2.5}, "infectious_period: must be a valid integer, got a number with a fractional"),
        (Viral, {"virality": False}, "virality: False is a boolean"),
        (Own, {"steps": True}, "steps: True is a boolean; a number is needed"),
        (Own, {"steps": "3"}, "steps: '3' is text; a number is needed"),
        # 2. One sentence per parameter, whatever it may be.
        (SIR, {"beta": [0.1]}, r"^model sir: beta: \[0.1\] is unknown; use a number in \[0, 1\], weigh.*NAME$"),
        (SIR, {"beta": None}, "^model sir: beta: None is unknown; use a number"),
        (SIR, {"beta": "0.2"}, "beta: '0.2' is unknown; use .*a number is written without quotes or leading zeros"),
        (Own, {"rate": [1]}, r"^model own: rate: must be a valid number, or must be a valid string \(given: \[1\]\)$"),
        (Diffusion, {"threshold": "unifrom"}, r"unknown; use a number .*, uniform, column or column:NAME \(did you"),
        (SIR, {"gama": 0.1}, r"^model sir: gama: unknown parameter \(did you mean 'gamma'\?\); parameters here"),
        # 3. Columns.
        (LinearThreshold, {"weight": "column:"}, r"weight: 'column:' is unknown; use .* \(NAME is missing\)$"),
        (LinearThreshold, {"weight": "trust"}, r"'trust' is unknown; .*\(a column of that name is column:trust\)$"),
        (Diffusion, {"strength": "trust"}, r"^model diffusion: strength: 'trust' is unknown; use strength, column or"),
        (Diffusion, {"strength": ""}, r"strength: '' is unknown; use strength, column or column:NAME$"),
        (SEIZ, {"sceptics": "column:"}, r"sceptics: 'column:' is unknown; use a number in \[0, 1\], column or"),
        (SIR, {"susceptibility": ""}, "^model sir: susceptibility: '' names no column; use column:NAME, an attrib"),
        (SIR, {"activity": "column:"}, "activity: 'column:' names no column; use column:NAME"),
        (SIR, {"activity": 0.5}, "activity: 0.5 names no column; use column:NAME"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_and_how(model, parameters, message):
    with pytest.raises(InvalidInputError, match=message) as raised:
        model(**parameters)
    assert "\n" not in str(raised.value)
    assert str(raised.value).count(next(iter(parameters)) + ":") == 1


@pytest.mark.parametrize("model", [SIS, SIR, SIRS, SEIR])
def test_gamma_beside_an_infectious_period_is_refused(model):
    for gamma in (0.2, 0.5):
        with pytest.raises(InvalidInputError, match=rf"^model {model.name}: gamma and infectious_period are"):
            model(gamma=gamma, infectious_period=3)
    assert model(gamma=0.5, infectious_period=None).gamma == 0.5
    # As ever in what identifies a session: whoever published such sessions finds them again.
    assert model(infectious_period=3).resolved_parameters["gamma"] == 0.2


def test_names_that_do_not_exist_are_told_with_the_nearest():
    with pytest.raises(InvalidInputError, match=r"^no model 'siz' \(did you mean 's"):
        make_model("siz", {})
    with pytest.raises(
        InvalidInputError, match=r"^no seed strategy 'randm' \(did you mean 'random'\?\); strategies are ra"
    ):
        make_strategy("randm", {})


@pytest.mark.parametrize("name", MODELS)
def test_parameters_are_given_by_name(name):
    with pytest.raises(InvalidInputError, match=rf"^model {name}: 0\.1 is given without a name; write PARAMETER=0"):
        MODELS[name](0.1)


@pytest.mark.parametrize("number", [1, np.int64(1), np.int8(1), np.float32(1), np.float64(1), 1.0])
def test_numbers_of_every_type_are_the_same(number):
    assert IndependentCascade(probability=number).resolved_parameters == {"probability": 1.0}
    assert SIR(gamma=number).resolved_parameters == SIR(gamma=1.0).resolved_parameters
    assert FractionalThreshold(neighbours=number).resolved_parameters == {"neighbours": 1}
    assert Own(steps=number, rate=number).resolved_parameters == {"steps": 1, "rate": 1.0}


def test_an_agent_column_is_the_same_in_both_spellings():
    bare, spelt = (SIR(susceptibility=name, activity=name) for name in ("care", "column:care"))
    assert bare == spelt
    assert bare.resolved_parameters["susceptibility"] == "care"
    rest = ((0,), ("0",), "explicit", 1, 0, 10, "rounds")
    assert len({Session("n", "s", model, *rest).session_id for model in (bare, spelt)}) == 1
