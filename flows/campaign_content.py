"""Content of a campaign before validation: where its parts are, and errors that name them."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from data.errors import CampaignError, RumormillError
from data.validation import Location, Problem, problems_of
from flows.campaign_problems import MOST_PROBLEMS
from flows.campaigns import part_in_words
from propagation.models import known_models

_Configuration = TypeVar("_Configuration", bound=BaseModel)
_TEXT = {
    *("name", "network", "sender", "content", "message", "model", "models", "type", "cluster", "strategy", "seeds"),
    *("campaign", "cron", "timezone", "warehouse", "path", "import", "agents", "tags"),
}
FREE = {"properties", "parameters", "model_parameters", "message_types"}
"""Keys below which values are the user's own: a whole number stays one."""


class Content(ABC):
    """The content of a campaign or cluster profile, and where its parts are."""

    content: dict[str, Any]

    def validated(self, model: type[_Configuration]) -> _Configuration:
        """Return the content as an instance of `model`; raise CampaignError if it is invalid."""
        try:
            return model(**self.content)
        except ValidationError as error:
            self.refuse(list(problems_of(error, model)))
            raise

    def find_models(self, folder: Path, others: Sequence[str]) -> None:
        """Load the model files named in the document, relative to its folder, then the others, relative to the cwd."""
        named = self.content.get("models") or []
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            return  # reported by the validation of the campaign
        files = [str((folder / Path(name).expanduser()).absolute()) for name in named]
        for position in range(len(files)):
            try:
                known_models(files[: position + 1])
            except RumormillError as error:
                self.refuse([Problem(("models", position), str(error))])
        files += [str(Path(name).expanduser().absolute()) for name in others]
        known_models(files)
        if files:
            self.content["models"] = list(dict.fromkeys(files))

    def refuse(self, problems: list[Problem]) -> None:
        """Raise CampaignError if there are problems."""
        if not problems:
            return
        beginning, found = self.sentences(problems)
        more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
        raise CampaignError(f"{beginning}{'; '.join(found[:MOST_PROBLEMS])}{more}")

    @abstractmethod
    def place(self, location: Location) -> str:
        """Return where a part is, for the beginning of an error message."""

    @abstractmethod
    def sentences(self, problems: list[Problem]) -> tuple[str, list[str]]:
        """Return how an error message about some problems begins, and a sentence for each, in order."""


class DictionaryContent(Content):
    """A dictionary with the content of a campaign file; its parts are named in words.

    Raises
    ------
    CampaignError
        If a key is not text.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = _plain(content, ())

    def place(self, location: Location) -> str:
        """Return names of campaign and part."""
        return part_in_words(self.content, location)

    def sentences(self, problems: list[Problem]) -> tuple[str, list[str]]:
        """Return nothing, and each problem with its place, in the order found."""
        return "", list(dict.fromkeys(f"{self.place(p.location)}: {p.sentence}" for p in problems))


def _plain(value: Any, location: Location) -> Any:
    """Return a Python value as YAML would give it: text where a file has text, plain numbers, lists, dictionaries."""
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise CampaignError(f"{'.'.join(map(str, location)) or 'campaign'}: key {odd[0]!r} is not text")
        return {key: _plain(each, (*location, key)) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "to_list"):  # pandas, Polars
        value = value.tolist() if hasattr(value, "tolist") else value.to_list()
    if isinstance(value, list | tuple):
        return [_plain(each, (*location, number)) for number, each in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, int) and not isinstance(value, bool) and location and is_text(location):
        return str(value)
    return value


def is_text(location: Location) -> bool:
    """Whether a plain scalar stays text, as written: names, and agent ids in the list of seeds."""
    key = location[-2] if isinstance(location[-1], int) else location[-1]
    return (key in _TEXT and not FREE.intersection(location)) or is_seed(location)


def is_seed(location: Location) -> bool:
    """Whether a scalar is an entry of a list of seeds, of a session or of one of its competing messages."""
    if not isinstance(location[-1], int) or FREE.intersection(location):
        return False
    return location[-2:-1] == ("seeds",) or location[-4:-2] == ("seeds", "messages")
