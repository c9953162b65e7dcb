"""Models of the sentence-transformers library."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedders.sentence_transformers import SentenceTransformersEmbedder
from retrievers.errors import ConfigError
from retrievers.registry import open_embedder


def test_without_the_library_one_sentence_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    embedder = open_embedder("sentence-transformers:BAAI/bge-m3")

    assert embedder is not None
    assert embedder.name == "sentence-transformers:BAAI/bge-m3"
    assert embedder.languages is None
    with pytest.raises(ConfigError, match=r"pip install 'rlm-search\[sentence-transformers\]'"):
        embedder.embed_query("x")


def test_a_model_must_be_named() -> None:
    with pytest.raises(ConfigError, match="needs a model"):
        open_embedder("sentence-transformers")


STAND_IN = """
import numpy as np

class SentenceTransformer:
    def __init__(self, name):
        if name != "known/model":
            raise OSError(f"{name} is no local folder\\nand no repository")

    def encode_query(self, texts, *, batch_size, normalize_embeddings, show_progress_bar):
        return np.array([[1.0, 0.0] for text in texts])

    def encode_document(self, texts, *, batch_size, normalize_embeddings, show_progress_bar):
        return np.array([[0.0, 1.0] for text in texts])

    def get_sentence_embedding_dimension(self):
        return 2
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A library of the same interface as version 5.0, where the real one is not installed."""
    (tmp_path / "sentence_transformers.py").write_text(STAND_IN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    real = sys.modules.pop("sentence_transformers", None)
    yield
    sys.modules.pop("sentence_transformers", None)
    if real is not None:
        sys.modules["sentence_transformers"] = real


@pytest.mark.usefixtures("stand_in")
def test_questions_and_documents_take_their_own_ways_into_the_library() -> None:
    embedder = SentenceTransformersEmbedder("known/model")

    assert embedder.embed_documents([]).shape == (0, 2)
    assert embedder.embed_query("why").tolist() == [1, 0]
    assert embedder.embed_documents(["a", "lone \ud800"]).tolist() == [[0, 1], [0, 1]]
    assert embedder.embed_query("why").dtype == np.float32


@pytest.mark.usefixtures("stand_in")
def test_an_unknown_model_is_named_in_one_line() -> None:
    with pytest.raises(ConfigError, match="cannot load the model `no/model`") as raised:
        SentenceTransformersEmbedder("no/model").embed_query("why")
    assert "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real, tiny, untrained model on disk, with prompts."""
    library = pytest.importorskip("sentence_transformers", reason="the extra sentence-transformers is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "query", "passage", ":", "cat", "dog", "sat"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    encoder = tmp_path_factory.mktemp("encoder")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(encoder)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(words), **size)).save_pretrained(encoder)
    model = library.SentenceTransformer(
        str(encoder), device="cpu", prompts={"query": "query: ", "document": "passage: "}
    )
    target = tmp_path_factory.mktemp("model")
    model.save(str(target))
    return target


@pytest.mark.filterwarnings("default")  # the library's own warnings are not ours
def test_a_model_from_a_folder_embeds_with_its_prompts(folder: Path) -> None:
    embedder = SentenceTransformersEmbedder(str(folder))
    documents = embedder.embed_documents(["cat sat", "dog", "", "lone \ud800"])

    assert embedder.dimensions == 16
    assert documents.shape == (4, 16)
    assert documents.dtype == np.float32
    assert np.allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-5)
    assert not np.allclose(embedder.embed_query("cat sat"), documents[0], atol=1e-4)
    assert embedder.embed_documents([]).shape == (0, 16)


@pytest.mark.filterwarnings("default")
def test_a_folder_without_a_model_is_a_matter_of_settings(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot load the model"):
        SentenceTransformersEmbedder(str(tmp_path)).embed_query("x")
