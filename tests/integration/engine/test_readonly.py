"""An index that may not be written to is read all the same, and its new commits are seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retrievers.embedded import EmbeddedWriter
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not write"),
]

READER = """
import mmap, os, sys
from pathlib import Path
from retrievers.embedded import EmbeddedRetriever, EmbeddedWriter
import retrievers.embedded.readonly
os.setgroups([]); os.setgid(65534); os.setuid(65534)
reader = EmbeddedRetriever(Path(sys.argv[1]))
for _ in sys.stdin:
    print(reader.count("wind"), flush=True)
print(type(reader).__name__)
try:
    EmbeddedWriter(Path(sys.argv[1]), embedder_name="", dimensions=0)
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize("is_relative", [False, True])
def test_somebody_who_may_not_write_reads_and_sees_commits(tmp_path: Path, is_relative: bool) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    writer = EmbeddedWriter(tmp_path / "index", embedder_name="", dimensions=0)
    process = None
    for number in range(3):
        one = document(f"d{number}", "wind")
        writer.replace([IndexedDocument(document=one, chunks=chunked(one))])
        writer.flush()
        for file in (tmp_path / "index").rglob("*"):
            file.chmod(0o755 if file.is_dir() else 0o644)  # as a read-only mount shows them
        if process is None:
            process = subprocess.Popen(
                [sys.executable, "-c", READER, "index" if is_relative else str(tmp_path / "index")],
                cwd=tmp_path,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("count\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{number + 1}\n"
    assert process is not None
    rest, _ = process.communicate()
    assert rest.splitlines()[0] == "EmbeddedRetriever"
    assert "Permission denied" in rest.splitlines()[1]
    writer.close()
