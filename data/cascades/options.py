"""Options of imports of observed cascades."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from data.errors import InvalidInputError
from data.validation import validation_sentences

Format = Literal["auto", "rows", "lines", "trees", "adoptions"]


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_several)]


class CascadeOptions(BaseModel):
    """How to read a source as observed cascades, and which rows may be left out.

    Frozen; unknown names are refused. The options of ``rumormill cascades import`` are these fields.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format = "auto"
    """``rows`` of cascade, agent and time; ``lines`` with agent-time pairs; ``trees`` of parent, child and delay;
    ``adoptions``, a row per agent with a column of times per item; ``auto`` guesses from the content."""
    header: Literal["auto", "none", "names"] = "auto"
    """First line of a text file: ``names`` of columns, ``none``, or ``auto``."""
    columns: Names | None = None
    """Names of all columns, in order, for files without a header line."""
    cascade: str | None = None
    """Column of the cascade's id; default: by its name. Without one, the source is one cascade."""
    agent: Names | None = None
    """Column of the agent's id, or several that together identify it; default: by its name. Without one, each row is
    an agent of its own."""
    time: str | None = None
    """Column of the time; default: by its name."""
    infector: str | None = None
    """Column of the agent that activated this one; default: by its name."""
    followers: str | None = None
    """Column of the number of agents who could see the activation; default: by its name."""
    items: Names | None = None
    """Columns with the times at which agents adopted an item, of the format ``adoptions``."""
    never: str | None = None
    """Value of such a column that means that the agent never adopted; empty cells always do."""
    only: str | None = None
    """Keep only rows of this type: a value of the column ``type``, or ``COLUMN=VALUE``."""
    split_trees: bool = False
    """Without a column of the cascade: make each tree of infectors a cascade, named after its root, instead of one
    cascade of all rows."""
    max_rejects: float = Field(default=0.5, ge=0, le=1)
    """Largest share of the rows that may be rejected before the import fails, from 0 to 1."""


_ALWAYS = {"format", "max_rejects"}
_OF_TABLES = {"header", "columns", "cascade", "agent", "only"}
_OF_ACTIVATIONS = {*_OF_TABLES, "time", "infector", "followers"}
_USED = {
    "rows": {*_OF_ACTIVATIONS, "split_trees"},
    "trees": _OF_ACTIVATIONS,
    "adoptions": {*_OF_TABLES, "items", "never"},
    "lines": set[str](),
    "files of trees": set[str](),
}
"""The options that a way to read a source uses."""
_FLAGS = {"items": "--item", "split_trees": "--split-trees"}


def check_used(options: CascadeOptions, kind: str, source: str, *, is_text: bool = True) -> None:
    """Raise InvalidInputError if an option is given that reading a source in this way does not use.

    Parameters
    ----------
    options : CascadeOptions
    kind : str
        ``rows``, ``trees`` (in a table), ``adoptions``, ``lines``, or ``files of trees``.
    source : str
        Readable origin.
    is_text : bool
        Whether the source is text; other tables name their columns themselves.
    """
    used = _ALWAYS | _USED[kind] - (set() if is_text else {"header", "columns"})
    given = [_FLAGS.get(name, f"--{name}") for name in options.model_dump(exclude_defaults=True) if name not in used]
    if given:
        is_one = len(given) == 1
        raise InvalidInputError(
            f"{', '.join(given)} {'has' if is_one else 'have'} no meaning for {source}, which is read as {kind}"
            f"{'' if is_text else ', with columns that have names'}: leave {'it' if is_one else 'them'} out, or choose "
            "how the source is read with --input-format"
        )


def cascade_options(options: dict[str, Any]) -> CascadeOptions:
    """Return validated options.

    Raises
    ------
    InvalidInputError
        If an option does not exist or its value is invalid.
    """
    try:
        return CascadeOptions(**options)
    except ValidationError as error:
        sentences = validation_sentences(error, CascadeOptions, "option")
        raise InvalidInputError(f"options of the import of cascades: {sentences}") from None
