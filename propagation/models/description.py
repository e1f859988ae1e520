"""Descriptions of models, read from their docstrings: what the command line and notebooks list."""

import inspect
import re
import sys
from dataclasses import dataclass
from typing import Any

from propagation.models.model import Model

_ENTRY = re.compile(r"^(?P<names>[\w, ]+?) : (?P<type>.+)$")


@dataclass(frozen=True)
class ParameterDescription:
    """A parameter of a model: its name, type as documented, default (None: not set) and meaning."""

    name: str
    type: str
    default: Any
    meaning: str


@dataclass(frozen=True)
class ModelDescription:
    """A model: its registered name, what it is, the text of its module, and its parameters."""

    name: str
    summary: str
    text: str
    parameters: tuple[ParameterDescription, ...]


def describe(model: type[Model]) -> ModelDescription:
    """Return the description of a model.

    Examples
    --------
    >>> from propagation.models import SIR
    >>> described = describe(SIR)
    >>> described.summary
    'SIR: infectious agents recover for good.'
    >>> [(parameter.name, parameter.default) for parameter in described.parameters][:2]
    [('beta', 0.1), ('gamma', 0.2)]
    """
    documented: dict[str, tuple[str, str]] = {}
    for base in model.__mro__:
        for name, entry in _documented_parameters(inspect.cleandoc(base.__doc__ or "")).items():
            documented.setdefault(name, entry)
    names = [name for name in documented if name in model.model_fields]
    names += [name for name in model.model_fields if name not in documented]
    parameters = []
    for name in names:
        kind, meaning = documented.get(name, ("", ""))
        parameters.append(ParameterDescription(name, kind, model.model_fields[name].default, meaning))
    text = _text_of(model)
    return ModelDescription(model.name, " ".join(text.partition("\n\n")[0].split()), text, tuple(parameters))


def _text_of(model: type[Model]) -> str:
    """Return the docstring of the module of a built-in model, which has one model; else that of the class."""
    module = inspect.cleandoc(sys.modules[model.__module__].__doc__ or "")
    if model.__module__.startswith("propagation.models."):
        return module
    own = inspect.cleandoc(vars(model).get("__doc__") or "")
    return own.partition("\nParameters\n")[0].strip() or module


def _documented_parameters(docstring: str) -> dict[str, tuple[str, str]]:
    """Return type and meaning of each parameter in a docstring's section "Parameters"."""
    section = docstring.partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n\w[^\n]*\n-{3,}\n", section)[0]
    found: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in section.splitlines():
        if entry := _ENTRY.match(line):
            names = [name.strip() for name in entry["names"].split(",")]
            found |= dict.fromkeys(names, (entry["type"], ""))
        elif not line.startswith(" "):
            names = []  # parameters whose documentation is that of a base class
        else:
            for name in names:
                kind, meaning = found[name]
                found[name] = kind, f"{meaning} {line.strip()}".strip()
    return found
