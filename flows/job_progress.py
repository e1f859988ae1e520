"""Progress of a job: passed to a listener in this process, and shown in Prefect's UI as a bar and as log lines."""

import logging
import time
from typing import TYPE_CHECKING, Any, Self, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from data.progress import Progress
from data.quantities import counted, readable_seconds
from flows.artifacts import bold, slug

if TYPE_CHECKING:
    from propagation.planner import JobPlan

SECONDS_BETWEEN_UPDATES = 2.0
"""Time between updates of a progress artifact; each costs about 40 ms."""
SECONDS_BETWEEN_LINES = 15.0
"""Time between two lines of the log."""
SECONDS_BETWEEN_LOOKS = 5.0
"""Time between two looks whether a run was cancelled."""

logger = logging.getLogger(__name__)


class JobProgress:
    """Progress of a job; a progress callback, and the stop flag of the job, which plans check several times a second.

    Parameters
    ----------
    campaign : str
        Name of the campaign.
    listener : Progress
        Listener in this process.
    log : logging.Logger or adapter
        Where lines about the progress go.
    watched_run : str, optional
        Id of a flow run whose cancellation in Prefect stops the job. Runs of deployments need none: Prefect
        ends their process.
    """

    def __init__(self, campaign: str, listener: Progress, log: Any, watched_run: str | None = None) -> None:
        self._campaign, self._listener, self._log, self._watched_run = campaign, listener, log, watched_run
        self._pace: Pace | None = None
        self._artifact: UUID | None = None
        self._updated = self._logged = self._looked = time.monotonic()
        self._cancelled = False

    def begin(self, plan: "JobPlan") -> None:
        """Show a bar for a job that is about to run."""
        self._pace = Pace(plan.plan, plan.lanes, plan.estimated_seconds)
        try:
            self._artifact = cast(
                "UUID", create_progress_artifact(0.0, f"progress-{slug(self._campaign)}", self._description())
            )
        except Exception as error:  # a progress bar that fails must not end the run
            logger.debug("progress is not shown: %s", error)

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Note progress, and pass it on to the listener."""
        self._listener(stage, done, total)
        if self._pace is not None:
            self._pace.done = done
            self._show()

    def is_set(self) -> bool:
        """Return whether the flow run was cancelled in Prefect; also the moment to show progress that stands still."""
        if self._pace is not None:
            self._show()
        now = time.monotonic()
        if self._watched_run is not None and now - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked = now
            self._cancelled = self._cancelled or _is_cancelled(self._watched_run)
        return self._cancelled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Show and log how far the job got."""
        if self._pace is not None:
            self._log.info("%s", self._pace.ending(completed=kind is None))
            self._update(self._pace.ending(completed=kind is None))

    def _show(self) -> None:
        now, pace = time.monotonic(), cast("Pace", self._pace)
        if now - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = now
            self._log.info("simulating: %s", pace.text())
        if now - self._updated >= SECONDS_BETWEEN_UPDATES:
            self._update(pace.text())

    def _update(self, text: str) -> None:
        if self._artifact is None:
            return
        self._updated = time.monotonic()
        pace = cast("Pace", self._pace)
        try:
            update_progress_artifact(self._artifact, 100.0 * pace.share, self._description(text))
        except Exception as error:
            logger.debug("progress was not shown: %s", error)

    def _description(self, text: str = "") -> str:
        return f"Campaign {bold(self._campaign)}: {text or cast('Pace', self._pace).text()}"


class Pace:
    """How far a job has got, how fast, and how long the rest will take.

    Parameters
    ----------
    plan : str
        The reference plan reports rounds, and nobody knows how many there will be; the others report lanes.
    lanes : int
        Lanes of the job.
    estimated_seconds : float
        The planner's estimate for the job.
    """

    def __init__(self, plan: str, lanes: int, estimated_seconds: float) -> None:
        self.plan, self.lanes, self.estimated_seconds = plan, lanes, estimated_seconds
        self.begun, self.done = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds since the job began."""
        return time.monotonic() - self.begun

    @property
    def share(self) -> float:
        """Share of the job that is done, in [0, 1]; of the reference plan's rounds, which have no known end, none."""
        return 0.0 if self.plan == "reference" else self.done / max(self.lanes, 1)

    def text(self) -> str:
        """Return lanes done, rate and remaining time."""
        if self.plan == "reference":
            return f"{counted(int(self.done), 'round')} done in {readable_seconds(self.seconds)}"
        amount = f"{self.done:,.0f} of {counted(self.lanes, 'lane')}"
        if not self.done:
            left = self.estimated_seconds - self.seconds
            expected = f"estimated {readable_seconds(self.estimated_seconds)}"
            return f"{amount}, {expected}" + (f", {readable_seconds(self.seconds)} so far" if left < 0 else "")
        rate = self.done / max(self.seconds, 1e-9)
        left = (self.lanes - self.done) / rate
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        return f"{amount} ({100 * self.share:.0f} %), {speed} lanes/s, about {readable_seconds(left)} left"

    def ending(self, *, completed: bool) -> str:
        """Return what was done in which time."""
        how = "simulated" if completed else "stopped after"
        if self.plan == "reference":
            return f"{how} {counted(int(self.done), 'round')} in {readable_seconds(self.seconds)}"
        amount = counted(self.lanes, "lane")
        amount = amount if completed else f"{self.done:,.0f} of {amount}"
        return (
            f"{how} {amount} in {readable_seconds(self.seconds)}, estimated {readable_seconds(self.estimated_seconds)}"
        )


def _is_cancelled(flow_run_id: str) -> bool:
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(flow_run_id)).state
    except Exception as error:  # the server may be restarting
        logger.debug("the state of the flow run is not known: %s", error)
        return False
    return state is not None and (state.is_cancelling() or state.is_cancelled())
