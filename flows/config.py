"""Campaign and cluster files: YAML, validated once into frozen classes, with errors that name the line.

YAML's implicit conversions are restricted: ``no`` and ``007`` are text, ``1e-3`` is a number, and agent ids stay as
written.
"""

import contextlib
import gc
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from data.errors import CampaignError, RumormillError, SourceNotFoundError
from data.facade import Warehouse
from data.validation import Location, Problem, checked_name, problems_of, suggestion
from flows.campaign_problems import MOST_PROBLEMS, campaign_problems
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from propagation.clusters import ClusterProfile
from propagation.models import known_models

__all__ = [
    "Campaign",
    "ResolvedCampaign",
    "campaign_path",
    "load_campaign",
    "load_cluster_profile",
    "resolve",
    "resolve_file",
]

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""Folder of the bundled campaigns and cluster profiles."""

_Configuration = TypeVar("_Configuration", bound=BaseModel)
_TEXT = {"name", "network", "sender", "content", "message", "model", "models", "type", "cluster", "strategy", "seeds"}
_FREE = {"properties", "parameters", "model_parameters", "message_types"}
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The libyaml loader, ten times as fast, if PyYAML was built with it."""
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NOTHING = {"", "~", "null"}
_WORDS = {"true": True, "false": False, ".nan": float("nan"), ".inf": float("inf")}
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_WHOLE = re.compile(r"0|-?[1-9][0-9]*(?:_[0-9]+)*")
_NUMBER = re.compile(rf"[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?")
_STATED_NAME = re.compile(r"^(?P<key>name|network):[ \t]+(?P<value>.+)$", re.MULTILINE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


def campaign_path(name_or_path: str) -> Path:
    """Return the file of a campaign, given its path or the name of a bundled campaign.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    """
    return _find(name_or_path, "campaign", CONFIGS / "campaigns", Path())


def load_campaign(name_or_path: str, models: Sequence[str] = ()) -> Campaign:
    """Return the campaign of a YAML file, validated except against its network.

    Parameters
    ----------
    name_or_path : str
        Path of the file, or the name of a bundled campaign.
    models : sequence of str
        Python files with the user's own models, in addition to those of the campaign.

    Returns
    -------
    Campaign

    Raises
    ------
    CampaignError
        If the file is invalid; the message names line, field, value and rule.
    SourceNotFoundError
        If there is no such file.

    Examples
    --------
    >>> [session.name for session in load_campaign("seed-strategies").sessions]
    ['random', 'top out-degree', 'degree discount']
    """
    return _loaded(name_or_path, models)[0]


def load_with_places(name_or_path: str, models: Sequence[str] = ()) -> tuple[Campaign, Callable[[Location], str]]:
    """Return the campaign as `load_campaign` does, and a function that gives file, line and key of a part of it."""
    campaign, document = _loaded(name_or_path, models)
    return campaign, document.place


def resolve_file(name_or_path: str, warehouse: Warehouse, models: Sequence[str] = ()) -> ResolvedCampaign:
    """Return the campaign of a YAML file, resolved on its network; all errors name the line.

    Parameters
    ----------
    name_or_path, models
        As for `load_campaign`.
    warehouse : Warehouse
        Holds the network.

    Raises
    ------
    CampaignError, SourceNotFoundError
        As `load_campaign`.
    NetworkNotFoundError, UnknownAgentError, InvalidInputError
        As `flows.campaigns.resolve`.
    """
    campaign, document = _loaded(name_or_path, models)
    return resolve(campaign, warehouse, where=document.place)


def _loaded(name_or_path: str, models: Sequence[str]) -> "tuple[Campaign, _Document]":
    with _no_garbage_collection():
        return _read(campaign_path(name_or_path), models)


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Disable garbage collection: traversing the growing tree of a long file takes longer than reading it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _read(path: Path, models: Sequence[str]) -> "tuple[Campaign, _Document]":
    document = _Document(path)
    if "name" not in document.content:
        document.content["name"] = _name_of_file(path)
    document.load_cluster(path.parent)
    document.find_models(path.parent, models)
    campaign = document.validated(Campaign)
    known = known_models(campaign.models)
    document.refuse(list(campaign_problems(campaign, known)))
    return campaign, document


def _name_of_file(path: Path) -> str:
    """Return the default name of a campaign: that of its file."""
    try:
        return checked_name(path.stem)
    except ValueError as error:
        raise CampaignError(
            f"{path}: the file has no `name:`, so its file name is the campaign's name, but {error}"
        ) from None


def stated_names(name_or_path: str) -> list[str]:
    """Return the name of a campaign and that of its network, if stated, without validating the file.

    Only its top-level lines are looked at, so that a run can be labelled at once, even if its campaign is invalid. The
    default name is that of the file.
    """
    found = {"name": PurePath(name_or_path).stem}
    with contextlib.suppress(OSError, SourceNotFoundError):
        text = campaign_path(name_or_path).read_text(encoding="utf-8", errors="replace")
        for line in _STATED_NAME.finditer(text):
            with contextlib.suppress(yaml.YAMLError):
                value = _composed(line["value"].encode())
                if isinstance(value, yaml.ScalarNode) and value.value.strip():
                    found[line["key"]] = value.value
    return [found[key] for key in ("name", "network") if key in found]


def load_cluster_profile(name_or_path: str, folder: Path = Path()) -> ClusterProfile:
    """Return the cluster profile of a YAML file.

    Parameters
    ----------
    name_or_path : str
        Name of a bundled profile, or a path.
    folder : Path
        Base of a relative path.

    Raises
    ------
    CampaignError
        If the file is invalid; the message names line, field, value and rule.
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
        f"no {kind} file {name_or_path!r}{suggestion(name_or_path, known)}; give the path of a YAML file, or a bundled "
        f"{kind}: {', '.join(known)}"
    )


# -- YAML with lines ------------------------------------------------------------------------------------------------


class _Document:
    """A YAML file: its content, and the line of each part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            root = _composed(path.read_bytes())
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._error(line, f"not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, UnicodeError) as error:
            raise CampaignError(f"{path} is not a text file ({' '.join(str(error).split())})") from None
        if root is None:
            raise CampaignError(f"{path} is empty; docs/campaigns.md shows an example")
        if not isinstance(root, yaml.MappingNode):
            raise self._error(root.start_mark.line + 1, "the file must be a mapping, such as 'network: demo'")
        self._root = root
        self._entries: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}
        self.content: dict[str, Any] = self._value(root, (), ())

    def validated(self, model: type[_Configuration]) -> _Configuration:
        """Return the content as an instance of `model`; raise CampaignError if it is invalid."""
        try:
            return model(**self.content)
        except ValidationError as error:
            self.refuse(list(problems_of(error, model)))
            raise

    def load_cluster(self, folder: Path) -> None:
        """Replace the name or path of a cluster profile by the profile."""
        if isinstance(self.content.get("cluster"), str):
            try:
                self.content["cluster"] = load_cluster_profile(self.content["cluster"], folder)
            except RumormillError as error:
                self.refuse([Problem(("cluster",), str(error))])

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
        found = sorted({(self._line(p.location), ".".join(map(str, p.location)), p.sentence) for p in problems})
        sentences = [f"line {line}: {where + ': ' if where else ''}{what}" for line, where, what in found]
        more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
        raise CampaignError(f"{self.path}, {'; '.join(sentences[:MOST_PROBLEMS])}{more}")

    def place(self, location: Location) -> str:
        """Return file, line and key of a part of the campaign."""
        return f"{self.path}, line {self._line(location)}: {'.'.join(map(str, location))}"

    def _error(self, line: int, sentence: str) -> CampaignError:
        return CampaignError(f"{self.path}, line {line}: {sentence}")

    def _line(self, location: Location) -> int:
        """Return the line of the part at `location`, or of the nearest part around it."""
        node: yaml.Node = self._root
        line = node.start_mark.line
        for part in location:
            if isinstance(node, yaml.MappingNode):
                if (entry := self._entries_of(node).get(str(part))) is not None:
                    line, node = entry[0].start_mark.line, entry[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line
        return line + 1

    def _entries_of(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return key and value of each entry of a mapping, by key."""
        if id(node) not in self._entries:
            self._entries[id(node)] = {key.value: (key, value) for key, value in node.value}
        return self._entries[id(node)]

    def _value(self, node: yaml.Node, location: Location, around: tuple[yaml.Node, ...]) -> Any:
        """Return a node's value, as text, numbers, lists and dictionaries."""
        line = node.start_mark.line + 1
        if node in around:
            raise self._error(line, "an alias is inside the value that it refers to")
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
                raise self._error(line, "a key must be plain text")
            if key.value in lines:
                raise self._error(line, f"key {key.value!r} is given twice, first in line {lines[key.value]}")
            lines[key.value] = line
            content[key.value] = self._value(value, (*location, key.value), around)
        return content


def _composed(content: bytes) -> yaml.Node | None:
    """Return the tree of a document; if libyaml fails, parse again with PyYAML, whose error messages are better."""
    with contextlib.suppress(yaml.YAMLError):
        root: yaml.Node | None = yaml.compose(content, Loader=_LOADER)
        return root
    return yaml.compose(content, Loader=yaml.BaseLoader)


def _scalar(node: yaml.ScalarNode, location: Location) -> Any:
    """Return the text, number, boolean or None that a scalar represents."""
    text = node.value
    if node.style:  # quoted, or a block of text; plain scalars have style '' in libyaml, None in PyYAML
        return _whole_characters(text)
    if text in _NOTHING and not (text and _is_seed(location)):
        return None
    if _is_text(location):
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) and not _LEADING_ZERO.fullmatch(text) else text


def _whole_characters(text: str) -> str:
    """Join surrogate pairs, which JSON uses for characters beyond 16 bits; a lone surrogate stays."""
    try:
        text.encode()
    except UnicodeEncodeError:
        with contextlib.suppress(UnicodeDecodeError):
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
    return text


def _is_seed(location: Location) -> bool:
    """Whether a scalar is an entry of a list of seeds, where null is an agent id."""
    return location[-2:-1] == ("seeds",) and isinstance(location[-1], int) and not _FREE.intersection(location)


def _is_text(location: Location) -> bool:
    """Whether a plain scalar stays text, as written: names, and agent ids in the list of seeds."""
    key = location[-2] if isinstance(location[-1], int) else location[-1]
    return key in _TEXT and not _FREE.intersection(location)
