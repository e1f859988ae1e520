"""Users' own models: two functions on pandas frames, and declarations of what they need.

`docs/how-to/own-models.md` describes arguments and results of the functions, with an example. The reference plan
runs them (`propagation.plans.reference.pandas_rounds`).
"""

import hashlib
import inspect
import math
import re
import sys
import threading
import weakref
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import cloudpickle  # type: ignore[import-untyped]

from data.errors import InvalidInputError, UnfitModelError
from data.networks.network import Network
from propagation.models.model import Model
from propagation.models.rules import COMPARTMENTS_LIMIT, Rules

if TYPE_CHECKING:
    import pandas as pd

    Draws = Callable[[str], "pd.Series[float]"]
    """Uniform numbers in [0, 1), one per row of the frame; different names give independent numbers."""

CONTACT_COLUMNS = (
    "replicate", "round", "src", "dst", "src_compartment", "dst_compartment", "rounds_since", "occasion",
)  # fmt: skip
"""Columns of every frame of contacts, besides the declared ones."""
AGENT_COLUMNS = ("replicate", "round", "agent", "compartment", "rounds_since", "occasion")
"""Columns of every frame of agents, besides the declared ones."""
MOVES = "moves"
"""Column with the number of times that an agent has moved, so that each stay in a compartment has its own draws."""
_KEPT = {
    "session_id",
    "since",
    "weight",
    "contacts",
    "activated",
    "infector",
    "src",
    "dst",
    "target",
    "received",
    MOVES,
}
_RESERVED = {
    "edge_columns": set(CONTACT_COLUMNS),
    "agent_columns": set(AGENT_COLUMNS),
    "memory": {*AGENT_COLUMNS, *_KEPT},
    "carries": {"contacts", "successes"},
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_files: "weakref.WeakKeyDictionary[type, str]" = weakref.WeakKeyDictionary()
"""Text of the file of each class, at the time when the class was loaded."""
_classes: dict[bytes, type["PandasModel"]] = {}
"""Classes that this process has pickled by value, or loaded, by their bytes."""
_loading = threading.RLock()


@dataclass(frozen=True)
class OwnRules(Rules):
    """Rules of a user's own model, as far as they are declared; the rounds are defined by the user's functions.

    Attributes
    ----------
    waiting : tuple of str
        Compartments that do not transmit and that agents may leave without a contact.
    """

    waiting: tuple[str, ...] = ()

    @property
    def leaving(self) -> frozenset[str]:
        """Compartments that agents may leave without a contact."""
        return frozenset({*self.transmitting, *self.waiting})

    @property
    def is_cascade(self) -> bool:
        """False: the declarations do not say."""
        return False


class PandasModel(Model):
    """Base of users' own models.

    A subclass declares what follows as class attributes; parameters are fields, such as ``beta: Probability = 0.1``.

    Attributes
    ----------
    name : str
        Its name in campaigns and tables; not the name of a built-in model.
    compartments : tuple of str
        All compartments, at most 8; all agents but the seeds start in the first.
    seeds : str
        Compartment of the seeds.
    transmitting : tuple of str
        Compartments whose agents contact each of their out-neighbours, every round.
    reached : tuple of str
        Compartments that count as reached, including that of the seeds.
    waiting : tuple of str, optional
        Compartments that do not transmit, but that agents may leave without a contact. A replicate is over when no
        agent transmits or waits.
    ends_when_still : bool, optional
        Whether a replicate is also over after a round in which no agent changed. Use it for models without draws, in
        which nothing can change after such a round.
    edge_columns, agent_columns : tuple of str, optional
        Numeric attributes of edges and of agents that the functions read.
    memory : mapping, optional
        Numbers kept for each agent and replicate: name and initial value.
    carries : tuple of str, optional
        Names of the values sent along a contact, if `transmit` returns several.
    """

    compartments: ClassVar[tuple[str, ...]] = ()
    seeds: ClassVar[str] = ""
    transmitting: ClassVar[tuple[str, ...]] = ()
    reached: ClassVar[tuple[str, ...]] = ()
    waiting: ClassVar[tuple[str, ...]] = ()
    ends_when_still: ClassVar[bool] = False
    edge_columns: ClassVar[tuple[str, ...]] = ()
    agent_columns: ClassVar[tuple[str, ...]] = ()
    memory: ClassVar[Mapping[str, float]] = MappingProxyType({})
    carries: ClassVar[tuple[str, ...]] = ()
    reserved_names: ClassVar[frozenset[str]] = frozenset()
    """Names of the models that come with Rumormill."""

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        """Keep the text of the class's file, before it can be edited."""
        super().__pydantic_init_subclass__(**options)
        module = sys.modules.get(cls.__module__)
        if module is not None and cls.__module__ != "__main__" and (text := _text_of(module)) is not None:
            _files[cls] = text

    def __new__(cls, **_: Any) -> Self:
        """Raise InvalidInputError, instead of Python's TypeError, if the class lacks a function."""
        _raise_first(cls, _problems_of_functions(cls))
        return super().__new__(cls)

    @abstractmethod
    def transmit(self, contacts: "pd.DataFrame", draws: "Draws") -> Any:
        """Return the value sent along each contact: a boolean or number per row; false or 0 if the contact failed.

        Parameters
        ----------
        contacts : DataFrame
            One row per contact of the round: the columns `CONTACT_COLUMNS`, the declared edge columns, and, of both
            ends, the declared agent columns and memory as ``source_NAME`` and ``target_NAME``.
        draws : callable
            ``draws("name")`` gives uniform numbers in [0, 1), one per row.
        """

    @abstractmethod
    def update(self, agents: "pd.DataFrame", arrivals: "pd.DataFrame", draws: "Draws") -> Any:
        """Return the compartment of each agent after the round; or a frame of ``compartment`` and memory columns.

        Parameters
        ----------
        agents : DataFrame
            One row per agent and replicate that was contacted, or has changed before: the columns `AGENT_COLUMNS`, its
            memory and the declared agent columns.
        arrivals : DataFrame
            The same rows: ``contacts``, ``successes``, and ``total``, the sum of the values sent; or sums of `carries`.
        draws : callable
            As above.
        """

    # -- used by the platform -------------------------------------------------------------------------------------

    @property
    def rules(self) -> OwnRules:
        """The compartments."""
        return OwnRules(
            compartments=tuple(self.compartments),
            seeds=self.seeds,
            transmitting=tuple(self.transmitting),
            reached=tuple(self.reached),
            contacts=(),
            waiting=tuple(self.waiting),
        )

    @property
    def source_fingerprint(self) -> str:
        """Hash of the file the class is in; in a script or notebook, of its functions and declarations."""
        return source_fingerprint(type(self))

    def check(self, network: Network) -> None:
        """Raise InvalidInputError if a declaration is invalid, or a column is missing or not numeric."""
        check_declarations(type(self))
        if self.name in self.reserved_names:
            raise InvalidInputError(f"a model {self.name!r} comes with Rumormill; choose another name")
        for kind, names in (("edge", self.edge_columns), ("agent", self.agent_columns)):
            for name in names:
                if name not in network.row[f"{kind}_attributes"]:
                    known = ", ".join(network.row[f"{kind}_attributes"]) or "none"
                    raise UnfitModelError(
                        f"model {self.name!r} reads {kind} column {name!r}, but network "
                        f"{network.network_id!r} does not have it (columns: {known})"
                    )
                try:
                    (network.edge_values if kind == "edge" else network.agent_values)(name)
                except InvalidInputError as error:
                    raise UnfitModelError(f"model {self.name!r}: {error}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the class by value, because other processes may not have the user's file."""
        model = cloudpickle.dumps(type(self))
        with _loading:
            _classes[model] = type(self)
        return _unpickled, (model, self.__getstate__())


def _unpickled(model: bytes, state: Any) -> PandasModel:
    made: PandasModel = object.__new__(_class_of(model))
    made.__setstate__(state)
    return made


def _class_of(model: bytes) -> type[PandasModel]:
    """Return the class that was pickled by value as these bytes.

    Each process loads a class once; the process that pickled it does not load it at all, because loading would set the
    attributes of the existing class while other threads use it.
    """
    with _loading:
        if model not in _classes:
            _classes[model] = cloudpickle.loads(model)
        return _classes[model]


# -- declarations -----------------------------------------------------------------------------------------------------


def check_declarations(model: type[PandasModel]) -> None:
    """Raise InvalidInputError unless a model's declarations are complete and consistent."""
    _raise_first(model, _problems(model))


def _raise_first(model: type[PandasModel], problems: Iterator[str]) -> None:
    if problem := next(problems, None):
        raise InvalidInputError(f"model {model.__name__}: {problem}")


def _problems(model: type[PandasModel]) -> Iterator[str]:
    name = getattr(model, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield f"name {name!r} is not valid; use letters, digits and _, such as name = 'my_model'"
    yield from _problems_of_functions(model)
    lists = ("compartments", "transmitting", "reached", "waiting", "edge_columns", "agent_columns", "carries")
    for what in lists:
        yield from _problems_of_list(what, getattr(model, what))
    yield from _problems_of_compartments(model)
    yield from _problems_of_numbers(model.memory, model.carries)
    yield from _problems_of_columns(model)


def _problems_of_functions(model: type[PandasModel]) -> Iterator[str]:
    for function in sorted(model.__abstractmethods__):
        arguments = ", ".join(inspect.signature(getattr(model, function)).parameters)
        yield f"has no function {function}({arguments}); define it"


def _problems_of_list(what: str, names: Any) -> Iterator[str]:
    if isinstance(names, str):
        yield f"{what} {names!r} is a string; give a tuple, such as {what} = ({names!r},)"
    elif not isinstance(names, tuple | list) or not all(isinstance(name, str) and name for name in names):
        yield f"{what} {names!r} is not a tuple of names"
    elif len(set(names)) != len(names):
        yield f"{what} {names!r} has a name twice"


def _problems_of_compartments(model: type[PandasModel]) -> Iterator[str]:
    known = model.compartments
    if not 2 <= len(known) <= COMPARTMENTS_LIMIT:
        yield f"compartments {known!r} are {len(known)}; declare 2 to {COMPARTMENTS_LIMIT}"
        return
    for what in ("transmitting", "reached", "waiting"):
        for name in getattr(model, what):
            if name not in known:
                yield f"{what} {name!r} is not a compartment; compartments are {', '.join(known)}"
            if name == known[0]:
                yield f"{what} {name!r} is the initial compartment; only the others can be {what}"
    if model.seeds not in known:
        yield f"seeds {model.seeds!r} is not a compartment; compartments are {', '.join(known)}"
    if model.seeds not in model.reached:
        yield f"seeds {model.seeds!r} must be among reached ({', '.join(model.reached) or 'none'})"
    if not model.transmitting:
        yield "transmitting is empty; name the compartments whose agents contact their out-neighbours"


def _problems_of_columns(model: type[PandasModel]) -> Iterator[str]:
    for kind, reserved in _RESERVED.items():
        for name in getattr(model, kind):
            if name in reserved:
                yield f"{kind} {name!r} is a reserved name; choose another"
    for name in model.memory:
        if name in model.agent_columns:
            yield f"{name!r} is both memory and an agent column; rename the memory"
    ends = [f"{end}_{name}" for end in ("source", "target") for name in (*model.agent_columns, *model.memory)]
    for name in model.edge_columns:
        if name in ends:
            yield f"edge column {name!r} has the same name as an agent column or memory of an end of the contact"


def _problems_of_numbers(memory: Any, carries: Any) -> Iterator[str]:
    if not isinstance(memory, Mapping):
        yield f"memory {memory!r} must map names to numbers, such as memory = {{'exposures': 0}}"
        return
    for name, initial in memory.items():
        if not isinstance(initial, int | float) or not math.isfinite(initial):
            yield f"memory {name!r} starts as {initial!r}; give a finite number"
    for name in (*memory, *carries):
        if not _NAME.fullmatch(str(name)):
            yield f"{name!r} is not a valid name; use letters, digits and _"


# -- fingerprint of a class -------------------------------------------------------------------------------------------


def source_fingerprint(model: type[PandasModel]) -> str:
    """Return the SHA-256 of a model's source, hexadecimal, which changes when the model is edited.

    It covers the class and its bases: the whole file as it was loaded or, for a class in a script or notebook, its
    functions, its declarations and what they refer to there.
    """
    parts = []
    for each in model.__mro__[: model.__mro__.index(PandasModel)]:
        text = _files.get(each)
        parts.append(f"{each.__qualname__}: {text if text is not None else _code_of_class(each)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _text_of(module: Any) -> str | None:
    """Return the text of a module's file with normalised line ends; None if it has no file."""
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError):
        return None
    return "\n".join(line.rstrip() for line in text.splitlines())


def _code_of_class(model: type) -> str:
    found = [
        f"{name} = {value!r}" for name, value in sorted(vars(model).items()) if _is_plain(value) and name[:1] != "_"
    ]
    fields = getattr(model, "model_fields", {})
    found += [f"{name}: {field!r}" for name, field in fields.items()]
    seen: set[int] = set()
    for name, value in sorted(vars(model).items()):
        function = inspect.unwrap(getattr(value, "__func__", getattr(value, "fget", value)) or value)
        if isinstance(function, FunctionType):
            found.append(f"{name}: {_code_of_function(function, seen)}")
    return "\n".join(found)


def _code_of_function(function: FunctionType, seen: set[int]) -> str:
    """Return a function's code as text, with the functions and constants of its module that it uses."""
    if id(function) in seen:
        return ""
    seen.add(id(function))
    found = [_code_text(function.__code__), repr(function.__defaults__)]
    for name in _names_in(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            found.append(f"{name}: {_code_of_function(value, seen)}")
        elif _is_plain(value):
            found.append(f"{name} = {value!r}")
    return "\n".join(found)


def _code_text(code: CodeType) -> str:
    constants = [_code_text(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _names_in(code: CodeType) -> list[str]:
    inner = [name for each in code.co_consts if isinstance(each, CodeType) for name in _names_in(each)]
    return sorted({*code.co_names, *inner})


def _is_plain(value: Any) -> bool:
    """Whether a value's representation is complete and the same in every process."""
    if isinstance(value, tuple | list):
        return all(_is_plain(each) for each in value)
    if isinstance(value, Mapping):
        return all(_is_plain(each) for each in (*value, *value.values()))
    return isinstance(value, int | float | str | bytes)
