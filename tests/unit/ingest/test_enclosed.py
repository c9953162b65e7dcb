"""Names of files inside files, and what archives hold."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

import pytest

from ingest.enclosed import Walk, member_name
from ingest.errors import ParseError
from ingest.members import MemberCounts
from ingest.stages import id_of
from ingest.types import Entered, LeftOut, MemberFailed, ParserOptions, ReadAs, SourceFile
from tests.unit.ingest.zips import a_quine, an_encrypted_zip, an_overlapping_zip


def walked(path: Path, options: ParserOptions | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Texts and failures by source."""
    file = SourceFile(path=path, source=path.name, size=path.stat().st_size, mtime_ns=0, fingerprint="")
    texts: dict[str, str] = {}
    failures: dict[str, str] = {}
    for item in Walk(file, options or ParserOptions(), id_of).items():
        if isinstance(item, MemberFailed):
            failures[item.source] = getattr(item.error, "kind", type(item.error).__name__)
        elif not isinstance(item, Entered | ReadAs | LeftOut):
            parsed, lies_in, _ = item
            texts[lies_in.source] = parsed.text
    return texts, failures


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/abs/./x.txt", "abs/x.txt"),
        ("a\\b.txt", "a/b.txt"),
        ("..", "unnamed"),
        ("caf\udce9.txt", "caf\\xe9.txt"),
        ("lone \ud800", "lone \ufffd"),
        ("a\0b", "a b"),
    ],
)
def test_a_name_inside_a_file_leads_nowhere(name: str, shown: str) -> None:
    assert member_name(name) == shown


def test_links_devices_and_hidden_members_of_a_tar_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, kind in (("ln.txt", tarfile.SYMTYPE), ("hard.txt", tarfile.LNKTYPE), ("dev", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        for name in (".secret", "d/a.txt"):
            member = tarfile.TarInfo(name)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"words"))
    assert walked(path) == ({"t.tgz!/d/a.txt": "words"}, {})


def a_tar(mode: Literal["w", "w:gz", "w:bz2", "w:xz"], members: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode=mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_packed_file_is_read_and_so_is_a_packed_tar_by_whatever_name(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.txt.packed").write_bytes(pack(b"words of a file"))
    (tmp_path / "tarred").write_bytes(pack(a_tar("w", {"d/b.txt": b"words of a member"})))
    assert list(walked(tmp_path / "a.txt.packed")[0].values()) == ["words of a file"]
    assert walked(tmp_path / "tarred") == ({"tarred!/d/b.txt": "words of a member"}, {})


def test_archives_in_archives_are_read_as_folders_in_folders(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("c.txt", "deep words")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(
            "2019/b.tar.bz2", a_tar("w:bz2", {"i.zip": inner.getvalue(), "d.txt.gz": gzip.compress(b"packed")})
        )
    assert walked(tmp_path / "a.zip") == (
        {"a.zip!/2019/b.tar.bz2!/i.zip!/c.txt": "deep words", "a.zip!/2019/b.tar.bz2!/d.txt.gz!/d.txt": "packed"},
        {},
    )


def test_an_archive_of_too_many_files_is_read_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            archive.writestr(f"{number}.txt", "words")
    with pytest.raises(ParseError, match="more than the 3 files"):
        walked(path, ParserOptions(archive_files=3))


def test_a_damaged_member_is_a_failure_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "the words that are damaged")
        archive.writestr("b.txt", "good")
    path.write_bytes(path.read_bytes().replace(b"words that", b"wordz that"))
    assert walked(path) == ({"z.zip!/b.txt": "good"}, {"z.zip!/a.txt": "broken"})


def test_each_message_of_a_mail_box_is_a_document_with_its_attachments(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Report"
    mail.set_content("Body")
    mail.add_attachment(b"attached", maintype="text", subtype="plain", filename="n.txt")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", disposition="inline", cid="<1>")
    path = tmp_path / "box"
    path.write_bytes(2 * (b"From a@b.c Mon Jan  1 00:00:00 2024\n" + mail.as_bytes() + b"\n"))
    texts, failures = walked(path)
    assert (sorted(texts), failures) == (["box", "box!/1/n.txt", "box!/2/n.txt"], {})


def test_a_picture_of_the_body_is_no_attachment(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Logo"
    mail.set_content('<p>Our logo <img src="cid:a"></p>', subtype="html")
    mail.add_related(b"GIF89a", maintype="image", subtype="gif", filename="a.gif", disposition="attachment", cid="<a>")
    path = tmp_path / "m.eml"
    path.write_bytes(mail.as_bytes())
    assert sorted(walked(path)[0]) == ["m.eml"]


def test_a_character_set_that_lies_is_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "m.eml"
    path.write_bytes(b'Subject: x\nContent-Type: text/plain; charset="us-ascii"\n\ncaf\xc3\xa9 au lait\n')
    texts, _ = walked(path)
    assert "café au lait" in texts["m.eml"]


def test_an_encrypted_member_is_read_with_its_password_and_else_encrypted(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    path.write_bytes(an_encrypted_zip("a.txt", b"words under lock", b"tide"))
    assert walked(path, ParserOptions(passwords=("ebb",))) == ({}, {"z.zip!/a.txt": "encrypted"})
    assert walked(path, ParserOptions(passwords=("ebb", "tide"))) == ({"z.zip!/a.txt": "words under lock"}, {})


@pytest.mark.parametrize(("raw", "shown"), [(b"caf\x82.txt", "café.txt"), ("café.txt".encode(), "café.txt")])
def test_names_that_are_not_marked_are_in_the_code_page_of_dos_or_in_utf_8(
    tmp_path: Path, raw: bytes, shown: str
) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x" * len(raw), "words")
    path.write_bytes(path.read_bytes().replace(b"x" * len(raw), raw))
    assert walked(path) == ({f"z.zip!/{shown}": "words"}, {})


def test_a_bomb_of_entries_that_share_their_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    path.write_bytes(an_overlapping_zip(bytes(1 << 20), 50))
    unpacked = 0
    file = SourceFile(path=path, source="z.zip", size=path.stat().st_size, mtime_ns=0, fingerprint="")
    kinds = set()
    try:
        for item in Walk(file, ParserOptions(archive_bytes=4 << 20), id_of).items():
            if isinstance(item, MemberFailed):
                kinds.add(getattr(item.error, "kind", ""))
            unpacked += isinstance(item, tuple)
    except ParseError as refused:
        kinds.add(refused.kind)
    assert unpacked <= 4
    assert kinds & {"too-large", "broken"}  # newer Pythons see by themselves that entries overlap


def test_what_is_left_out_of_an_archive_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/", "")
        archive.writestr("folder/a.txt", "words")
        archive.writestr("folder/.hidden", "words")
        archive.writestr("__MACOSX/._a.txt", "words")
    file = SourceFile(path=path, source="a.zip", size=path.stat().st_size, mtime_ns=0, fingerprint="")

    items = list(Walk(file, ParserOptions(), id_of).items())

    assert sum(isinstance(item, LeftOut) for item in items) == 2
    assert MemberCounts(documents=1, left_out=2).sentence() == "inside other files: 1 document, 2 left out"


def test_an_archive_that_holds_itself_ends_at_the_limit_of_depth(tmp_path: Path) -> None:
    path = tmp_path / "quine.zip"
    path.write_bytes(a_quine(b"quine.zip"))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("quine.zip") == path.read_bytes()  # with the right checksum, or it would not be read

    texts, failures = walked(path, ParserOptions(archive_depth=3))

    assert (texts, failures) == ({}, {"quine.zip" + "!/quine.zip" * 4: "too-large"})
