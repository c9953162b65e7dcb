"""The rate of the default embedder against a bare onnxruntime loop over the same texts, in the same run.

The bare loop tokenizes, runs, pools and normalises, with default options of the runtime but for one thread. The two
take turns, so that the load of the machine cancels out; figures are CPU time, and the best of the rounds. Other ways to
run the same weights are compared by `python -m bench.embed_ways`.

    RLM_SEARCH_TEST_DATA=… python -m bench.embed [--texts 300] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import numpy as np

from bench.beir import data_folder, load
from retrievers.embedders.onnx import OnnxEmbedder
from retrievers.embedders.tokenizer import load_tokenizer
from retrievers.types import Matrix

WORDS = 130  # a chunk of about 200 tokens
LIMIT = 320
ROUNDS = 5
EXPECTED = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    arguments = parser.parse_args()
    texts = chunks(arguments.texts)
    session = bare_session()
    ways: dict[str, Callable[[Sequence[str]], Matrix]] = {
        "ours": OnnxEmbedder(threads=1).embed_documents,
        "bare": lambda texts: bare(session, texts),
    }
    ours, base = (embed(texts[:8]) for embed in ways.values())  # warms them, and shows that they do the same
    assert np.allclose(ours, base, atol=1e-6)
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for way, embed in ways.items():
            started = time.process_time()
            embed(texts)
            seconds[way] = min(seconds[way], time.process_time() - started)
    rates = {way: len(texts) / spent for way, spent in seconds.items()}
    tokens = float(np.mean([len(load_tokenizer().encode(text).ids) for text in texts]))
    report(arguments.json, tokens, rates)


def chunks(count: int) -> list[str]:
    """Texts of the length of a chunk, from real abstracts."""
    made: list[str] = []
    for record in load(data_folder() / "scifact").records():
        words = record.text.split()
        made += [" ".join(words[first : first + WORDS]) for first in range(0, len(words), WORDS)]
        if len(made) >= count:
            break
    return made[:count]


def bare_session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = files("retrievers.embedders") / "minilm" / "model.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bare(session: Any, texts: Sequence[str]) -> Matrix:
    vectors = np.empty((len(texts), 384), dtype=np.float32)
    for row, encoding in enumerate(load_tokenizer().encode_batch_fast(list(texts))):
        states = session.run(None, {"input_ids": np.array([encoding.ids[:LIMIT]])})[0]
        mean = states[0].mean(axis=0)
        vectors[row] = mean / np.linalg.norm(mean)
    return vectors


def report(as_json: bool, tokens: float, rates: dict[str, float]) -> None:
    ratio = rates["ours"] / rates["bare"]
    if as_json:
        print(json.dumps({"mean_tokens": tokens, "chunks_per_cpu_second": rates, "ratio": ratio}, indent=2))
        return
    print(f"chunks of {tokens:.0f} tokens on average, one thread, per CPU-second:")
    print(f"ours {rates['ours']:.1f}, bare onnxruntime {rates['bare']:.1f}; ratio {ratio:.2f} (expected {EXPECTED})")


if __name__ == "__main__":
    main()
