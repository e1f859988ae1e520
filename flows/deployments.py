"""Deployments: campaigns that Prefect runs on a schedule, described by a YAML file or options of the command line."""

import zoneinfo
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from data.networks.edge_lists import ImportOptions
from data.validation import Name, UserInput
from propagation.plans import PlanChoice


class ImportSpecification(ImportOptions):
    """What a scheduled run imports before the campaign: the newest file of a folder, as the campaign's network."""

    path: str = Field(min_length=1)
    """A file, or a folder whose newest file is imported; in a deployment file, relative to its folder."""
    agents: str | None = None
    """A file with further agents and their attributes."""

    @property
    def options(self) -> dict[str, Any]:
        """The options of the import that were given, without the path."""
        return self.model_dump(mode="json", exclude={"path"}, exclude_defaults=True)


class DeploymentSpecification(UserInput):
    """A campaign with its schedule."""

    name: Name
    """Name of the deployment; default: the file's name."""
    campaign: str = Field(min_length=1)
    """Path of the campaign's file, in a deployment file relative to its folder; or the name of a bundled campaign."""
    warehouse: str | None = None
    """Folder or URL of the warehouse; default: that of the command."""
    cron: str | None = None
    """When it runs: minute, hour, day of the month, month, day of the week. Without it, only when asked for."""
    timezone: str = "UTC"
    """Timezone of the schedule, such as Europe/Berlin."""
    import_: ImportSpecification | None = Field(default=None, alias="import")
    """What to import first; a path alone, or a path with options of the import."""
    models: tuple[str, ...] = ()
    """Python files with the user's own models, in addition to those of the campaign."""
    plan: PlanChoice | None = None
    """How rounds are executed; default: the campaign's."""
    cluster: str | None = None
    """Name or path of a cluster profile; default: the campaign's."""
    page: bool = True
    """Whether each run writes the campaign's web page into the folder of the warehouse."""
    paused: bool = False
    """Whether the schedule waits until it is resumed."""
    tags: tuple[str, ...] = ()
    """Further tags of its runs in the Prefect UI."""

    @field_validator("import_", mode="before")
    @classmethod
    def _path_alone(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None:
            check_cron(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str, others: ValidationInfo) -> str:
        check_timezone(value)
        if others.data.get("cron", value) is None:
            raise ValueError(f"{value!r} applies to `cron`, which is not given; give both, or neither")
        return value


def check_cron(cron: str) -> None:
    """Raise ValueError if a text is not a cron expression."""
    from prefect.client.schemas.schedules import CronSchedule

    try:
        CronSchedule(cron=cron, timezone=None)
    except ValueError:
        raise ValueError(
            f"{cron!r} is not a schedule; give minute, hour, day of the month, month and day of the week, such as "
            "'0 6 * * *' for every day at 6:00"
        ) from None


def check_timezone(name: str) -> None:
    """Raise ValueError if there is no timezone of a name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no timezone {name!r}; give one such as UTC or Europe/Berlin") from None


def absolute(path: str, folder: Path) -> str:
    """Return a path or URL that means the same in any folder."""
    if "://" in path:
        return path
    return str((folder / Path(path).expanduser()).resolve())
