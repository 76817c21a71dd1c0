"""What a person can do with how the slide is shown, and with its small pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from studio.slide.look import Channel, Look, spread

if TYPE_CHECKING:
    from studio.session.base import JobHost

OVERVIEW_PX = 1024
"""Longest side of the picture that the channel ranges are taken from."""


class Image:
    """Changes `document.look`. Held by the session as `session.image`; main thread only."""

    def __init__(self, host: JobHost, run: Callable[..., object]) -> None:
        """`run` is the host's way to do something on a thread."""
        self._document = host.document
        self._notify = host.notify
        self._run = run

    def change(self, **values: float) -> None:
        """Set brightness, contrast or gamma."""
        self._document.look = replace(self._document.look, **values)  # type: ignore[arg-type]

    def set_channel(self, index: int, channel: Channel) -> None:
        """Show another part of a channel, or none of it."""
        self._document.look = self._document.look.with_channel(index, channel)

    def reset(self) -> None:
        """Show the slide as it is."""
        self._document.look = Look()

    def spread(self) -> None:
        """Stretch each channel to what the slide has of it."""
        slide, version = self._document.slide, self._document.slide_version
        if slide is None:
            self._notify("warning", "Open a slide first.")
            return

        def work(_progress: object) -> Look:
            return spread(slide.thumbnail(OVERVIEW_PX))

        def apply(job: Any) -> None:
            if self._document.slide_version == version:
                ranges = cast(Look, job.result).channels
                old = self._document.look.channels
                on = [Channel(before.on, new.low, new.high) for before, new in zip(old, ranges, strict=True)]
                self._document.look = replace(self._document.look, channels=(on[0], on[1], on[2]))

        self._run("Channel ranges", work, apply)
