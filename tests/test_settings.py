"""Settings survive a restart, a damaged file, and a folder that can't be written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from studio import logs
from studio.settings import RECENT_MAX, Settings, config_dir


def test_what_is_changed_is_there_next_time() -> None:
    settings = Settings.load()
    settings.add_recent(Path("/slides/a.svs"))
    settings.add_recent(Path("/slides/b.svs"))
    settings.add_recent(Path("/slides/a.svs"))
    settings.set_extension("cellseg", True)
    settings.ui_scale = 1.5
    settings.flush()
    again = Settings.load()
    assert again == settings
    assert again.recent == ["/slides/a.svs", "/slides/b.svs"]
    assert again.extension_enabled("cellseg", False)
    assert again.extension_enabled("slide", True)
    assert again.window_size == (1280, 800)
    assert again.last_folder == "/slides"


def test_nothing_is_written_unless_something_changed() -> None:
    Settings.load().flush()
    assert not config_dir().exists()


def test_recent_is_bounded() -> None:
    settings = Settings()
    for number in range(RECENT_MAX + 5):
        settings.add_recent(Path(f"/s/{number}.svs"))
    assert len(settings.recent) == RECENT_MAX
    assert settings.recent[0] == f"/s/{RECENT_MAX + 4}.svs"


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "null", "\udcff"])
def test_a_damaged_file_gives_defaults_and_is_set_aside(content: str) -> None:
    config_dir().mkdir(parents=True)
    path = config_dir() / "settings.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert Settings.load() == Settings()
    assert path.with_suffix(".damaged.json").exists()
    assert not path.exists()


def test_values_of_the_wrong_kind_keep_their_default() -> None:
    config_dir().mkdir(parents=True)
    bad = {
        "recent": ["/a.svs", 7],
        "extensions": {"cellseg": "yes", "slide": False},
        "ui_scale": 99,
        "theme": "plaid",
        "window_size": [1, "x"],
        "last_folder": 3,
        "unknown": 1,
    }
    (config_dir() / "settings.json").write_text(json.dumps(bad))
    settings = Settings.load()
    assert settings.recent == ["/a.svs"]
    assert settings.extensions == {"slide": False}
    assert settings.ui_scale == 2.5
    assert settings.theme == "dark"
    assert settings.window_size == (1280, 800)
    assert settings.last_folder == ""


def test_a_folder_that_cant_be_written_is_logged_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings.load(tmp_path / "file" / "settings.json")
    settings.set_extension("cellseg", True)
    settings.flush()
    assert "can't be saved" in caplog.text


def test_log_goes_to_the_file_once_even_if_set_up_twice() -> None:
    before = list(logging.getLogger().handlers)
    logs.setup()
    path = logs.setup()
    try:
        assert path == logs.log_path()
        logging.getLogger("studio.test").info("written down")
        assert path.read_text().count("written down") == 1
    finally:
        for handler in [h for h in logging.getLogger().handlers if h not in before]:
            logging.getLogger().removeHandler(handler)
            handler.close()


def test_a_lent_panel_is_not_remembered(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path / "settings.json")
    settings.lend_extension("cellseg")
    assert settings.extension_enabled("cellseg", False)
    settings.save()
    assert not Settings.load(tmp_path / "settings.json").extension_enabled("cellseg", False)
    settings.set_extension("cellseg", False)
    assert not settings.extension_enabled("cellseg", True)
