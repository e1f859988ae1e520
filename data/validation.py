"""Strictly validated user input, and error messages that name the place, the value and the rule."""

import difflib
import functools
import itertools
import numbers
import re
import types
import typing
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from data.errors import InvalidInputError

UNQUOTED = "without quotes or leading zeros"
"""Hint for a number that was given as text."""
Location = tuple[str | int, ...]
"""Path into the user's input: keys and positions from its root, such as ``("sessions", 0, "seeds")``."""


@dataclass(frozen=True)
class Problem:
    """A mistake in user input: its location, and a sentence that lacks its subject (the location)."""

    location: Location
    sentence: str


LONGEST_NAME = 100


def checked_name(name: str) -> str:
    """Return a name chosen by the user, if it can be shown on one line.

    Raises
    ------
    InvalidInputError
        If it is empty or too long, or contains control characters.

    Examples
    --------
    >>> checked_name("p=0.1 (hubs)"), checked_name("春季")
    ('p=0.1 (hubs)', '春季')
    """
    if not name.strip():
        raise InvalidInputError(f"{name!r} is an empty name; use 1 to {LONGEST_NAME} characters")
    if len(name) > LONGEST_NAME:
        raise InvalidInputError(f"{name!r} has {len(name)} characters; names have at most {LONGEST_NAME}")
    if unseen := [character for character in name if unicodedata.category(character) in _UNSEEN]:
        raise InvalidInputError(
            f"{name!r} holds {unseen[0]!r}, a control character; use letters, digits, spaces and punctuation"
        )
    return name


def checked_number(name: str, value: Any, *, whole: bool = False) -> Any:
    """Return a number that the user gave as a plain float, or if it must be whole as a plain int.

    Raises
    ------
    InvalidInputError
        If it is something else, such as text or a boolean.

    Examples
    --------
    >>> checked_number("window", 3600), checked_number("first", np.int64(50), whole=True)
    (3600.0, 50)
    """
    kind: Any = numbers.Integral if whole else numbers.Real
    if isinstance(value, bool | np.bool_) or not isinstance(value, kind):
        raise InvalidInputError(f"{name} is {value!r}; a {'whole ' if whole else ''}number is needed")
    return int(value) if whole else float(value)


_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}
"""Unicode categories that break lines or cannot be encoded: control characters, surrogates, line separators."""
Name = Annotated[str, AfterValidator(checked_name)]
"""A name of a campaign, session or message: any letters, 1 to 100 characters on one line."""


class UserInput(BaseModel):
    """Base of classes of user input: frozen, no unknown keys, and strict numbers.

    Text and booleans are refused where a number is expected, although pydantic would convert them; NumPy scalars are
    accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        meant = types_of_field(cls, str(info.field_name))
        if isinstance(value, bool | str) and type(value) not in meant and meant & {int, float}:
            what = "text" if isinstance(value, str) else "a boolean"
            hint = f", {UNQUOTED}" if isinstance(value, str) and looks_like_a_number(value) else ""
            raise ValueError(f"{value!r} is {what}; a number is needed{hint}")
        return value


def looks_like_a_number(text: str) -> bool:
    """Return whether a text reads as a number.

    Examples
    --------
    >>> looks_like_a_number("0.2"), looks_like_a_number("often")
    (True, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return True


@functools.cache
def types_of_field(kind: type[BaseModel], field: str) -> set[Any]:
    """Return the plain types that a field of a class allows, such as ``{int, NoneType}``."""
    return _alternatives(kind.model_fields[field].annotation)


def _alternatives(annotation: Any) -> set[Any]:
    """Return the plain types that an annotation allows."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _alternatives(inside[0])
    if _is_union(annotation):
        return set().union(*(_alternatives(each) for each in inside))
    return {origin or annotation}


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in {typing.Union, types.UnionType}


def validation_sentences(error: ValidationError, kind: type[BaseModel], word: str = "parameter") -> str:
    """Return pydantic's errors as sentences with name, value and rule."""
    found = [(".".join(map(str, problem.location)), problem.sentence) for problem in problems_of(error, kind, word)]
    return "; ".join(f"{where + ': ' if where else ''}{sentence}" for where, sentence in found)


def problems_of(error: ValidationError, kind: type[BaseModel], word: str = "key") -> Iterator[Problem]:
    """Yield pydantic's errors for an instance of `kind`; `word` is the user's term for its fields."""
    found: dict[Location, list[Any]] = {}
    for problem in error.errors(include_url=False):
        location = problem["loc"]
        place = location[:-1] if _is_branch(kind, location) else location
        found.setdefault(place, []).append(problem)
    for location, problems in found.items():
        yield Problem(location, _sentence(location, problems, kind, word))


def _sentence(location: Location, problems: list[Any], kind: type[BaseModel], word: str) -> str:
    first = problems[0]
    if first["type"] == "extra_forbidden":
        known = list(_class_at(kind, location[:-1]).model_fields)
        return f"unknown {word}{suggestion(str(location[-1]), known)}; {word}s here are {', '.join(known) or 'none'}"
    if first["type"] == "missing":
        return f"is missing; add '{location[-1]}: ...'" if word == "key" else "is missing"
    if first["type"] == "value_error":
        name = f"{location[-1]} " if location else ""
        return str(first["msg"].removeprefix("Value error, ").removeprefix(name))
    if first["type"] == "literal_error":
        choices = re.findall("'([^']*)'", first["ctx"]["expected"])
        what = f"{first['input']!r} is unknown{suggestion(str(first['input']), choices)}"
        return f"{what}; choose one of {', '.join(choices)}"
    rules = [each["msg"].replace("Input should", "must").replace("valid tuple", "list") for each in problems]
    return f"{', or '.join(rules)} (given: {first['input']!r})"


def _is_branch(kind: type[BaseModel], location: Location) -> bool:
    """Return whether the last part of a location is pydantic's name for a branch of a union, not the user's key."""
    if len(location) < 2:
        return False
    field = _class_at(kind, location[:-2]).model_fields.get(str(location[-2]))
    return field is not None and _is_union(field.annotation)


def _class_at(kind: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the class that validates the value at a location."""
    for part in location:
        if part in kind.model_fields:
            annotation = kind.model_fields[str(part)].annotation
            inside = [annotation, *typing.get_args(annotation)]
            kind = next((c for c in inside if isinstance(c, type) and issubclass(c, BaseModel)), kind)
    return kind


def listed(names: Collection[str], most: int = 20) -> str:
    """Return names as a list for a sentence: the first few, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2), listed([])
    ('a, b and 1 more', 'none')
    """
    shown = ", ".join(itertools.islice(names, most))
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown or "none"


def checked_count(name: str, value: Any) -> int:
    """Return a number of things, at least 1, also as numpy has it.

    Raises
    ------
    InvalidInputError
        If it is something else.

    Examples
    --------
    >>> checked_count("top", np.int64(3))
    3
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidInputError(f"{name} {value!r} is not a whole number of at least 1")
    return int(value)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" if a known name is similar or has this abbreviation, else "".

    Examples
    --------
    >>> suggestion("gama", ["beta", "gamma"]), suggestion("SIR", ["si", "sir"])
    (" (did you mean 'gamma'?)", " (did you mean 'sir'?)")
    >>> suggestion("IC", ["linear_threshold", "independent_cascade"])
    " (did you mean 'independent_cascade'?)"
    """
    plain = {_letters(each): each for each in reversed(list(known))}  # the first of equal ones
    asked = _letters(name)
    near = [plain[asked]] if asked in plain else [each for each in plain.values() if _abbreviates(asked, each)]
    near = near or [plain[each] for each in difflib.get_close_matches(asked, plain, n=1)]
    return f" (did you mean {near[0]!r}?)" if near else ""


def _letters(name: str) -> str:
    """Return only the letters and digits, in lower case."""
    return "".join(character for character in name.casefold() if character.isalnum())


def _abbreviates(asked: str, name: str) -> bool:
    """Return whether `asked` is the initials of a name of several words, with or without an M for model."""
    initials = "".join(word[0] for word in name.casefold().split("_") if word)
    return len(initials) > 1 and asked in {initials, f"{initials}m"}
