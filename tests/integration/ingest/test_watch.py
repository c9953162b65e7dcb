"""`--watch` follows what comes, changes and goes, until a signal ends it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.integration.ingest.corpus import environment, ingest

pytestmark = pytest.mark.integration

WITHOUT_THE_EXTRA = "import sys; sys.modules['watchfiles'] = None; from ingest.cli import main; main(sys.argv[1:])"
WITH_IT = "import watchfiles, sys; from ingest.cli import main; main(sys.argv[1:])"


def reports(stream: IO[str]) -> Iterator[Any]:
    """The objects that the command prints, as they come."""
    held = ""
    for line in stream:
        held += line
        if line == "}\n":
            yield json.loads(held)
            held = ""


def write(path: Path, text: str) -> None:
    """In one step: a run may begin between the steps of another way."""
    hidden = path.with_name(f".{path.name}")
    hidden.write_text(text, encoding="utf-8")
    hidden.replace(path)


@pytest.mark.parametrize(
    ("how", "number", "code"),
    [(WITH_IT, signal.SIGINT, 130), (WITHOUT_THE_EXTRA, signal.SIGTERM, 143)],
    ids=["told", "polling"],
)
def test_what_comes_changes_and_goes_is_followed(tmp_path: Path, how: str, number: int, code: int) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("The crane.", encoding="utf-8")
    arguments = [str(folder), "--watch", "--json", "--quiet", "--embedder", "none", "--index", str(folder / "index")]
    process = subprocess.Popen(
        [sys.executable, "-c", how, *arguments],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    seen = reports(process.stdout)
    try:
        assert next(seen)["holds"]["documents"] == 1
        write(folder / "b.txt", "The ledger.")
        came = next(seen)
        write(folder / "b.txt", "The ledger of the pilot.")
        changed = next(seen)
        (folder / "a.txt").unlink()
        went = next(seen)
        process.send_signal(number)
        rest, said = process.communicate(timeout=60)
    finally:
        process.kill()

    assert (came["files"]["read"], came["holds"]["documents"]) == (1, 2)
    assert (changed["files"]["read"], changed["holds"]["documents"]) == (1, 2)
    assert (went["removed"], went["holds"]["documents"]) == (1, 1)
    assert (process.returncode, rest, said) == (code, "", "stopped; run the same command again to go on\n")


def test_a_folder_that_is_missing_ends_it(tmp_path: Path) -> None:
    assert "does not exist" in ingest(tmp_path, "nowhere", "--watch", code=2).stderr
