"""Hundreds of odd files: each is read, or fails with its kind, and nobody is left behind."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.sources import find
from ingest.types import Failure, Limits, SourceFile
from ingest.workers import WorkerPool
from tests.integration.ingest.test_workers import family_of, wait_until_gone
from tests.unit.ingest.parsers.papers import raw

pytestmark = pytest.mark.integration


def kinds_of(root: Path, limits: Limits | None = None) -> dict[str, str]:
    """How each file ended: the kind of its failure, else its warnings, else `read`."""
    ended: dict[str, str] = {}
    with WorkerPool(2, limits=limits) as pool:
        for outcome in pool.run(file for file in find([root]) if isinstance(file, SourceFile)):
            source = outcome.source if isinstance(outcome, Failure) else outcome.file.source
            assert source not in ended, "every file ends once"
            if isinstance(outcome, Failure):
                ended[source] = outcome.kind
            elif outcome.last:
                ended[source] = ",".join(warned.kind for warned in outcome.warnings) or "read"
        family = family_of(os.getpid())
    assert wait_until_gone(family)
    return ended


@pytest.fixture(scope="module")
def odd_files() -> Path:
    root = os.environ.get("RLM_SEARCH_TEST_DATA")
    if not root:
        pytest.skip("RLM_SEARCH_TEST_DATA is not set")
    return Path(root) / "weird"


@pytest.fixture(scope="module")
def ended(odd_files: Path) -> Mapping[str, str]:
    return kinds_of(odd_files)


@pytest.fixture(scope="module")
def manifest(odd_files: Path) -> Mapping[str, Mapping[str, str]]:
    return {entry["file"]: entry for entry in json.loads((odd_files / "manifest.json").read_text())}


def test_every_file_is_accounted_for(ended: Mapping[str, str], manifest: Mapping[str, Mapping[str, str]]) -> None:
    assert set(ended) == {*manifest, "manifest.json"}
    known = {"read", "empty", "needs-ocr", "encoding", "broken", "encrypted", "unsupported"}
    assert set(ended.values()) <= known


@pytest.mark.parametrize(
    ("found_by_pdfium", "ends"),
    [
        ("text", {"read", "needs-ocr"}),  # one has a page that is a picture
        ("encrypted_open", {"read"}),
        ("image_only", {"read", "needs-ocr"}),
        ("no_text", {"read", "empty", "broken"}),  # read: the values of a form are no text to PDFium
        ("load_error", {"broken"}),
        ("password", {"encrypted", "broken"}),
    ],
)
def test_pdfs_end_as_their_class_says(
    ended: Mapping[str, str], manifest: Mapping[str, Mapping[str, str]], found_by_pdfium: str, ends: set[str]
) -> None:
    assert {ended[file] for file, entry in manifest.items() if entry.get("class") == found_by_pdfium} == ends


def test_a_pdf_with_text_needs_ocr_where_a_page_of_it_is_a_picture(
    ended: Mapping[str, str], manifest: Mapping[str, Any]
) -> None:
    with_text = {file: entry["pdfium"] for file, entry in manifest.items() if entry.get("class") == "text"}
    assert {file for file in with_text if ended[file] == "needs-ocr"} == {
        file for file, found in with_text.items() if found["img_only_pages"]
    }


def test_only_a_file_without_pages_is_not_called_encrypted(
    ended: Mapping[str, str], manifest: Mapping[str, Mapping[str, str]], odd_files: Path
) -> None:
    behind_passwords = [file for file, entry in manifest.items() if entry.get("class") == "password"]
    others = [file for file in behind_passwords if ended[file] != "encrypted"]
    assert len(behind_passwords) == 12
    assert all(b"/Encrypt" not in (odd_files / file).read_bytes() for file in others)


@pytest.mark.parametrize("extension", ["docx", "html", "md", "txt", "csv", "eml", "json"])
def test_nearly_all_files_of_a_format_are_read(
    ended: Mapping[str, str], manifest: Mapping[str, Mapping[str, str]], extension: str
) -> None:
    ends = [ended[file] for file, entry in manifest.items() if entry["ext"] == extension]
    assert sum(end in ("read", "empty", "encoding") for end in ends) >= len(ends) - 1


# Bombs


def test_a_page_that_unpacks_to_gigabytes_costs_one_file(tmp_path: Path) -> None:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(b"BT (x) Tj ET\n" * 1_000_000) for _ in range(40)) + packer.flush()
    (tmp_path / "bomb.pdf").write_bytes(raw(packed).replace(b"<</Length", b"<</Filter/FlateDecode/Length"))
    (tmp_path / "good.txt").write_text("good")
    assert kinds_of(tmp_path, Limits(memory_bytes=256 << 20)) == {"bomb.pdf": "memory", "good.txt": "read"}


def test_nesting_beyond_sense_costs_one_file_each(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 200_000)
    (tmp_path / "deep.jsonl").write_text("[" * 200_000)
    (tmp_path / "deep.html").write_text("<div>" * 200_000)
    (tmp_path / "deep.md").write_text("> " * 200_000 + "#" * 100_000)
    (tmp_path / "deep.eml").write_text("Content-Type: multipart/mixed; boundary=a\n\n--a\n" * 4_000)
    ended = kinds_of(tmp_path)
    assert ended.pop("deep.md") == "read"
    assert ended.pop("deep.eml") in ("broken", "read", "empty")
    assert set(ended.values()) == {"broken"}
