"""Jobs, toasts and questions: what everything in a session stands on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.core.background import Background, Work
from studio.core.jobs import Job, JobState
from studio.core.worker import BATCH_NICE, INTERACTIVE_NICE, Worker
from studio.document import Document
from studio.errors import StudioError
from studio.session.state import Level, PathDialog, Question, Toast
from studio.settings import Settings

log = logging.getLogger(__name__)

Apply = Callable[[Job], None]
OnEvent = Callable[[str, dict[str, Any]], None]
"""What a job handed over by the way: kind and payload of `Progress.emit`."""

TOASTS_MAX = 5
JOBS_KEPT = 20
CLOSE_TIMEOUT_S = 3.0

_LOG_LEVELS: dict[Level, int] = {
    "info": logging.INFO,
    "success": logging.INFO,
    "warning": logging.INFO,
    "error": logging.WARNING,
}


@dataclass(slots=True)
class _Watch:
    """A job under way and what to do with its result."""

    job: Job
    apply: Apply
    failed: Apply | None
    cancelled: str | None
    """What to say when it was cancelled; None: nothing."""
    on_event: OnEvent | None = None


class JobHost:
    """Runs jobs and applies their results on the main thread, once a frame. Never blocks but in `close`."""

    def __init__(
        self, settings: Settings | None = None, *, interactive: Worker | None = None, batch: Worker | None = None
    ) -> None:
        self.settings = settings if settings is not None else Settings.load()
        self.document = Document()
        self.jobs: list[Job] = []
        """Jobs a person can see, the oldest first; finished ones stay for a while."""
        self.toasts: list[Toast] = []
        self.pending_question: Question | None = None
        self.pending_dialog: PathDialog | None = None
        """A file dialog that the window should show; it takes it from here and calls `on_path`."""
        self._interactive = interactive or Worker("interactive", nice=INTERACTIVE_NICE)
        self._batch = batch or Worker("batch", nice=BATCH_NICE)
        self._workers: list[Worker] = [self._interactive, self._batch]
        """All there are; a part of the session that needs one of its own adds it here."""
        self._background = Background()
        self._watches: list[_Watch] = []

    @property
    def active_jobs(self) -> list[Job]:
        """Visible jobs that wait or run, whole-slide runs first."""
        active = [job for job in self.jobs if not job.state.final]
        return sorted(active, key=lambda job: job.title != "Segment")

    @property
    def idle(self) -> bool:
        """Whether nothing is being opened, computed or written."""
        return not self._watches

    def notify(self, level: Level, text: str) -> None:
        """Show a toast; one that is already there is shown for longer instead."""
        log.log(_LOG_LEVELS[level], "%s", text)
        self.toasts = [toast for toast in self.toasts if (toast.level, toast.text) != (level, text)]
        self.toasts.append(Toast(level, text))
        del self.toasts[:-TOASTS_MAX]

    def dismiss(self, toast: Toast) -> None:
        """Take a toast away before its time."""
        if toast in self.toasts:
            self.toasts.remove(toast)

    def answer(self, yes: bool, value: float | None = None) -> None:
        """The person's answer to `pending_question`."""
        question, self.pending_question = self.pending_question, None
        if question is None:
            return
        if yes:
            question.on_yes(value)
        elif question.on_no is not None:
            question.on_no()

    def dismiss_question(self) -> None:
        """The person doesn't want to answer `pending_question`."""
        self._ask(None)

    def _ask(self, question: Question | None) -> None:
        """Put a question, or take the open one back; the one it replaces counts as dismissed."""
        old, self.pending_question = self.pending_question, question
        if old is not None and old.on_no is not None and old.dismissed_is_no:
            old.on_no()

    def cancel(self, job: Job | None = None) -> None:
        """Cancel a job, or without one the first of `active_jobs`."""
        if job is None:
            active = self.active_jobs
            if not active:
                return
            job = active[0]
        if self._background.owns(job):
            self._background.cancel(job)
        else:
            for worker in self._workers:
                worker.cancel(job)

    def update(self) -> bool:
        """Once a frame: take in what the workers did. Whether anything to draw changed."""
        changed = self._background.poll()
        for worker in self._workers:
            changed |= worker.poll()
        for watch in self._watches:
            self._pass_events_on(watch)
        for watch in [w for w in self._watches if w.job.state.final]:
            self._watches.remove(watch)
            self._finished(watch)
            changed = True
        alive = [toast for toast in self.toasts if not toast.expired]
        changed |= len(alive) != len(self.toasts)
        self.toasts = alive
        self.settings.save_if_due()
        return changed

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Cancel and join everything within about `timeout_s`; a whole-slide run stays resumable."""
        deadline_s = time.monotonic() + timeout_s
        for worker in self._workers:
            worker.begin_close()
        self._background.close()
        for worker in self._workers:
            worker.close(max(0.1, deadline_s - time.monotonic()))
        self._watches.clear()
        self.document.set_slide(None)
        self.settings.flush()

    def _watch(
        self,
        job: Job,
        apply: Apply,
        *,
        failed: Apply | None = None,
        visible: bool = True,
        cancelled: str | None = None,
        on_event: OnEvent | None = None,
    ) -> Job:
        """Call `apply(job)` when it is done; say so in a toast (unless `failed` does) when it isn't."""
        self._watches.append(_Watch(job, apply, failed, cancelled, on_event))
        if visible:
            self.jobs.append(job)
            finished = [old for old in self.jobs if old.state.final]
            for old in finished[: max(0, len(self.jobs) - JOBS_KEPT)]:
                self.jobs.remove(old)
        return job

    def _run_on_thread(
        self, title: str, work: Work, apply: Apply, *, failed: Apply | None = None, visible: bool = False
    ) -> Job:
        job = self._background.submit(work, title=title, stamp=self.document.slide_version)
        return self._watch(job, apply, failed=failed, visible=visible)

    def _pass_events_on(self, watch: _Watch) -> None:
        events, watch.job.events = watch.job.events, []
        for kind, payload in events:
            if kind == "notice":
                self.notify("warning", str(payload["text"]))
            elif watch.on_event is not None and not watch.job.cancel_asked:
                watch.on_event(kind, payload)

    def _finished(self, watch: _Watch) -> None:
        job = watch.job
        try:
            if job.state is JobState.DONE:
                watch.apply(job)
            elif job.state is JobState.FAILED and watch.failed is not None:
                watch.failed(job)
            elif job.state is JobState.FAILED:
                self.notify("error", job.error or f"{job.title} failed.")
            elif watch.cancelled is not None:
                self.notify("info", watch.cancelled)
        except StudioError as error:
            self.notify("error", str(error))
        except Exception as error:  # the job runner is one of the three boundaries
            log.exception("Applying the result of %r failed", job.title)
            self.notify("error", f"Unexpected error ({type(error).__name__}: {error}). Details are in the log file.")
        # Arrays of a result now belong to whoever took them.
        job.result = None
