"""Nearest vectors: the int8 scan finds what a comparison of all exact rows finds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrievers.embedded import scan
from retrievers.embedded.records import ChunkRecord, State
from retrievers.embedded.scan import nearest, nearest_units
from retrievers.embedded.vectors import VectorFiles, VectorMap, quantise, signs
from retrievers.types import Matrix

UNITS = 4
"""Chunks of a document that share a unit."""


def mapped(folder: Path, vectors: Matrix, dead: Sequence[int] = ()) -> VectorMap:
    """Documents of eight chunks, four of which are a unit, as a reader maps them."""
    files = VectorFiles(folder, State(), vectors.shape[1])
    for number in range(0, len(vectors), 2 * UNITS):
        part = vectors[number : number + 2 * UNITS]
        chunks = [ChunkRecord(f"c{i}", i, i, i + 1, i // UNITS, "", {}) for i in range(len(part))]
        files.append(number // (2 * UNITS), 0, chunks, part)
    if dead:
        files.bury(dead)
    files.sync()
    state = State(vectors=files.rows, dead=files.dead)
    files.close()
    return VectorMap.open(folder, state, vectors.shape[1])


def unit_vectors(seed: int, count: int, dimensions: int, centres: int = 8) -> Matrix:
    """Around centres, as the chunks of an archive are."""
    draw = np.random.default_rng(seed)
    middles = np.random.default_rng(centres).standard_normal((centres, dimensions))
    drawn = middles[draw.integers(0, centres, count)] + 0.7 * draw.standard_normal((count, dimensions))
    unit: Matrix = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.mark.parametrize("dimensions", [7, 64, 384, 1024])
def test_the_scan_finds_what_comparing_every_exact_row_finds(tmp_path: Path, dimensions: int) -> None:
    vectors = mapped(tmp_path, unit_vectors(1, 10_000, dimensions))
    found = 0
    for query in unit_vectors(2, 20, dimensions):
        similarities = vectors.f16.astype(np.float32) @ query
        rows, scores = nearest(vectors, query, 10, None)
        found += len({*rows.tolist()} & {*np.argsort(-similarities)[:10].tolist()})
        assert scores.tolist() == pytest.approx(similarities[rows].tolist(), abs=1e-5)
        assert sorted(scores, reverse=True) == scores.tolist()
    assert found >= 0.99 * 200


@pytest.mark.parametrize("some", [False, True], ids=["all rows", "the rows of a filter"])
def test_screening_by_signs_loses_next_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, some: bool) -> None:
    monkeypatch.setattr(scan, "SCREENED_ABOVE", 5_000)
    vectors = mapped(tmp_path, unit_vectors(5, 20_000, 384, 400), dead=range(0, 2_500, 7))
    assert vectors.live is not None
    allowed = np.flatnonzero(vectors.live)[:: 2 if some else 1]
    found = 0
    for query in unit_vectors(6, 40, 384, 400):
        similarities = vectors.f16[allowed].astype(np.float32) @ query
        rows, _ = nearest(vectors, query, 10, allowed if some else None)
        assert {*rows.tolist()} <= {*allowed.tolist()}
        found += len({*rows.tolist()} & {*allowed[np.argsort(-similarities)[:10]].tolist()})
    assert found >= 0.99 * 400


def test_most_rows_are_not_read_where_signs_are_screened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "SCREENED_ABOVE", 5_000)
    vectors = mapped(tmp_path, unit_vectors(5, 20_000, 64))
    query = unit_vectors(6, 1, 64)[0]
    asked = signs(quantise(query[None, :])[0])
    screened = scan._screened(vectors, asked, 10, None)
    assert screened is not None
    assert 20_000 // 16 <= len(screened) < 20_000 // 8
    assert scan._screened(vectors, asked, 2_000, None) is None


def test_an_index_without_signs_is_searched_and_gets_them_from_the_next_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "SCREENED_ABOVE", 100)
    drawn = unit_vectors(7, 400, 24)
    whole = mapped(tmp_path, drawn).sign.copy()
    (tmp_path / "000000.sign").unlink()
    state = State(vectors=400)
    older = VectorMap.open(tmp_path, state, 24)
    assert not len(older.sign)
    assert nearest(older, drawn[17], 1, None)[0].tolist() == [17]
    VectorFiles(tmp_path, state, 24).close()
    assert (VectorMap.open(tmp_path, state, 24).sign == whole).all()
    assert {path.suffix for path in tmp_path.iterdir()} >= {".sign", ".i8"}
    assert not [*tmp_path.glob("*partial")]


def test_only_rows_that_are_allowed_and_live_are_found(tmp_path: Path) -> None:
    drawn = unit_vectors(3, 400, 64)
    vectors = mapped(tmp_path, drawn, dead=[0, 5])
    rows, _ = nearest(vectors, drawn[1], 400, None)
    assert {*rows.tolist()} == {*range(8, 40), *range(48, 400)}
    allowed = np.array([3, 17, 201])
    rows, _ = nearest(vectors, drawn[17], 10, allowed)
    assert rows[0] == 17
    assert {*rows.tolist()} == {3, 17, 201}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_each_unit_is_found_once_by_its_best_row(
    tmp_path_factory: pytest.TempPathFactory, seed: int, wanted: int
) -> None:
    vectors = mapped(tmp_path_factory.mktemp("vectors"), unit_vectors(seed, 240, 16))
    query = unit_vectors(seed + 1, 1, 16)[0]
    rows, scores = nearest_units(vectors, query, wanted, None)
    keys = vectors.unit_keys(rows).tolist()
    assert len({*keys}) == len(keys) == min(wanted, 240 // UNITS)
    similarities = vectors.f16.astype(np.float32) @ query
    best = {key: similarities[vectors.unit_keys(np.arange(240)) == key].max() for key in keys}
    assert scores.tolist() == pytest.approx([best[key] for key in keys], abs=0.02)


def test_a_query_of_zeros_and_rows_of_zeros_are_no_trouble(tmp_path: Path) -> None:
    drawn = unit_vectors(4, 16, 8)
    drawn[3] = 0
    rows, scores = nearest(mapped(tmp_path, drawn), np.zeros(8, np.float32), 5, None)
    assert len(rows) == 5
    assert not scores.any()
