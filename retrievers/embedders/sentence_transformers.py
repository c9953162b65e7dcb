"""Any sentence-transformers model, from the Hugging Face hub or a folder, on a GPU where there is one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from retrievers.embedders.tokenizer import encodable
from retrievers.errors import ConfigError
from retrievers.plugins import require
from retrievers.types import Matrix, Vector

if TYPE_CHECKING:
    from retrievers.settings import EmbedderSettings


class SentenceTransformersEmbedder:
    """A model by name or folder, loaded when it is first needed; its query and document prompts are honoured.

    Args:
        model: name on the hub (`BAAI/bge-m3`) or path of a folder.
        batch_size: texts that run together.
    """

    languages: frozenset[str] | None = None

    def __init__(self, model: str, *, batch_size: int = 32) -> None:
        self.name = f"sentence-transformers:{model}"
        self._model_name = model
        self._batch_size = batch_size
        self._lock = threading.Lock()  # its tokenizer is changed while it runs: one text at a time
        self._model: Any = None

    @property
    def dimensions(self) -> int:
        """Length of a vector; loads the model.

        Raises:
            ConfigError: the extra is missing, or there is no such model.
        """
        with self._lock:
            model = self._load()
            # Renamed in sentence-transformers 5.2; the old name warns there.
            size = getattr(model, "get_embedding_dimension", None) or model.get_sentence_embedding_dimension
            return int(size())

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One unit vector a text, in order.

        Raises:
            ConfigError: the extra is missing, or there is no such model.
        """
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return self._run("encode_document", [encodable(text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        """The unit vector of a question, with the model's query prompt before it.

        Raises:
            ConfigError: the extra is missing, or there is no such model.
        """
        return cast(Vector, self._run("encode_query", [encodable(text)])[0])

    def _run(self, method: str, texts: list[str]) -> Matrix:
        with self._lock:
            encode = getattr(self._load(), method)
            vectors = encode(texts, batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def _load(self) -> Any:
        if self._model is None:
            library = require(
                "sentence_transformers", extra="sentence-transformers", purpose=f"the embedder `{self.name}`"
            )
            try:
                self._model = library.SentenceTransformer(self._model_name)
            except (OSError, ValueError) as error:  # no such repository, no network, a folder without a model
                reason = str(error).strip().partition("\n")[0]
                raise ConfigError(
                    f"cannot load the model `{self._model_name}`: {reason}",
                    hint="give a model's name on the Hugging Face hub, or a folder that holds one",
                ) from error
        return self._model


def open_sentence_transformers(argument: str, settings: EmbedderSettings, key: str) -> SentenceTransformersEmbedder:
    """For the registry: `sentence-transformers:MODEL`.

    Raises:
        ConfigError: no model named.
    """
    if not argument:
        raise ConfigError("the embedder `sentence-transformers` needs a model: sentence-transformers:MODEL")
    return SentenceTransformersEmbedder(argument)
