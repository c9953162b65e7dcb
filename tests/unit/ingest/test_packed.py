"""Archives that are read with the extra `archives`: 7z, and what zstandard packs."""

from __future__ import annotations

import io
import struct
import sys
import tarfile
import zlib
from pathlib import Path

import py7zr
import pytest
from backports import zstd

from ingest.errors import ParseError, UnsupportedFormat
from ingest.types import ParserOptions
from tests.unit.ingest.test_enclosed import walked


def a_7z(path: Path, members: dict[str, bytes], password: str | None = None, *, hides_names: bool = False) -> Path:
    with py7zr.SevenZipFile(path, "w", password=password, header_encryption=hides_names) as archive:
        for name, content in members.items():
            archive.writestr(content, name)
    return path


def test_members_of_a_7z_are_read_and_hidden_ones_are_not(tmp_path: Path) -> None:
    inner = a_7z(tmp_path / "inner.7z", {"c.txt": b"see"}).read_bytes()
    path = a_7z(tmp_path / "o.7z", {"d/a.txt": b"words", ".x": b"hidden", "inner.7z": inner, "e.txt": b""})
    assert walked(path) == ({"o.7z!/d/a.txt": "words", "o.7z!/inner.7z!/c.txt": "see", "o.7z!/e.txt": ""}, {})


def test_names_in_a_7z_lead_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "o.7z"
    with py7zr.SevenZipFile(path, "w") as archive:
        archive.set_encoded_header_mode(False)
        archive.writestr(b"words", "ab/abcdef")
    content = path.read_bytes().replace("ab/abcdef".encode("utf-16-le"), "../../a.c".encode("utf-16-le"))
    path.write_bytes(_with_checksums(content))
    assert walked(path) == ({"o.7z!/a.c": "words"}, {})


def _with_checksums(content: bytes) -> bytes:
    offset, size = struct.unpack_from("<QQ", content, 12)
    head = struct.pack("<QQI", offset, size, zlib.crc32(content[32 + offset : 32 + offset + size]))
    return content[:8] + struct.pack("<I", zlib.crc32(head)) + head + content[32:]


@pytest.mark.parametrize("hides_names", [False, True])
def test_an_encrypted_7z_is_read_with_its_password_and_else_encrypted(tmp_path: Path, hides_names: bool) -> None:
    path = a_7z(tmp_path / "o.7z", {"a.txt": b"words"}, "tide", hides_names=hides_names)
    for passwords in ((), ("ebb",)):
        with pytest.raises(ParseError) as refused:
            walked(path, ParserOptions(passwords=passwords))
        assert refused.value.kind == "encrypted"
    assert walked(path, ParserOptions(passwords=("ebb", "tide"))) == ({"o.7z!/a.txt": "words"}, {})


def test_a_7z_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = a_7z(tmp_path / "o.7z", {"a.txt": b"words", "bomb.txt": bytes(1 << 20)})
    with pytest.raises(ParseError) as refused:
        walked(path, ParserOptions(archive_bytes=1 << 16))
    assert refused.value.kind == "too-large"


def test_a_damaged_7z_is_broken(tmp_path: Path) -> None:
    path = a_7z(tmp_path / "o.7z", {"a.txt": bytes(range(256)) * 40})
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ParseError) as refused:
        walked(path)
    assert refused.value.kind == "broken"


def test_a_file_and_a_tar_packed_by_zstandard_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt.zst").write_bytes(zstd.compress(b"words"))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("b.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"other"))
    (tmp_path / "t.tzst").write_bytes(zstd.compress(tar.getvalue()))
    assert walked(tmp_path / "a.txt.zst") == ({"a.txt.zst!/a.txt": "words"}, {})
    assert walked(tmp_path / "t.tzst") == ({"t.tzst!/b.txt": "other"}, {})


@pytest.mark.parametrize("cut", [6, 200])
def test_a_zst_that_ends_early_is_broken(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.txt.zst"
    path.write_bytes(zstd.compress(str(list(range(400))).encode())[:cut])
    with pytest.raises(ParseError) as refused:
        walked(path)
    assert refused.value.kind == "broken"


@pytest.mark.parametrize(("name", "module"), [("o.7z", "py7zr"), ("a.txt.zst", "backports.zstd")])
def test_without_the_extra_they_are_unsupported_and_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str
) -> None:
    path = tmp_path / name
    path.write_bytes(zstd.compress(b"words")) if name.endswith("zst") else a_7z(path, {"a.txt": b"words"})
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr("backports.zstd", raising=False)
    with pytest.raises(UnsupportedFormat, match="extra `archives`") as refused:
        walked(path)
    assert "rlm-search[archives]" in str(refused.value.hint)
