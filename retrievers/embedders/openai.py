"""Any server with an OpenAI-compatible `/embeddings`: OpenAI, vLLM, TEI, Ollama, llama.cpp and others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import sleep as _sleep
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from retrievers.embedders.retrying import Reply, Retrying
from retrievers.embedders.tokenizer import encodable
from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable
from retrievers.types import Matrix, Vector

if TYPE_CHECKING:
    import httpx

    from retrievers.settings import EmbedderSettings

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_SPLITTABLE = (413, 422)
"""Too large, or (TEI) more inputs than the server takes in one request."""


class OpenAIEmbedder:
    """Embeds over HTTP, several requests at a time, each retried; sends the texts to the server that is named.

    Args:
        model: as the server calls it.
        base_url: up to and without `/embeddings`.
        key: sent as a bearer token where given.
        dimensions: asked of the server where given; 0 is the model's own number.
        timeout_seconds: for one request.
        max_batch_texts: texts in one request.
        max_batch_characters: characters in one request of more than one text.
        concurrency: requests at the same time.
        attempts: tries for one request, the first included.
        sleep: how to wait between two attempts.

    Raises:
        ConfigError: no key for a server that needs one.
    """

    languages: frozenset[str] | None = None

    def __init__(
        self,
        model: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        key: str = "",
        dimensions: int = 0,
        timeout_seconds: float = 60.0,
        max_batch_texts: int = 32,
        max_batch_characters: int = 32_000,
        concurrency: int = 4,
        attempts: int = 5,
        sleep: Callable[[float], None] = _sleep,
    ) -> None:
        self.name = f"openai:{model}"
        self._model = model
        self._url = base_url.rstrip("/") + "/embeddings"
        self._asked_dimensions = self._dimensions = dimensions
        if not key and base_url.startswith(DEFAULT_BASE_URL):
            raise ConfigError(f"the embedder `{self.name}` needs a key", hint="set OPENAI_API_KEY, or base_url")
        if not (key.isascii() and key.isprintable()):
            raise ConfigError(f"the key of the embedder `{self.name}` holds characters that no key has")
        self._key = key
        self._timeout = timeout_seconds
        self._batch_texts, self._batch_characters = max_batch_texts, max_batch_characters
        self._concurrency = concurrency
        self._retrying = Retrying(attempts=attempts, sleep=sleep)
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    @property
    def dimensions(self) -> int:
        """Length of a vector; asks the server with a probe where nobody said and nothing was embedded yet."""
        if not self._dimensions:
            self._embed(["dimensions"])
        return self._dimensions

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        """One unit vector a text, in order.

        Raises:
            EngineUnavailable: no answer after all attempts.
            EngineRejected: the server refused, or answered with nonsense.
            ConfigError: the server refused the key.
        """
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        batches = list(self._batches(texts))
        if len(batches) == 1:
            return self._embed(batches[0])
        with ThreadPoolExecutor(min(self._concurrency, len(batches)), thread_name_prefix="embed") as pool:
            waiting = [pool.submit(self._embed, batch) for batch in batches]
            try:
                return np.concatenate([future.result() for future in waiting])
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # after a failure the rest is not asked for

    def embed_query(self, text: str) -> Vector:
        """The unit vector of the text; raises as `embed_documents` does."""
        return cast(Vector, self._embed([_sendable(text)])[0])

    def close(self) -> None:
        """Let go of the connections; they are opened again when needed."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        batch: list[str] = []
        characters = 0
        for text in map(_sendable, texts):
            full = len(batch) == self._batch_texts or characters + len(text) > self._batch_characters
            if batch and full:
                yield batch
                batch, characters = [], 0
            batch.append(text)
            characters += len(text)
        yield batch

    def _embed(self, texts: list[str]) -> Matrix:
        reply = self._retrying.call(lambda: self._post(texts), self._url)
        if reply.status in _SPLITTABLE and len(texts) > 1:
            middle = len(texts) // 2
            return np.concatenate([self._embed(texts[:middle]), self._embed(texts[middle:])])
        if reply.status in (401, 403):
            raise ConfigError(f"{self._url} refused the key (HTTP {reply.status})", hint="check the embedder's key")
        if reply.status != 200:
            raise EngineRejected(
                f"{self._url} refused to embed with `{self._model}` (HTTP {reply.status}): {reply.reason()}",
                hint="check the embedder's model name and base_url",
            )
        return self._checked(_vectors(reply, len(texts), self._url))

    def _post(self, texts: list[str]) -> Reply:
        import httpx

        body: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._asked_dimensions:
            body["dimensions"] = self._asked_dimensions
        try:
            response = self._open().post(self._url, json=body)
        except httpx.TimeoutException:
            raise EngineUnavailable(f"{self._url} did not answer within {self._timeout:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ConfigError(f"the embedder's base_url `{self._url}` is wrong: {error}") from None
        except httpx.RequestError as error:
            raise EngineUnavailable(f"{self._url} cannot be reached: {error}") from None
        answer = response.content.replace(self._key.encode(), b"***") if self._key else response.content
        return Reply(response.status_code, answer, response.headers.get("retry-after", ""))

    def _open(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
                self._client = httpx.Client(timeout=self._timeout, headers=headers)
            return self._client

    def _checked(self, vectors: Matrix) -> Matrix:
        found = vectors.shape[1]
        with self._lock:
            expected = self._dimensions = self._dimensions or found
        if found != expected:
            raise EngineRejected(
                f"{self._url} sent vectors of {found} dimensions, expected {expected}",
                hint="set the embedder's `dimensions` to what the model gives",
            )
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise EngineRejected(f"{self._url} sent a vector without a direction")
        return cast(Matrix, vectors / lengths)


def open_openai(argument: str, settings: EmbedderSettings, key: str) -> OpenAIEmbedder:
    """For the registry: `openai:MODEL`, at the settings' base URL.

    Raises:
        ConfigError: no model named, or no key.
    """
    if not argument:
        raise ConfigError("the embedder `openai` needs a model: openai:MODEL")
    return OpenAIEmbedder(
        argument,
        base_url=settings.base_url or DEFAULT_BASE_URL,
        key=key,
        dimensions=settings.dimensions,
        timeout_seconds=settings.timeout_seconds,
        concurrency=settings.threads or 4,
    )


def _sendable(text: str) -> str:
    return encodable(text) or " "  # servers refuse an empty input


def _vectors(reply: Reply, count: int, url: str) -> Matrix:
    """The vectors of a reply in the order of the request (`index` says which is which)."""
    try:
        rows = sorted(reply.json()["data"], key=lambda row: row["index"])
        vectors = np.array([row["embedding"] for row in rows], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise EngineRejected(f"{url} answered with something else than embeddings", hint="check base_url") from error
    if vectors.ndim != 2 or len(vectors) != count or [row["index"] for row in rows] != list(range(count)):
        raise EngineRejected(f"{url} answered {len(vectors)} embeddings to {count} texts")
    return vectors
