"""The columns of a source of observed cascades: which is the cascade, the agent, the time, and so on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from data.cascades.options import CascadeOptions
from data.errors import InvalidInputError

_KNOWN = {
    "cascade": "cascade cascade_id message message_id story story_id item item_id thread thread_id tree root hashtag",
    "agent": "agent agent_id user user_id uid username node node_id child child_id adopter",
    "time": "time timestamp t date datetime created_at delay unixtime unix_time relative_time relative_time_second",
    "infector": "infector infector_id parent parent_id source_user retweeted_user from_user",
    "followers": "followers follower_count followers_count number_of_followers n_followers",
}
_BY_NAME = {role: dict.fromkeys(names.split()) for role, names in _KNOWN.items()}


@dataclass
class Roles:
    """Columns by their role.

    Attributes
    ----------
    cascade, time, infector, followers : str or None
    agent : tuple of str
        Several columns identify the agent together; empty if each row is an agent of its own.
    guessed : list of str
        What was guessed, as ``COLUMN as ROLE``.
    """

    cascade: str | None = None
    agent: tuple[str, ...] = ()
    time: str | None = None
    infector: str | None = None
    followers: str | None = None
    guessed: list[str] = field(default_factory=list)


def roles_of(names: Sequence[str], options: CascadeOptions, source: str) -> Roles:
    """Return the roles of columns: as the options say, else by their names.

    Raises
    ------
    InvalidInputError
        If a column that an option names is not there.
    """
    found = Roles()
    for role in ("cascade", "time", "infector", "followers"):
        given = getattr(options, role)
        setattr(found, role, _present(given, role, names, source) or _by_name(role, names, found))
    if options.agent is not None:
        found.agent = tuple(_present(each, "agent", names, source) or "" for each in options.agent)
    elif (agent := _by_name("agent", names, found)) is not None:
        found.agent = (agent,)
    return found


def missing_column(role: str, names: Iterable[str], source: str) -> InvalidInputError:
    """Return the error that no column is recognised as the one with a role."""
    return InvalidInputError(
        f"{source}: no column is recognised as the {role}; name it with --{role} COLUMN "
        f"(columns: {', '.join(map(str, names))}), or name the columns of a file without a header with --columns"
    )


def _present(name: str | None, role: str, names: Sequence[str], source: str) -> str | None:
    if name is not None and name not in names:
        raise InvalidInputError(f"{source} has no column {name!r} to be the {role}; its columns are {', '.join(names)}")
    return name


def _by_name(role: str, names: Sequence[str], found: Roles) -> str | None:
    known = _BY_NAME[role]
    matching = sorted(
        (name for name in names if _plain(name) in known), key=lambda name: list(known).index(_plain(name))
    )
    if not matching:
        return None
    if matching[0] != role:
        found.guessed.append(f"column {matching[0]!r} as the {role}")
    return matching[0]


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_").replace(".", "_")
