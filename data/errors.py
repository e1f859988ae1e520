"""Every error a Rumormill user can meet, under one base class.

Each error also inherits the matching builtin exception, so that code unaware of Rumormill can catch it. The message
gives the value, the rule and what to do. ``exit_code`` is what the command line returns: 2 for a mistake of the user,
1 for a fault of Rumormill or the machine, 130 for a run that the user cancelled.
"""

from typing import ClassVar


class RumormillError(Exception):
    """Base of all errors that Rumormill raises deliberately."""

    exit_code: ClassVar[int] = 1


class InvalidInputError(RumormillError, ValueError):
    """Raised when a value given by the user breaks a rule."""

    exit_code = 2


class UnfitModelError(InvalidInputError):
    """Raised when a model cannot run on a network.

    `parameter` names the parameter that needs something the network lacks, or is None; if set, the message begins with
    it.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class EdgeListError(InvalidInputError):
    """Raised when a source cannot be read as an edge list."""


class TooManyRejectsError(EdgeListError):
    """Raised when an import rejects more rows than the user allowed."""


class CampaignError(InvalidInputError):
    """Raised when a campaign or cluster profile file is not valid; the message names the line."""


class QueryError(InvalidInputError):
    """Raised when a SQL statement fails or is not a single SELECT."""


class SourceNotFoundError(RumormillError, FileNotFoundError):
    """Raised when a file named by the user does not exist."""

    exit_code = 2


class NetworkNotFoundError(RumormillError, LookupError):
    """Raised when the warehouse holds no network of this name."""

    exit_code = 2


class CascadesNotFoundError(RumormillError, LookupError):
    """Raised when the warehouse holds no set of observed cascades of this name."""

    exit_code = 2


class TableNotFoundError(RumormillError, LookupError):
    """Raised when there is no table of this name."""

    exit_code = 2


class NotPublishedError(RumormillError, LookupError):
    """Raised when the warehouse holds no campaign or session of this name."""

    exit_code = 2


class UnknownAgentError(RumormillError, LookupError):
    """Raised when an agent id does not occur in the network."""

    exit_code = 2


class WarehouseNotWritableError(RumormillError, PermissionError):
    """Raised when the warehouse location cannot be created or written."""

    exit_code = 2


class WarehouseFullError(RumormillError, OSError):
    """Raised when the warehouse's disk or quota is full; nothing of the failed write is visible."""


class UnsupportedStorageError(InvalidInputError):
    """Raised when a warehouse URL names a filesystem on which atomic create-if-absent has not been tested."""


class CorruptFileError(RumormillError, OSError):
    """Raised when a published file is missing, unreadable, or does not match its manifest."""


class CommitConflictError(RumormillError, RuntimeError):
    """Raised when other writers keep winning the race for the next manifest; the caller may retry."""


class AlreadyPublishedError(RumormillError, FileExistsError):
    """Raised when a writer's key is already published in the warehouse."""


class RequirementGoneError(RumormillError, LookupError):
    """Raised when a publication needs another that is not in the warehouse, or was deleted meanwhile."""


class InsufficientMemoryError(RumormillError, MemoryError):
    """Raised by the planner, before work starts, when no plan fits the available memory."""

    exit_code = 2


class ClusterUnreachableError(RumormillError, ConnectionError):
    """Raised when the scheduler or server named by the user does not answer at the start."""

    exit_code = 2


class ClusterLostError(RumormillError, ConnectionError):
    """Raised when a cluster loses workers or its scheduler during a run, and the run cannot continue without them."""


class RowsDifferError(RumormillError, AssertionError):
    """Raised when a recomputed session does not equal its published rows."""


class RunCancelledError(RumormillError, RuntimeError):
    """Raised when the user cancels a run; the message says what was published before."""

    exit_code = 130
