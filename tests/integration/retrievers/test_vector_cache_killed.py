"""The vector cache and a process that is killed while it fills it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedders.cached import CachedEmbedder
from retrievers.embedders.hashing import HashingEmbedder

FILL = """
import itertools, pathlib, sys
from retrievers.embedders.cached import CachedEmbedder
from retrievers.embedders.hashing import HashingEmbedder

cached = CachedEmbedder(HashingEmbedder(), pathlib.Path(sys.argv[1]))
for number in itertools.count():
    cached.embed_documents([f"text {number}"])
    print(number, flush=True)
"""


class NothingLeft(HashingEmbedder):
    """Refuses to embed: what is asked for has to be in the cache."""

    def embed_documents(self, texts: object) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        raise AssertionError(f"embedded again: {texts}")


@pytest.mark.integration
def test_every_vector_that_was_given_out_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    with subprocess.Popen([sys.executable, "-c", FILL, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 50:
                process.send_signal(signal.SIGKILL)
                break
    cached = CachedEmbedder(NothingLeft(), path)
    texts = [f"text {number}" for number in range(51)]

    assert np.array_equal(cached.embed_documents(texts), HashingEmbedder().embed_documents(texts))
    cached.close()
