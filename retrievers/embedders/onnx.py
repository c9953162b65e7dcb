"""The default embedder: all-MiniLM-L6-v2 in int8, inside the package, on the CPU of this machine, offline.

Texts are run one at a time, several at once in threads, never in padded batches. Measured (docs/embedders.md), that
is the fastest way on a CPU, and it makes a vector depend on its text alone: the model quantises its activations with
one scale for all that runs together, so in a batch each vector would depend on its neighbours.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import as_file, files
from itertools import islice
from typing import TYPE_CHECKING, cast

import numpy as np

from retrievers.embedders.tokenizer import SPECIAL_TOKENS, encodable, load_tokenizer
from retrievers.errors import ConfigError
from retrievers.types import Matrix, Vector

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from retrievers.settings import EmbedderSettings

MODEL_LIMIT = 512
"""Positions that the model knows."""

_BORDER = re.compile(r"(?<=[.?!:;])\s+")
_LEAST_WORDS = 2
_MOST_SENTENCES = 8  # of a question: each costs a run of the model

_TOKENIZED_TOGETHER = 256  # texts: bounds the memory for token ids, and is enough for threads to share


class OnnxEmbedder:
    """Vectors of 384 dimensions for English text. Nothing is loaded before the first text is embedded.

    Args:
        threads: texts embedded at the same time; 0 for one per CPU that this process may use.
        max_tokens: longer texts are cut there, special tokens included.

    Raises:
        ConfigError: a number out of range; when the first text is embedded: onnxruntime cannot be loaded.
    """

    name = "minilm-l6-v2-int8"
    dimensions = 384
    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(self, *, threads: int = 0, max_tokens: int = 320) -> None:
        if threads < 0:
            raise ConfigError(f"embedder threads must be 0 or more, not {threads}", hint="0 means one per CPU")
        if not SPECIAL_TOKENS < max_tokens <= MODEL_LIMIT:
            raise ConfigError(f"embedder max_tokens must be {SPECIAL_TOKENS + 1} to {MODEL_LIMIT}, not {max_tokens}")
        self._threads = threads or usable_cpus()
        self._max_tokens = max_tokens
        self._loading = threading.Lock()
        self._session: InferenceSession | None = None

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One unit vector a text, in order: n x 384."""
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for first in range(0, len(texts), _TOKENIZED_TOGETHER):
            self._embed_into(vectors[first : first + _TOKENIZED_TOGETHER], texts[first : first + _TOKENIZED_TOGETHER])
        return vectors

    def embed_query(self, text: str) -> Vector:
        """The unit vector of the question; of several sentences, halfway between the whole and their mean.

        The model was trained on single sentences: what is asked drowns in "Answer in USD millions. Use the balance
        sheet." (docs/embedders.md has figures). For one sentence it is the vector of the text as a document.
        """
        embed = partial(self._embed, self._load())
        whole = embed(self.encode(text))
        sentences = _sentences(text)
        if len(sentences) < 2:
            return whole
        mean = np.mean([embed(self.encode(sentence)) for sentence in sentences], axis=0)
        halfway = whole + mean / np.linalg.norm(mean)
        return cast(Vector, halfway / np.linalg.norm(halfway))

    def encode(self, text: str) -> list[int]:
        """The token ids that the model is given for the text: special tokens around them, cut to `max_tokens`."""
        ids = load_tokenizer().encode(encodable(text)).ids
        if len(ids) > self._max_tokens:
            ids[self._max_tokens - 1 :] = ids[-1:]  # the closing special token stays
        return ids

    def _embed_into(self, rows: Matrix, texts: Sequence[str]) -> None:
        embed = partial(self._embed, self._load())
        tokens = [self.encode(text) for text in texts]
        threads = min(self._threads, len(tokens))
        # Longest first, so that no thread is left alone with a long text at the end.
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]), reverse=True)
        if threads == 1:
            for row in order:
                rows[row] = embed(tokens[row])
            return
        with ThreadPoolExecutor(threads, thread_name_prefix="embed") as pool:
            for row, vector in zip(order, pool.map(embed, [tokens[row] for row in order]), strict=True):
                rows[row] = vector

    def _embed(self, session: InferenceSession, tokens: list[int]) -> Vector:
        """Mean over the last layer's token states, scaled to unit length (Reimers and Gurevych 2019)."""
        ids = np.array([tokens], dtype=np.int64)
        states = cast(Matrix, session.run(None, {"input_ids": ids})[0])
        mean = states[0].mean(axis=0)
        return cast(Vector, mean / np.linalg.norm(mean))

    def _load(self) -> InferenceSession:
        with self._loading:
            if self._session is None:
                self._session = _open_session()
            return self._session


def _sentences(text: str) -> list[str]:
    """Where a sentence or a clause before a colon ends; pieces of one or two words say nothing by themselves."""
    pieces = (piece for piece in _BORDER.split(text.strip()) if len(piece.split()) > _LEAST_WORDS)
    return list(islice(pieces, _MOST_SENTENCES))


def open_minilm(argument: str, settings: EmbedderSettings, key: str) -> OnnxEmbedder:
    """For the registry.

    Raises:
        ConfigError: an argument, which it does not take.
    """
    if argument:
        raise ConfigError(f"the embedder `minilm` takes no argument, and `{argument}` was given")
    return OnnxEmbedder(threads=settings.threads)


def usable_cpus() -> int:
    """CPUs that this process may run on, which in a container can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_session() -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:  # installed for another platform, or a system library is missing
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"the embedder `minilm` cannot load onnxruntime: {reason}",
            hint="install onnxruntime again, or search by words: `search --mode lexical`, `ingest --embedder none`",
        ) from error
    options = onnxruntime.SessionOptions()
    # The graph was written for speed: there is nothing to optimise, only time to lose.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1  # our threads run whole texts, which scales better than halves of small products
    options.log_severity_level = 3  # errors only: its warnings are not for users
    with as_file(files("retrievers.embedders") / "minilm" / "model.onnx") as path:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
