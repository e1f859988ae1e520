"""Campaign, cluster and deployment files, validated once into frozen classes, with errors that name the line.

A campaign may also be a dictionary with the content of a file; its errors name the part in words.
"""

import contextlib
import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, TypeAlias

from data.errors import CampaignError, InvalidInputError, RumormillError, SourceNotFoundError
from data.facade import Warehouse
from data.validation import Location, Problem, checked_name, suggestion
from flows.campaign_content import Content, DictionaryContent
from flows.campaign_problems import campaign_problems
from flows.campaigns import Campaign, ResolvedCampaign, resolve
from flows.deployments import DeploymentSpecification, absolute
from flows.yaml_documents import YamlDocument, stated_values
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


def _loaded(name_or_path: str, models: Sequence[str]) -> "tuple[Campaign, YamlDocument]":
    with _no_garbage_collection():
        path = campaign_path(name_or_path)
        document = YamlDocument(path)
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


def stated_names(name_or_path: str) -> list[str]:
    """Return the name of a campaign and that of its network, if stated, without validating the file.

    It reads top-level lines only, so that even a run with an invalid campaign gets its label. The default name is
    that of the file.
    """
    found = {"name": PurePath(name_or_path).stem}
    with contextlib.suppress(OSError, SourceNotFoundError):
        text = campaign_path(name_or_path).read_text(encoding="utf-8", errors="replace")
        found |= stated_values(text, ("name", "network"))
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
    return YamlDocument(_find(name_or_path, "cluster profile", CONFIGS / "clusters", folder)).validated(ClusterProfile)


def is_deployment_file(path: str) -> bool:
    """Whether a file describes a deployment: a mapping with the key ``campaign``."""
    return Path(path).is_file() and "campaign" in YamlDocument(Path(path)).content


def load_deployment(path: str, default_warehouse: str) -> DeploymentSpecification:
    """Return the deployment of a YAML file, with absolute paths; its campaign is validated as well.

    Parameters
    ----------
    path : str
        Path of the file.
    default_warehouse : str
        Warehouse of a file that names none.

    Raises
    ------
    CampaignError
        If the file or its campaign is invalid; the message names line, field, value and rule.
    SourceNotFoundError
        If there is no such file.
    """
    if not Path(path).is_file():
        raise SourceNotFoundError(f"no deployment file {path!r}")
    document = YamlDocument(Path(path))
    document.content.setdefault("name", _name_of_file(Path(path)))
    specification = document.validated(DeploymentSpecification)
    return located(specification, Path(path).absolute().parent, default_warehouse)


def located(specification: DeploymentSpecification, folder: Path, default_warehouse: str) -> DeploymentSpecification:
    """Return a deployment with absolute paths, which are relative to `folder`, after validating its campaign.

    Raises
    ------
    CampaignError, SourceNotFoundError
        If the campaign, the cluster profile or the source of imports is invalid or missing.
    """
    campaign = _find(specification.campaign, "campaign", CONFIGS / "campaigns", folder)
    models = [absolute(path, folder) for path in specification.models]
    load_campaign(str(campaign), models)
    changes: dict[str, Any] = {"campaign": absolute(str(campaign), Path()), "models": tuple(models)}
    changes["warehouse"] = (
        absolute(default_warehouse, Path())
        if specification.warehouse is None
        else absolute(specification.warehouse, folder)
    )
    if specification.cluster is not None:
        load_cluster_profile(specification.cluster, folder)
        changes["cluster"] = str(
            _find(specification.cluster, "cluster profile", CONFIGS / "clusters", folder).absolute()
        )
    if (given := specification.import_) is not None:
        found = {"path": absolute(given.path, folder)}
        if given.agents is not None:
            found["agents"] = absolute(given.agents, folder)
        for what in found.values():
            if not Path(what).exists():
                raise SourceNotFoundError(f"no file or folder {what!r} to import from")
        changes["import_"] = given.model_copy(update=found)
    return specification.model_copy(update=changes)


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
