"""The encoder that ships as an ONNX graph, written node by node from the official weights.

`linear` and `words` say how products of matrices and word vectors are stored and computed: as they ship by default, in
float32 or with fixed ranges of activations to be measured beside it (`bench.embed`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Array: TypeAlias = npt.NDArray[Any]

LAYERS, HEADS, HIDDEN = 6, 12, 384
EPSILON = 1e-12
NORM_PARTS = ("weight", "bias")
WEIGHT_RANGE = 64  # 7 bits and sign
OPSET, IR_VERSION = 17, 8


class Graph:
    """A BERT encoder (Devlin et al. 2019) written node by node; each method returns the name of its result.

    Args:
        weights: by their official names.
        linear: adds a product with bias, given the graph, the name of its input and that of its weights.
        words: adds the look-up of word vectors.
    """

    def __init__(
        self, weights: Mapping[str, Array], *, linear: Linear | None = None, words: Words | None = None
    ) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._linear, self._words = linear or int8_product, words or int8_words

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
        vectors = self._words(self, self.weights["embeddings.word_embeddings.weight"])
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
        return self._linear(self, states, name)

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


Linear: TypeAlias = Callable[[Graph, str, str], str]
Words: TypeAlias = Callable[[Graph, Array], str]


def int8_words(graph: Graph, words: Array) -> str:
    """Word vectors in int8 with a scale for each word."""
    scales = np.abs(words).max(axis=1, keepdims=True) / 127
    rounded = graph.constant("words", np.round(words / scales).astype(np.int8))
    whole = graph.node("Gather", [rounded, "input_ids"])
    scale = graph.node("Gather", [graph.constant("words.scale", scales.astype(np.float32)), "input_ids"])
    return graph.node("Mul", [graph.node("Cast", [whole], to=TensorProto.FLOAT), scale])


def int8_product(graph: Graph, states: str, name: str) -> str:
    """Weights in 7 bits with a scale for each column; activations in 8, by their range in the text."""
    rounded, scales = int8_weights(graph.weights[f"{name}.weight"])
    inputs = [
        states,
        graph.constant(f"{name}.weight", rounded),
        graph.constant(f"{name}.scale", scales),
        graph.constant(f"{name}.zero", np.zeros(len(scales), dtype=np.int8)),
        graph.constant(f"{name}.bias", graph.weights[f"{name}.bias"]),
    ]
    return graph.node("DynamicQuantizeMatMul", inputs, domain="com.microsoft")


def int8_weights(official: Array) -> tuple[Array, Array]:
    """Rounded weights, inputs in rows, and what each column is multiplied with."""
    weight = official.T
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-9) / WEIGHT_RANGE
    return np.round(weight / scales).astype(np.int8), scales.astype(np.float32)


def float_words(graph: Graph, words: Array) -> str:
    """Word vectors as they are."""
    return graph.node("Gather", [graph.constant("words", words), "input_ids"])


def float_product(graph: Graph, states: str, name: str) -> str:
    """Weights and activations as they are."""
    weight = graph.constant(f"{name}.weight", graph.weights[f"{name}.weight"].T)
    bias = graph.constant(f"{name}.bias", graph.weights[f"{name}.bias"])
    return graph.node("Add", [graph.node("MatMul", [states, weight]), bias])
