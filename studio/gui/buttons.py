"""Controls that are pressed: buttons, ticks, radio buttons, list rows."""

from __future__ import annotations

from studio.gui.base import FRAME_HEIGHT, ROUNDING, ROW_HEIGHT, Base, Hit
from studio.gui.theme import Color

BOX = 16


class Buttons(Base):
    """Mixin of `Ui`."""

    def button(
        self,
        label: str,
        *,
        enabled: bool = True,
        width: float = 0.0,
        tooltip: str = "",
        primary: bool = False,
        shown: str | None = None,
    ) -> bool:
        """A push button as wide as its text, as `width`, or with -1 as what is left of the line; True when pressed.

        `shown` stands on it instead of the label, where two would look the same.
        """
        state = self._state
        self._cell()
        if width <= 0:
            width = self._room() if width < 0 or self._grid else self._text_width(shown or label) + state.px(28)
        hit = self._hit(label, width, state.px(FRAME_HEIGHT + 2), enabled=enabled)
        with self._dimmed(enabled):
            self._paint.fill(hit.rect, self._button_color(hit, primary=primary), state.px(ROUNDING))
            color = state.theme.on_accent if primary else state.theme.text
            self._paint.text_in(hit.rect, shown or label, color, align=0.5)
        self._done(label, "button", enabled, None, tooltip)
        return hit.pressed

    def icon_button(
        self,
        label: str,
        icon: str,
        *,
        enabled: bool = True,
        active: bool | None = None,
        tooltip: str = "",
        size: float = FRAME_HEIGHT,
        large: bool = False,
        boxed: bool = False,
    ) -> bool:
        """A square button that shows an icon; `label` names it in the probe. True when pressed.

        `active` makes it a switch that is on or off; `boxed` gives it a button's face.
        """
        state = self._state
        self._cell()
        side = state.px(size)
        hit = self._hit(label, side, side, enabled=enabled)
        with self._dimmed(enabled):
            if boxed:
                self._paint.fill(hit.rect, self._button_color(hit, primary=False), state.px(ROUNDING))
            elif hit.hovered or hit.held:
                self._paint.fill(hit.rect, state.theme.hover, state.px(ROUNDING))
            lit = active if active is not None else (hit.hovered or boxed)
            self._paint.icon_in(hit.rect, icon, state.theme.text if lit else state.theme.dim, large=large)
        self._done(label, "button", enabled, active, tooltip)
        return hit.pressed

    def flat_button(
        self, label: str, width: float, height: float, *, icon: str = "", text: str = "", enabled: bool = True,
        tooltip: str = "",
    ) -> bool:  # fmt: skip
        """An icon or a short text that gets a face only under the pointer; `label` names it in the probe."""
        state, theme = self._state, self._state.theme
        hit = self._hit(label, width, height, enabled=enabled)
        with self._dimmed(enabled):
            if hit.hovered or hit.held:
                self._paint.fill(hit.rect, theme.hover, state.px(ROUNDING))
            if icon:
                self._paint.icon_in(hit.rect, icon, theme.text)
            else:
                self._paint.text_in(hit.rect, text or label, theme.text, font=state.fonts.small, align=0.5)
        self._done(label, "button", enabled, None, tooltip)
        return hit.pressed

    def checkbox(self, label: str, value: bool, *, enabled: bool = True, tooltip: str = "") -> bool:
        """A tick with its text; the value it has now."""
        hit, box = self._ticked_row(label, enabled)
        theme, state = self._state.theme, self._state
        with self._dimmed(enabled):
            rounding = state.px(4)
            if value:
                self._paint.fill(box, self._button_color(hit, primary=True), rounding)
                left, top, side, _ = box
                points = [(0.24, 0.52), (0.43, 0.70), (0.77, 0.32)]
                tick = [(left + x * side, top + y * side) for x, y in points]
                self._paint.lines(tick, theme.on_accent, max(1.5, side / 9))
            else:
                self._paint.fill(box, theme.field, rounding)
                self._paint.frame(box, theme.dim if hit.hovered else theme.field_border, rounding)
        value = value != hit.pressed
        self._done(label, "checkbox", enabled, value, tooltip)
        return value

    def radio(self, label: str, active: bool, *, enabled: bool = True, tooltip: str = "") -> bool:
        """One of several choices; True when it was pressed."""
        hit, box = self._ticked_row(label, enabled)
        theme, state = self._state.theme, self._state
        center, radius = (box[0] + box[2] / 2, box[1] + box[3] / 2), box[2] / 2
        with self._dimmed(enabled):
            if active:
                self._paint.disc(center, radius, self._button_color(hit, primary=True))
                self._paint.disc(center, radius * 0.40, theme.on_accent)
            else:
                self._paint.disc(center, radius, theme.dim if hit.hovered else theme.field_border)
                self._paint.disc(center, radius - max(1.0, state.scale), theme.field)
        self._done(label, "radio", enabled, active or hit.pressed, tooltip)
        return hit.pressed

    def row(
        self, label: str, *, icon: str = "", detail: str = "", selected: bool = False, enabled: bool = True,
        tooltip: str = "", middle: bool = False, shown: str | None = None, beside: int = 0,
    ) -> bool:  # fmt: skip
        """A line of a list across the whole width, with a dim detail at its right end; True when pressed.

        `shown` stands on it instead of the label, where two would be called the
        same; `beside` leaves room for so many icon buttons after it.
        """
        state, theme = self._state, self._state.theme
        text = label if shown is None else shown
        room = self._room() - beside * state.px(FRAME_HEIGHT + 2)
        hit = self._hit(label, room, state.px(FRAME_HEIGHT + 2), enabled=enabled)
        left, top, width, height = hit.rect
        with self._dimmed(enabled):
            if selected:
                self._paint.fill(hit.rect, theme.selection, state.px(ROUNDING))
            elif hit.hovered:
                self._paint.fill(hit.rect, theme.hover, state.px(ROUNDING))
            x = left + state.px(8)
            if icon:
                self._paint.icon_in((x, top, state.px(18), height), icon, theme.dim)
                x += state.px(26)
            right = left + width - state.px(10)
            if detail:
                # The name comes first: the detail gets what it leaves, and a third of the line at least.
                wide = self._text_width(detail)
                left_over = right - x - self._text_width(text) - state.px(16)
                wide = min(wide, max(left_over, (right - x) * 0.34))
                place = (right - wide, top, wide, height)
                self._paint.text_in(place, self._elided(detail, wide, middle=True), theme.dim, align=1.0)
                right -= wide + state.px(16)
            self._paint.text_in((x, top, right - x, height), self._elided(text, right - x, middle=middle), theme.text)
        self._done(label, "row", enabled, selected, tooltip)
        return hit.pressed

    def nav_button(self, label: str, icon: str, *, active: bool, tooltip: str, side: float, marked: bool) -> bool:
        """A large icon of the sidebar with a bar at its edge while active; `marked` puts a dot on it.

        `side` is in window units.
        """
        state, theme = self._state, self._state.theme
        hit = self._hit(label, side, side)
        left, top = hit.rect[:2]
        if hit.hovered and not active:
            inset = state.px(4)
            self._paint.fill((left + inset, top + inset, side - 2 * inset, side - 2 * inset), theme.hover, state.px(7))
        color: Color = theme.text if active or hit.hovered else theme.dim
        self._paint.icon_in(hit.rect, icon, color, large=True)
        if active:
            self._paint.fill((left, top + state.px(8), state.px(3), side - state.px(16)), theme.accent, state.px(2))
        if marked:
            self._paint.disc((left + side * 0.72, top + side * 0.28), state.px(4), theme.accent)
        self._done(label, "button", True, active, tooltip)
        return hit.pressed

    def surface(self, label: str, width: float, height: float, *, kind: str, tooltip: str = "") -> Hit:
        """A place to press or drag on, of a size in window units, whose picture the caller paints."""
        hit = self._hit(label, width, height)
        self._done(label, kind, True, None, tooltip)
        return hit

    def _ticked_row(self, label: str, enabled: bool) -> tuple[Hit, tuple[float, float, float, float]]:
        """A box's place and the text beside it, which is part of what can be pressed."""
        state = self._state
        self._cell()
        box, gap = state.px(BOX), state.px(8)
        width = min(self._room(), box + gap + self._text_width(label))
        height = state.px(ROW_HEIGHT)
        hit = self._hit(label, width, height, enabled=enabled)
        left, top = hit.rect[:2]
        with self._dimmed(enabled):
            place = (left + box + gap, top, width - box - gap + 1, height)
            self._paint.text_in(place, label, state.theme.text)
        return hit, (left, top + (height - box) // 2, box, box)
