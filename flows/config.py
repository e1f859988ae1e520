"""Campaign and cluster files: YAML, validated once into frozen classes, with errors that name the line.

Plain scalars mean what they seem to: ``no`` and ``007`` are text, ``1e-3`` is a number, and agent ids stay as written.
"""

import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from data.errors import CampaignError, RumormillError, SourceNotFoundError
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from propagation.clusters import ClusterProfile
from propagation.models import MODELS
from propagation.seeding import STRATEGIES

__all__ = ["Campaign", "ResolvedCampaign", "campaign_path", "load_campaign", "load_cluster_profile", "resolve"]

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""Folder of the campaigns and cluster profiles that come with Rumormill."""
MOST_PROBLEMS = 5
"""Problems of one file that its error lists."""
Location = tuple[str | int, ...]
"""Where in a document: keys and positions from its root, such as ``("sessions", 0, "seeds")``."""

_Configuration = TypeVar("_Configuration", bound=BaseModel)
_TEXT = {"name", "network", "sender", "content", "message", "model", "type", "cluster", "strategy", "seeds"}
_FREE = {"properties", "parameters"}
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NOTHING = {"", "~", "null"}
_WORDS = {"true": True, "false": False, ".nan": float("nan"), ".inf": float("inf")}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


def campaign_path(name_or_path: str) -> Path:
    """Return the file of a campaign: a path as it is, a bare name among the campaigns that come with Rumormill.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    """
    return _find(name_or_path, "campaign", CONFIGS / "campaigns", Path())


def load_campaign(name_or_path: str) -> Campaign:
    """Return the campaign of a YAML file, validated but for what only the network can tell.

    Parameters
    ----------
    name_or_path : str
        Path of the file, or the bare name of a campaign that comes with Rumormill.

    Returns
    -------
    Campaign

    Raises
    ------
    CampaignError
        If the file breaks a rule; the message names line, field, value and rule.
    SourceNotFoundError
        If there is no such file.

    Examples
    --------
    >>> [session.name for session in load_campaign("seed-strategies").sessions]
    ['random', 'top out-degree', 'degree discount']
    """
    path = campaign_path(name_or_path)
    document = _Document(path)
    document.content.setdefault("name", path.stem)
    document.load_cluster(path.parent)
    campaign = document.validated(Campaign)
    document.refuse([*_problems_of_names(campaign), *_problems_of_choices(campaign)])
    return campaign


def load_cluster_profile(name_or_path: str, folder: Path = Path()) -> ClusterProfile:
    """Return the cluster profile of a YAML file.

    Parameters
    ----------
    name_or_path : str
        Bare name of a profile that comes with Rumormill, or a path.
    folder : Path
        Where a relative path starts.

    Raises
    ------
    CampaignError
        If the file breaks a rule; the message names line, field, value and rule.
    SourceNotFoundError
        If there is no such file.

    Examples
    --------
    >>> load_cluster_profile("threads").kind
    'threads'
    """
    return _Document(_find(name_or_path, "cluster profile", CONFIGS / "clusters", folder)).validated(ClusterProfile)


def _find(name_or_path: str, kind: str, shipped: Path, folder: Path) -> Path:
    if (path := folder / name_or_path).is_file():
        return path
    if Path(name_or_path).name == name_or_path and (named := shipped / f"{name_or_path}.yaml").is_file():
        return named
    known = sorted(file.stem for file in shipped.glob("*.yaml"))
    raise SourceNotFoundError(
        f"no {kind} file {name_or_path!r}{_suggestion(name_or_path, known)}; give the path of a YAML file, or the name "
        f"of one that comes with Rumormill: {', '.join(known)}"
    )


# -- what can be wrong ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Problem:
    location: Location
    sentence: str


def _problems_of_names(campaign: Campaign) -> Iterator[_Problem]:
    """Names must be distinct, and the messages that sessions name must exist."""
    for field, entries in (("messages", campaign.messages), ("sessions", campaign.sessions)):
        names = [entry.name for entry in entries]
        for index, name in enumerate(names):
            if name in names[:index]:
                yield _Problem((field, index, "name"), f"{name!r} is taken by an entry above; names must differ")
    messages = [message.name for message in campaign.messages]
    known = ", ".join(messages) or "none"
    for index, session in enumerate(campaign.sessions):
        if session.message is None and len(messages) > 1:
            yield _Problem(("sessions", index), f"message is missing; say which of {known} spreads in this session")
        elif session.message is not None and session.message not in messages:
            sentence = f"no message {session.message!r}{_suggestion(session.message, messages)}; messages are {known}"
            yield _Problem(("sessions", index, "message"), sentence)


def _problems_of_choices(campaign: Campaign) -> Iterator[_Problem]:
    """Models and seed strategies must be registered, and accept the parameters given."""
    for index, session in enumerate(campaign.sessions):
        place: Location = ("sessions", index)
        choice = _Choice("model", MODELS, (*place, "model"), (*place, "parameters"))
        yield from choice.problems(session.model, session.parameters)
        if session.strategy is not None:
            choice = _Choice("seed strategy", STRATEGIES, (*place, "seeds", "strategy"), (*place, "seeds"))
            yield from choice.problems(*session.strategy)


@dataclass(frozen=True)
class _Choice:
    """A registered class that a document names, and where it does so."""

    kind: str
    registry: Mapping[str, type[BaseModel]]
    at_name: Location
    at_parameters: Location

    def problems(self, name: str, parameters: Mapping[str, Any]) -> Iterator[_Problem]:
        if name not in self.registry:
            what = f"no {self.kind} {name!r}{_suggestion(name, self.registry)}" if name else "is missing"
            yield _Problem(self.at_name, f"{what}; choose one of {', '.join(self.registry)}")
            return
        try:
            self.registry[name].model_validate(dict(parameters))
        except ValidationError as error:
            yield from _problems_of(error, self.registry[name], self.at_parameters)


def _problems_of(error: ValidationError, model: type[BaseModel], place: Location = ()) -> Iterator[_Problem]:
    for problem in error.errors(include_url=False):
        location = problem["loc"]
        if problem["type"] == "extra_forbidden":
            keys = list(_class_at(model, location[:-1]).model_fields)
            sentence = f"unknown key{_suggestion(str(location[-1]), keys)}; keys here are {', '.join(keys)}"
        elif problem["type"] == "missing":
            sentence = f"is missing; add '{location[-1]}: ...'"
        elif problem["type"] == "value_error":
            sentence = problem["msg"].removeprefix("Value error, ").removeprefix(f"{location[-1] if location else ''} ")
        else:
            rule = problem["msg"].replace("Input should", "must").replace("valid tuple", "list")
            sentence = f"{rule} (given: {problem['input']!r})"
        yield _Problem((*place, *location), sentence)


def _class_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """Return the class that validates what lies at a place of a document."""
    for part in location:
        if part in model.model_fields:
            annotation = model.model_fields[str(part)].annotation
            inside = [annotation, *typing.get_args(annotation)]
            model = next((c for c in inside if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return model


def _suggestion(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean ...?)" if something known is near enough."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


# -- YAML with lines ------------------------------------------------------------------------------------------------


class _Document:
    """A YAML file: its content, and the line of every part of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = yaml.compose(path.read_bytes(), Loader=yaml.BaseLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._error(line, f"not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, UnicodeError) as error:
            raise CampaignError(f"{path} is not a text file ({' '.join(str(error).split())})") from None
        if root is None:
            raise CampaignError(f"{path} is empty; docs/campaigns.md shows what belongs there")
        if not isinstance(root, yaml.MappingNode):
            raise self._error(root.start_mark.line + 1, "the file must be a mapping, lines such as 'network: demo'")
        self._root = root
        self.content: dict[str, Any] = self._value(root, (), ())

    def validated(self, model: type[_Configuration]) -> _Configuration:
        """Return the content as an instance of `model`; CampaignError if it breaks a rule."""
        try:
            return model(**self.content)
        except ValidationError as error:
            self.refuse(list(_problems_of(error, model)))
            raise

    def load_cluster(self, folder: Path) -> None:
        """Put the cluster profile in the place of its name or path."""
        if isinstance(self.content.get("cluster"), str):
            try:
                self.content["cluster"] = load_cluster_profile(self.content["cluster"], folder)
            except RumormillError as error:
                self.refuse([_Problem(("cluster",), str(error))])

    def refuse(self, problems: list[_Problem]) -> None:
        """Raise CampaignError if there are problems."""
        if not problems:
            return
        found = sorted((self._line(p.location), ".".join(map(str, p.location)), p.sentence) for p in problems)
        sentences = [f"line {line}: {where + ': ' if where else ''}{what}" for line, where, what in found]
        more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
        raise CampaignError(f"{self.path}, {'; '.join(sentences[:MOST_PROBLEMS])}{more}")

    def _error(self, line: int, sentence: str) -> CampaignError:
        return CampaignError(f"{self.path}, line {line}: {sentence}")

    def _line(self, location: Location) -> int:
        """Return the line of the part at `location`, or of the nearest part around it."""
        node: yaml.Node = self._root
        line = node.start_mark.line
        for part in location:
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == str(part):
                        node, line = value, key.start_mark.line
                        break
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line
        return line + 1

    def _value(self, node: yaml.Node, location: Location, around: tuple[yaml.Node, ...]) -> Any:
        """Return what a node means, as text, numbers, lists and dictionaries."""
        line = node.start_mark.line + 1
        if node in around:
            raise self._error(line, "an alias stands inside what it refers to")
        if node.tag not in _TAGS:
            raise self._error(line, f"tag {node.tag} is not allowed; plain values need no tags")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self._value(n, (*location, i), (*around, node)) for i, n in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return _scalar(node, location)

    def _mapping(self, node: yaml.MappingNode, location: Location, around: tuple[yaml.Node, ...]) -> dict[str, Any]:
        content: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(line, "a key must be a word")
            if key.value in lines:
                raise self._error(line, f"key {key.value!r} is given twice, first in line {lines[key.value]}")
            lines[key.value] = line
            content[key.value] = self._value(value, (*location, key.value), around)
        return content


def _scalar(node: yaml.ScalarNode, location: Location) -> Any:
    """Return the text, number, truth value or nothing that a scalar stands for."""
    text = node.value
    if node.style is not None:  # quoted, or a block of text
        return text
    if text in _NOTHING:
        return None
    if _is_text(location):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and not _LEADING_ZERO.fullmatch(text) else text


def _is_text(location: Location) -> bool:
    """Whether a plain scalar stays as written: names, and agent ids in the list of seeds."""
    key = location[-2] if isinstance(location[-1], int) else location[-1]
    return key in _TEXT and not _FREE.intersection(location)
