"""Zips from anywhere: good ones read, every lie refused before anything is allocated for it."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio.cellseg import zipread
from studio.cellseg.zipread import ZipReader
from studio.errors import ResultFileError
from tests.cellseg.make_zips import raw_zip, write_zip

CONTENT = {"a": b"x" * 1000, "b/c": bytes(range(256)), "b/empty": b""}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entries_come_back(method: int, tmp_path: Path) -> None:
    reader = ZipReader(write_zip(tmp_path / "x.zip", CONTENT, method))
    assert {name: reader.read(name, 2000) for name in reader.names()} == CONTENT
    assert list(reader.names("b/")) == ["b/c", "b/empty"]
    assert "a" in reader
    assert reader.packed_bytes("nothing") is None
    with pytest.raises(KeyError):
        reader.read("nothing", 10)


def test_entries_of_an_unseekable_writer_and_with_folders(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        archive.mkdir("b")
        for name, content in CONTENT.items():
            archive.writestr(name, content)
        archive.comment = b"made by somebody"
    (tmp_path / "x.zip").write_bytes(pipe.getvalue())
    reader = ZipReader(tmp_path / "x.zip")
    assert {name: reader.read(name, 2000) for name in reader.names()} == CONTENT


def test_more_entries_than_the_old_format_can_count(tmp_path: Path) -> None:
    entries = {f"{n}": b"" for n in range(70_000)} | {"last": b"here"}
    reader = ZipReader(write_zip(tmp_path / "x.zip", entries))
    assert len(reader.entries) == 70_001
    assert reader.read("last", 10) == b"here"


def test_entries_beyond_four_gigabytes(tmp_path: Path) -> None:
    """Offsets of 64 bits; the file is sparse, so it takes no room."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("first", b"1")
        archive.fp.seek(5 << 30)  # type: ignore[union-attr]
        archive.start_dir = 5 << 30
        archive.writestr("far", b"2")
    reader = ZipReader(path)
    assert reader.read("far", 10) == b"2"
    assert reader.entries["far"].header >= 5 << 30


def entry(name: bytes = b"a", content: bytes = b"content", **changes: Any) -> tuple[bytes, bytes, dict[str, Any]]:
    return name, content, changes


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(b"../a")], "unsafe name"),
        ([entry(b"/etc/passwd")], "unsafe name"),
        ([entry(b"a/../../b")], "unsafe name"),
        ([entry(b"a//b")], "unsafe name"),
        ([entry(b"./a")], "unsafe name"),
        ([entry(b"C:\\a")], "unsafe name"),
        ([entry(b"a\\b")], "unsafe name"),
        ([entry(b"a\0b")], "unsafe name"),
        ([entry(b"n" * 300)], "unsafe name"),
        ([entry(b"\xff\xfe")], "odd name"),
        ([entry(), entry()], "twice"),
        ([entry(packed=10_000)], "lies about its size"),
        ([entry(size=10_000)], "lies about its size"),
        ([entry(packed=10_000, size=10_000)], "overlaps"),
        ([entry(), entry(b"b", offset=0)], "overlaps"),
        ([entry(offset=1000)], "overlaps"),
        ([entry(method=8, size=1 << 30)], "can't be"),
        ([entry(method=12)], "no result uses"),
        ([entry(flags=1)], "encrypted"),
        ([entry(flags=0x40)], "encrypted"),
    ],
)
def test_lies_in_the_directory_are_refused_on_opening(
    entries: list[tuple[bytes, bytes, dict[str, Any]]], said: str, tmp_path: Path
) -> None:
    (tmp_path / "x.zip").write_bytes(raw_zip(entries))
    with pytest.raises(ResultFileError, match=said):
        ZipReader(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([entry(crc=1)], "checksum"),
        ([entry(method=8, size=100)], "unpacked|checksum"),
        ([entry(local=b"PK\3\4" + bytes(27))], "directory says|checksum"),
        ([entry(local=b"XX" + bytes(29))], "directory says"),
        ([entry(local=struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 7, 7, 60000, 0) + b"a")], "runs into"),
    ],
)
def test_lies_in_an_entry_are_found_when_it_is_read(
    entries: list[tuple[bytes, bytes, dict[str, Any]]], said: str, tmp_path: Path
) -> None:
    (tmp_path / "x.zip").write_bytes(raw_zip(entries))
    reader = ZipReader(tmp_path / "x.zip")
    with pytest.raises(ResultFileError, match=said):
        reader.read("a", 1000)


def test_a_bomb_is_cut_off_at_the_size_it_promised(tmp_path: Path) -> None:
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    (tmp_path / "x.zip").write_bytes(raw_zip([entry(content=bomb, method=8, size=1000)]))
    reader = ZipReader(tmp_path / "x.zip")
    with pytest.raises(ResultFileError, match="checksum"):
        reader.read("a", 2000)
    with pytest.raises(ResultFileError, match="too many"):
        reader.read("a", 999)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"no zip", "not a zip"),
        (b"PK\3\4" + bytes(100), "cut short"),
        (raw_zip([entry()])[:-5], "cut short|not a zip"),
        (raw_zip([entry()]) + b"tail", "behind its end"),
        (b"prefix" + raw_zip([entry()]), "isn't where it says"),
    ],
)
def test_what_is_no_whole_zip(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ResultFileError, match=said):
        ZipReader(tmp_path / "x.zip")


def test_a_count_without_a_directory_allocates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = raw_zip([entry()])
    for count in (2, 65534):
        lie = bytearray(good)
        struct.pack_into("<2H", lie, len(lie) - 14, count, count)
        (tmp_path / "x.zip").write_bytes(lie)
        with pytest.raises(ResultFileError, match="shorter"):
            ZipReader(tmp_path / "x.zip")
    monkeypatch.setattr(zipread, "MAX_ENTRIES", 3)
    with pytest.raises(ResultFileError, match="more than any result"):
        ZipReader(write_zip(tmp_path / "y.zip", {f"{n}": b"" for n in range(4)}))


def test_missing_files_folders_and_closed_readers(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.zip", tmp_path):
        with pytest.raises(ResultFileError, match="can't be read"):
            ZipReader(path)
    reader = ZipReader(write_zip(tmp_path / "x.zip", CONTENT))
    reader.close()
    reader.close()
    with pytest.raises(ResultFileError, match="closed"):
        reader.read("a", 2000)
