"""The models, each in a file of its own and registered by one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from data.errors import InvalidInputError
from data.validation import validation_sentences
from propagation.models.independent_cascade import IndependentCascade
from propagation.models.model import Model

__all__ = ["MODELS", "IndependentCascade", "Model", "make_model"]

MODELS: Mapping[str, type[Model]] = MappingProxyType(
    {
        IndependentCascade.name: IndependentCascade,
    }
)
"""Every registered model by the name that campaigns and tables use."""


def make_model(name: str, parameters: Mapping[str, Any]) -> Model:
    """Return the model called `name` with these parameters.

    Raises
    ------
    InvalidInputError
        If there is no such model, or a parameter breaks its rule.

    Examples
    --------
    >>> make_model("independent_cascade", {"probability": 0.1})
    IndependentCascade(probability=0.1)
    """
    if name not in MODELS:
        raise InvalidInputError(f"no model {name!r}; models are {', '.join(MODELS)}")
    try:
        return MODELS[name](**parameters)
    except ValidationError as error:
        raise InvalidInputError(f"model {name}: {validation_sentences(error)}") from None
