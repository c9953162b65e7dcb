"""The model that ships: true to its reference, alone with its text, and loaded by nobody who does not use it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from retrievers.embedders.onnx import OnnxEmbedder, usable_cpus
from retrievers.embedders.tokenizer import count_tokens, encodable, load_tokenizer
from retrievers.errors import ConfigError
from retrievers.registry import open_embedder

REFERENCE = Path(__file__).parent / "reference"


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return OnnxEmbedder(threads=2)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(json.loads(REFERENCE.with_suffix(".json").read_text(encoding="utf-8")))


def test_vectors_stand_close_to_those_of_the_float32_model(embedder: OnnxEmbedder, texts: list[str]) -> None:
    cosines = np.einsum("td,td->t", embedder.embed_documents(texts), np.load(REFERENCE.with_suffix(".npy")))

    assert cosines.min() >= 0.98


def test_the_files_that_ship_are_those_of_the_provenance() -> None:
    folder = files("retrievers.embedders") / "minilm"
    stated = dict(re.findall(r"\| (\S+) \(.*?\| `(\w{64})`", (folder / "PROVENANCE.md").read_text(encoding="utf-8")))

    for name in ("model.onnx", "tokenizer.json"):
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == stated[name]


def test_rows_stand_in_the_order_of_the_texts_whatever_their_lengths(embedder: OnnxEmbedder, texts: list[str]) -> None:
    forwards, backwards = embedder.embed_documents(texts), embedder.embed_documents(texts[::-1])

    assert np.array_equal(forwards, backwards[::-1])


def test_a_vector_depends_on_its_text_alone(embedder: OnnxEmbedder, texts: list[str]) -> None:
    together = embedder.embed_documents(texts)

    assert all(
        np.array_equal(embedder.embed_documents([text])[0], row) for text, row in zip(texts, together, strict=True)
    )


def test_a_question_of_one_sentence_is_embedded_as_a_document(embedder: OnnxEmbedder) -> None:
    question = "What is the FY2018 capital expenditure amount for 3M?"

    assert np.array_equal(embedder.embed_query(question), embedder.embed_documents([question])[0])


def test_a_question_of_several_sentences_stands_between_the_whole_and_each(embedder: OnnxEmbedder) -> None:
    first, second = "What did the harbour cost?", "Answer in millions of dollars."
    whole, one, other = embedder.embed_documents([f"{first} {second}", first, second])
    question = embedder.embed_query(f"{first} {second}")

    assert question @ (one + other) > whole @ (one + other)
    assert question @ whole > 0.9
    assert np.linalg.norm(question) == pytest.approx(1, abs=1e-6)


def test_of_a_long_question_eight_sentences_count() -> None:
    short = OnnxEmbedder(threads=1, max_tokens=16)
    eight = "What is this about? " * 8

    assert np.array_equal(short.embed_query(eight + "Why the ferry?"), short.embed_query(eight + "Why the lease?"))


def test_more_texts_than_are_tokenized_together_keep_their_order(embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed_documents(["left"] * 257 + ["right"])

    assert np.array_equal(vectors[256], vectors[0])
    assert np.array_equal(vectors[257], embedder.embed_query("right"))


def test_vectors_have_unit_length_also_of_nothing_and_of_broken_text(embedder: OnnxEmbedder) -> None:
    vectors = embedder.embed_documents(["", " \n", "a lone \ud800 surrogate", "\x00", "word " * 5000, "猫は膝の上"])

    assert vectors.shape == (6, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_no_texts_make_an_empty_matrix(embedder: OnnxEmbedder) -> None:
    assert embedder.embed_documents([]).shape == (0, 384)


def test_threads_that_start_at_once_get_the_same_vectors(texts: list[str]) -> None:
    fresh = OnnxEmbedder(threads=1)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(fresh.embed_documents, [texts[:5]] * 4))

    assert all(np.array_equal(result, results[0]) for result in results)


def test_text_beyond_the_limit_does_not_count() -> None:
    short = OnnxEmbedder(threads=1, max_tokens=8)

    assert np.array_equal(
        short.embed_query("one two three four five six"), short.embed_query("one two three four five six seven")
    )
    assert short.encode("one two three four five six seven")[-1] == short.encode("one")[-1]


@pytest.mark.parametrize("wrong", [{"threads": -1}, {"max_tokens": 2}, {"max_tokens": 513}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OnnxEmbedder(**wrong)


def test_related_texts_are_nearer_than_unrelated_ones(embedder: OnnxEmbedder) -> None:
    cat, kitten, cash = embedder.embed_documents(
        ["The cat sat on the mat.", "A kitten is resting on a rug.", "Net cash provided by operating activities"]
    )

    assert cat @ kitten > cat @ cash + 0.3


def test_making_an_embedder_loads_neither_runtime_nor_tokenizer() -> None:
    script = (
        "import sys; from retrievers.registry import open_embedder; open_embedder('minilm').name;"
        "sys.exit(any(name in sys.modules for name in ('onnxruntime', 'tokenizers', 'httpx')))"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_runtime_that_cannot_be_loaded_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(ConfigError, match="cannot load onnxruntime") as raised:
        OnnxEmbedder().embed_query("why")
    assert "--embedder none" in raised.value.hint


def test_the_default_embedder_is_the_model_that_ships() -> None:
    embedder = open_embedder()

    assert embedder is not None
    assert (embedder.name, embedder.dimensions, embedder.languages) == ("minilm-l6-v2-int8", 384, frozenset({"en"}))


def test_an_argument_to_minilm_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes no argument"):
        open_embedder("minilm:large")


def test_tokens_are_counted_without_the_special_ones() -> None:
    assert count_tokens("") == 0
    assert count_tokens("the cat") == 2
    assert count_tokens("a lone \ud800") > 0


def test_the_tokenizer_neither_cuts_nor_pads_and_is_loaded_once() -> None:
    tokenizer = load_tokenizer()

    assert len(tokenizer.encode("word " * 1000, add_special_tokens=False).ids) == 1000
    assert load_tokenizer() is tokenizer


def test_offsets_survive_the_replacement_of_lone_surrogates() -> None:
    assert encodable("a\ud800b\U0001f600") == "a?b\U0001f600"


def test_at_least_one_cpu_is_usable() -> None:
    assert usable_cpus() >= 1
