"""Forms in which Prefect's UI asks for the parameters of a run."""

import inspect
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^(?P<names>\w+(?:, \w+)*) : [^\n]*\n(?P<text>(?:[ \t]+[^\n]*\n?)+)", re.MULTILINE)


def described(function: _Function) -> _Function:
    """Decorate the function of a flow: the run form describes each parameter as the function's docstring does.

    Prefect reads descriptions from docstrings in Google's style only, or from defaults that are Pydantic fields. So the
    signature that it sees has such defaults; calls of the function itself have its own defaults.
    """
    signature, texts = inspect.signature(function), parameter_texts(inspect.getdoc(function) or "")
    parameters = [
        parameter.replace(default=_field(parameter.default, texts[name])) if name in texts else parameter
        for name, parameter in signature.parameters.items()
    ]
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return function


def _field(default: Any, description: str) -> Any:
    return Field(... if default is inspect.Parameter.empty else default, description=description)


def parameter_texts(docstring: str) -> dict[str, str]:
    r"""Return the description of each parameter in a numpydoc docstring, on one line.

    Examples
    --------
    >>> parameter_texts("Run.\n\nParameters\n----------\nagain : bool\n    Recompute,\n    and compare.\n")
    {'again': 'Recompute, and compare.'}
    """
    section = _SECTION.search(docstring)
    return {
        name: " ".join(each["text"].split())
        for each in _PARAMETER.finditer(section[1] if section else "")
        for name in each["names"].split(", ")
    }
