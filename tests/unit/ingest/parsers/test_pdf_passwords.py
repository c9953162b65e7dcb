"""Encrypted PDFs open with a password that is known, as user or as owner, and no message tells one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest import passwords
from ingest.errors import ConfigError, ParseError
from ingest.parsers.pdf import parse
from ingest.types import Parsed, ParserOptions
from tests.unit.ingest.parsers import papers

PAGE = papers.paper(["The ferry left at seven."])
ALGORITHMS = ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"]  # revisions 2 to 6


def text_of(path: Path, *known: str) -> str:
    (parsed,) = parse(path, ParserOptions(passwords=known))
    assert isinstance(parsed, Parsed)
    return parsed.text


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("password", ["the user's", "the owner's"])
def test_either_password_opens_a_file_of_any_revision(tmp_path: Path, algorithm: str, password: str) -> None:
    path = tmp_path / "locked.pdf"
    path.write_bytes(papers.encrypted(PAGE, user="the user's", owner="the owner's", algorithm=algorithm))
    assert text_of(path, "wrong", password) == "The ferry left at seven.\n"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_with_an_empty_password_is_read_without_any(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "open.pdf"
    path.write_bytes(papers.encrypted(PAGE, algorithm=algorithm))
    assert text_of(path) == "The ferry left at seven.\n"


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_a_password_may_have_letters_of_any_kind(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "locked.pdf"
    path.write_bytes(papers.encrypted(PAGE, user="schl\u00fcssel", algorithm=algorithm))
    assert "ferry" in text_of(path, "schl\u00fcssel")


def test_a_wrong_password_leaves_it_encrypted_and_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "locked.pdf"
    path.write_bytes(papers.encrypted(PAGE, user="secret"))
    with pytest.raises(ParseError) as refused:
        text_of(path, "hunter2", "")
    assert refused.value.kind == "encrypted"
    assert "--password" in refused.value.hint
    assert "hunter2" not in refused.value.message + refused.value.hint + repr(refused.value.__cause__)


def test_options_do_not_show_passwords() -> None:
    assert "hunter2" not in repr(ParserOptions(passwords=("hunter2",)))


def test_passwords_come_from_flags_the_environment_and_a_file(tmp_path: Path) -> None:
    listed = tmp_path / "passwords.txt"
    listed.write_text("two words\n\nplain\n", encoding="utf-8")
    found = passwords.gathered(["given", "plain"], str(listed), {passwords.VARIABLE: "of the environment"})
    assert found == ("given", "plain", "of the environment", "two words")
    assert passwords.gathered([], "", {}) == ()


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xfa"])
def test_a_file_of_passwords_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | None) -> None:
    listed = tmp_path / "passwords.txt"
    if content:
        listed.write_bytes(content)
    with pytest.raises(ConfigError, match=r"passwords\.txt"):
        passwords.gathered([], str(listed), {})


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_password_of_the_command_line_is_blotted_out_for_others_to_see() -> None:
    code = (
        "import sys; from ingest.passwords import hide_arguments; hide_arguments(['hunter2', 'x']);"
        "print(open('/proc/self/cmdline').read())"
    )
    arguments = ["--password", "hunter2", "--password=hunter2", "--password", "x", "hunter2.pdf", "xx"]
    shown = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout.split("\0")
    stars = "*" * len("hunter2")
    assert shown[3:10] == ["--password", stars, f"--password={stars}", "--password", "*", "hunter2.pdf", "xx"]
