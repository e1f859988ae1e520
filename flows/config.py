"""Campaign and cluster files: YAML, validated once into frozen classes, with errors that name the line.

YAML's implicit conversions are restricted: ``no`` and ``007`` are text, ``1e-3`` is a number, and agent ids stay as
written. A campaign may also be a dictionary with the content of a file; its errors name the part in words.
"""

import contextlib
import gc
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from data.errors import CampaignError, InvalidInputError, RumormillError, SourceNotFoundError
from data.facade import Warehouse
from data.validation import Location, Problem, checked_name, suggestion
from flows.campaign_content import FREE, Content, DictionaryContent, is_text
from flows.campaign_problems import campaign_problems
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from propagation.clusters import ClusterProfile
from propagation.models import known_models

__all__ = [
    "Campaign",
    "CampaignSource",
    "ResolvedCampaign",
    "campaign_from_dict",
    "campaign_path",
    "load_campaign",
    "load_cluster_profile",
    "resolve",
    "resolve_file",
]

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
"""Folder of the bundled campaigns and cluster profiles."""

CampaignSource: TypeAlias = "str | os.PathLike[str] | Mapping[str, Any] | Campaign"
"""A campaign: path of a file or name of a bundled campaign; a dictionary with a file's content; or a `Campaign`."""
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The libyaml loader, ten times as fast, if PyYAML was built with it."""
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}
_NOTHING = {"", "~", "null"}
_WORDS = {"true": True, "false": False, ".nan": float("nan"), ".inf": float("inf")}
_DIGITS = "[0-9]+(?:_[0-9]+)*"
_WHOLE = re.compile(r"0|-?[1-9][0-9]*(?:_[0-9]+)*")
_NUMBER = re.compile(rf"[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][-+]?[0-9]+)?")
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


def campaign_from_dict(content: Mapping[str, Any], models: Sequence[str] = ()) -> Campaign:
    """Return the campaign of a dictionary with the content of a campaign file; equal content gives an equal campaign.

    Agent ids and names may be whole numbers; NumPy arrays and pandas Series are lists. Relative paths start from the
    current folder.

    Parameters
    ----------
    content : mapping
        Keys and values as in a campaign file; `name` is required.
    models : sequence of str
        Python files with the user's own models, in addition to those of the campaign.

    Raises
    ------
    CampaignError
        If it is invalid; the message names campaign, part, value and rule.

    Examples
    --------
    >>> sessions = [{"name": "hubs", "seeds": {"strategy": "top_out_degree", "budget": 5}}]
    >>> campaign_from_dict({"name": "spring", "network": "town", "sessions": sessions}).sessions[0].model
    'independent_cascade'
    """
    return _read(DictionaryContent(content), Path(), models)


def load_with_places(source: CampaignSource, models: Sequence[str] = ()) -> tuple[Campaign, Callable[[Location], str]]:
    """Return a validated campaign, and a function that says where a part of it is: in a file, or in words.

    Raises
    ------
    InvalidInputError
        If `source` is none of the kinds of `CampaignSource`.
    CampaignError, SourceNotFoundError
        As `load_campaign` and `campaign_from_dict`.
    """
    if isinstance(source, str | os.PathLike):
        campaign, document = _loaded(os.fspath(source), models)
        return campaign, document.place
    if not isinstance(source, Campaign | Mapping):
        raise InvalidInputError(
            f"{source!r} is no campaign; give the path of a campaign file, a dictionary with its content, or a Campaign"
        )
    content = source.model_dump(exclude_unset=True) if isinstance(source, Campaign) else source
    dictionary = DictionaryContent(content)
    return _read(dictionary, Path(), models), dictionary.place


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
        path = campaign_path(name_or_path)
        document = _Document(path)
        if "name" not in document.content:
            document.content["name"] = _name_of_file(path)
        return _read(document, path.parent, models), document


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


def _read(content: Content, folder: Path, models: Sequence[str]) -> Campaign:
    if isinstance(content.content.get("cluster"), str):
        try:
            content.content["cluster"] = load_cluster_profile(content.content["cluster"], folder)
        except RumormillError as error:
            content.refuse([Problem(("cluster",), str(error))])
    content.find_models(folder, models)
    campaign = content.validated(Campaign)
    content.refuse(list(campaign_problems(campaign, known_models(campaign.models))))
    return campaign


def _name_of_file(path: Path) -> str:
    """Return the default name of a campaign: that of its file."""
    try:
        return checked_name(path.stem)
    except ValueError as error:
        raise CampaignError(
            f"{path}: the file has no `name:`, so its file name is the campaign's name, but {error}"
        ) from None


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


class _Document(Content):
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

    def place(self, location: Location) -> str:
        """Return file, line and key of a part of the campaign."""
        return f"{self.path}, line {self._line(location)}: {'.'.join(map(str, location))}"

    def sentences(self, problems: list[Problem]) -> tuple[str, list[str]]:
        """Return the file, and each problem with its line and key, by line."""
        found = sorted({(self._line(p.location), ".".join(map(str, p.location)), p.sentence) for p in problems})
        return f"{self.path}, ", [f"line {line}: {where + ': ' if where else ''}{what}" for line, where, what in found]

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
    if is_text(location):
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
    return location[-2:-1] == ("seeds",) and isinstance(location[-1], int) and not FREE.intersection(location)
