"""The frame around controls: input, look, tooltips, sections, dialogs, and what is left after an exception."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from studio.gui.events import Focus, Key, MouseButton, MouseMove, Wheel

RECT = (20, 20, 300, 300)


def test_panels_can_be_listed_without_the_binding() -> None:
    code = "import sys, studio.gui.panel, studio.gui.events, studio.gui.control, studio.gui.registry; "
    code += "print('imgui' in sys.modules, 'OpenGL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_wheel_turns_of_a_frame_add_up(pilot: Any) -> None:
    offsets: list[float] = []

    def content(gui: Any) -> None:
        import imgui

        with gui.chrome.window("w", RECT), gui.ui.panel("p"), gui.chrome.scrolled("s"):
            for number in range(60):
                gui.ui.button(f"b{number}")
            offsets.append(imgui.get_scroll_y())

    p = pilot(content)
    p.wheel(100, 100, -1)
    once = offsets[-1]
    p.wheel(100, 100, 100)
    for _ in range(4):
        p.put(Wheel(0, -1))
    p.settle()
    assert offsets[-1] == pytest.approx(4 * once)


def test_a_control_scrolled_out_of_sight_is_not_reported(pilot: Any) -> None:
    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"), gui.chrome.scrolled("s"):
            for number in range(60):
                gui.ui.button(f"b{number}")

    p = pilot(content)
    assert "b0" in p.labels()
    assert "b59" not in p.labels()
    for control in p.gui.controls:
        assert RECT[1] <= control.middle[1] < RECT[1] + RECT[3]
    p.wheel(100, 100, -1000)
    assert "b0" not in p.labels()
    assert "b59" in p.labels()


def test_sections_open_and_close_and_remember(pilot: Any) -> None:
    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            for name, opened in (("One", True), ("Two", False)):
                with gui.ui.section(name, default_open=opened) as is_open:
                    if is_open:
                        gui.ui.button("Same label")
                        gui.ui.button(f"In {name}")

    p = pilot(content)
    assert p.labels() == ["One", "Same label", "In One", "Two"]
    assert (p.control("One").value, p.control("Two").value) == (True, False)
    p.click("Two")
    p.click("One")
    assert p.labels() == ["One", "Two", "Same label", "In Two"]


def test_a_grid_puts_controls_side_by_side(pilot: Any) -> None:
    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"), gui.ui.grid(2):
            for name in "abc":
                gui.ui.button(name)

    p = pilot(content)
    a, b, c = (p.control(name).rect for name in "abc")
    assert a[1] == b[1] < c[1]
    assert a[0] == c[0] < b[0]
    assert a[2] == b[2] == c[2]
    assert a[0] + a[2] < b[0]


def test_tooltips_come_after_a_while_and_go(pilot: Any) -> None:
    drawn: list[int] = []

    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            gui.ui.button("With", tooltip="Says something.")
            gui.ui.button("Off", enabled=False, tooltip="Says why not.")

    p = pilot(content)

    def vertices() -> int:
        import imgui

        return imgui.get_draw_data().total_vtx_count

    p.after_frame = lambda: drawn.append(vertices())
    for label in ("With", "Off"):
        p.put(MouseMove(600, 600))
        p.settle()
        p.put(MouseMove(*p.control(label).middle))
        p.settle()
        before = drawn[-1]
        assert p.gui.next_frame_s == pytest.approx(0.5, abs=0.1)
        p.frame(0.3)
        assert drawn[-1] == before
        p.frame(p.gui.next_frame_s)
        # Nothing happens any more: only the frames that the gui asks for are drawn.
        while p.gui.next_frame_s == 0.0:
            p.frame()
        assert drawn[-1] > before
        assert p.gui.next_frame_s is None
    p.put(MouseMove(600, 600))
    p.settle()
    p.hover("With")
    shown = drawn[-1]
    p.put(MouseButton(0, True), MouseButton(0, False))
    p.settle()
    p.frame(1.0)
    assert drawn[-1] < shown


def test_nothing_happens_nothing_is_drawn(pilot: Any) -> None:
    p = pilot(lambda gui: None)
    assert p.gui.next_frame_s is None
    p.put(MouseMove(5, 5))
    p.frame()
    assert p.gui.next_frame_s == 0.0


def test_the_pointer_belongs_to_windows_and_to_the_slide(pilot: Any) -> None:
    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            gui.ui.text_field("Text", "")

    p = pilot(content)
    p.put(MouseMove(100, 100))
    p.settle()
    assert p.gui.wants_mouse
    p.put(MouseMove(600, 600))
    p.settle()
    assert not p.gui.wants_mouse
    # A drag that began on the slide stays the slide's, wherever it goes.
    p.drag((600, 600), (100, 100), release=False)
    assert not p.gui.wants_mouse
    p.put(MouseButton(0, False))
    p.settle()
    assert not p.gui.wants_keyboard
    p.click("Text")
    assert p.gui.wants_keyboard
    assert p.gui.cursor == "text"
    p.key("Enter")
    assert not p.gui.wants_keyboard


def test_losing_the_window_lets_everything_go(pilot: Any) -> None:
    values = [0.5]

    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            values[0] = gui.ui.slider("S", values[0], 0, 1)

    p = pilot(content)
    x, y = p.control("S").middle
    p.put(Key(341, 0, True), MouseMove(x, y), MouseButton(0, True, 2))
    p.settle()
    p.put(Focus(False), MouseMove(x + 60, y))
    p.settle()
    held = values[0]
    p.put(MouseMove(x - 60, y))
    p.settle()
    assert values[0] == held


def raising(where: str) -> Any:
    """Content that raises in the middle of nested scopes, as long as `broken`."""

    def content(gui: Any) -> None:
        ui, chrome = gui.ui, gui.chrome
        with chrome.window("w", RECT), ui.panel("p"), chrome.scrolled("s"):
            try:
                with ui.section("Section"), ui.grid(2), ui.labels(50):
                    ui.button("Before")
                    if content.broken and where == "section":
                        raise RuntimeError("broken")
                if where == "list":
                    with chrome.menu_bar(), chrome.menu("Menu") as is_open:
                        if is_open and content.broken:
                            raise RuntimeError("broken")
                if where == "dialog" and content.broken:
                    with chrome.modal("m", "Title", width=300):
                        ui.number("N", 1.0)
                        raise RuntimeError("broken")
            except RuntimeError:
                pass
            ui.button("After", width=100)

    content.broken = True
    return content


@pytest.mark.parametrize("where", ["section", "list", "dialog"])
def test_what_raises_inside_leaves_clean_scopes(pilot: Any, where: str) -> None:
    content = raising(where)
    p = pilot(content)
    if where == "list":
        p.click("Menu")
    broken = p.control("After").rect
    content.broken = False
    if where == "list":
        p.click_at(900, 700)
    p.settle()
    assert p.control("After").rect[2] == broken[2] == 100
    assert p.control("After").panel == "p"
    fresh = pilot(content)
    fresh.frame()
    assert fresh.control("After").rect == p.control("After").rect
    assert p.gui.ui.theme is p.gui.theme
    p.click("Before")


def test_a_frame_that_raised_is_given_up_and_the_next_is_whole(pilot: Any) -> None:
    import imgui

    broken = [False]

    def content(gui: Any) -> None:
        if broken[0]:
            # What a panel of somebody else may do with the binding: no end to what it begins.
            imgui.push_style_var(imgui.STYLE_ALPHA, 0.1)
            imgui.begin("never ended")
            raise RuntimeError("broken")
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            gui.ui.button("Fine")

    p = pilot(content)
    before = p.picture()
    broken[0] = True
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            p.frame()
        p.gui.abort_frame()
    broken[0] = False
    p.settle()
    assert p.labels() == ["Fine"]
    np.testing.assert_array_equal(p.picture(), before)
    p.click("Fine")


def test_theme_and_sizes_follow_the_settings(pilot: Any) -> None:
    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            gui.ui.button("Button")

    p = pilot(content)
    small, dark = p.control("Button").rect, p.picture()
    p.gui.set_look("light", 1.5, 1.0)
    p.settle()
    large = p.control("Button").rect
    assert large[3] == pytest.approx(1.5 * small[3], abs=1)
    assert p.picture()[250, 250].mean() > dark[250, 250].mean() + 100


def test_size_changes_wait_until_the_slider_is_let_go(pilot: Any) -> None:
    scale = [1.0]

    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            scale[0] = gui.ui.slider("Size", scale[0], 0.5, 2.0)
        gui.set_look("dark", scale[0], 1.0)

    p = pilot(content)
    before = p.control("Size").rect
    x, y = p.control("Size").middle
    p.drag((x, y), (x + 40, y), release=False)
    assert scale[0] > 1.1
    assert p.control("Size").rect == before
    p.put(MouseButton(0, False))
    p.settle()
    assert p.control("Size").rect != before


@pytest.mark.parametrize(("content_scale", "ratio", "factor"), [(2.0, 2.0, 1.0), (2.0, 1.0, 2.0), (1.0, 1.0, 1.0)])
def test_hidpi(pilot: Any, content_scale: float, ratio: float, factor: float) -> None:
    """Where a window unit is two pixels letters get sharper; where it is one, everything gets larger."""

    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            gui.ui.button("Button")

    p = pilot(content, size=(400, 400), content_scale=content_scale, pixel_ratio=ratio)
    plain = pilot(content, size=(400, 400))
    assert p.control("Button").rect[3] == pytest.approx(factor * plain.control("Button").rect[3])
    p.frame()
    picture = p.picture()
    assert picture.shape == (round(400 * ratio), round(400 * ratio), 3)
    x, y = p.control("Button").middle
    button = picture[round(y * ratio), round((x - 25 * factor) * ratio)]
    assert np.abs(button.astype(int) - 128).max() > 40, "the button isn't where it is said to be"


def test_every_sign_we_use_has_a_glyph(pilot: Any) -> None:
    import imgui

    widths: dict[str, float] = {}

    def content(gui: Any) -> None:
        from studio.gui import scopes

        for font in (gui.state.fonts.text, gui.state.fonts.small):
            with gui.chrome.window("w", RECT), scopes.font(font):
                for sign in "\ue000–…αµ×²−→✓’“”°≥≤·éäßøčžЖ":
                    widths[sign] = imgui.calc_text_size(sign * 10)[0]

    p = pilot(content)
    p.frame()
    unknown = widths.pop("\ue000")
    assert [sign for sign, width in widths.items() if abs(width - unknown) < 0.01] == []


def test_icons_exist(pilot: Any) -> None:
    import imgui

    from studio.gui.icons import ICONS

    widths: dict[str, float] = {}

    def content(gui: Any) -> None:
        from studio.gui import scopes

        with gui.chrome.window("w", RECT), scopes.font(gui.state.fonts.icon):
            for name, text in ICONS.items():
                widths[name] = imgui.calc_text_size(text)[0]

    pilot(content)
    assert {name for name, width in widths.items() if width < 10} == set()


def test_painting_leaves_the_state_of_gl_alone(pilot: Any) -> None:
    from OpenGL import GL

    p = pilot(lambda gui: gui.ui.button("x") and None)
    GL.glDisable(GL.GL_BLEND)
    GL.glEnable(GL.GL_SCISSOR_TEST)
    GL.glViewport(3, 4, 50, 60)
    GL.glScissor(1, 2, 30, 40)
    p.gui.paint()
    assert not GL.glIsEnabled(GL.GL_BLEND)
    assert GL.glIsEnabled(GL.GL_SCISSOR_TEST)
    assert list(GL.glGetIntegerv(GL.GL_VIEWPORT)) == [3, 4, 50, 60]
    assert list(GL.glGetIntegerv(GL.GL_SCISSOR_BOX)) == [1, 2, 30, 40]
    assert GL.glGetIntegerv(GL.GL_CURRENT_PROGRAM) == 0
    GL.glDisable(GL.GL_SCISSOR_TEST)


def test_a_dialog_is_all_that_can_be_pressed(pilot: Any) -> None:
    shown, pressed = [True], []

    def content(gui: Any) -> None:
        with gui.chrome.window("w", RECT), gui.ui.panel("p"):
            if gui.ui.button("Under"):
                pressed.append("Under")
        if shown[0]:
            with gui.chrome.modal("m", "Title", width=300):
                gui.ui.text("Some words that are long enough to be wrapped into a second and a third line.")
                if gui.ui.button("Inside"):
                    pressed.append("Inside")

    p = pilot(content)
    assert not p.control("Under").enabled
    assert p.control("Inside").enabled
    assert p.control("Inside").panel == "dialog"
    assert p.gui.wants_keyboard
    p.click("Under")
    p.click("Inside")
    assert pressed == ["Inside"]
    shown[0] = False
    p.settle()
    assert not p.gui.wants_keyboard
    p.click("Under")
    assert pressed == ["Inside", "Under"]
