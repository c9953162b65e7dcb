"""Retrieval sets in BEIR layout, and the measures that rankings are judged by."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

Ranking: TypeAlias = Sequence[str]
"""Document ids, best first, each once."""
Judged: TypeAlias = Mapping[str, int]
"""Document id to grade; 0 is not relevant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One document of a corpus."""

    id: str
    title: str
    text: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSet:
    """Questions and their judgements; the corpus stays on disk."""

    name: str
    corpus: Path
    queries: Mapping[str, str]
    judgements: Mapping[str, Judged]

    def records(self) -> list[Record]:
        return [
            Record(id=row["_id"], title=row.get("title", ""), text=row["text"], language=row.get("lang", ""))
            for row in _lines(self.corpus)
        ]


def data_folder() -> Path:
    """Where the sets lie.

    Raises:
        SystemExit: nobody said.
    """
    folder = os.environ.get("RLM_SEARCH_TEST_DATA", "")
    if not folder:
        raise SystemExit("set RLM_SEARCH_TEST_DATA to the folder of the retrieval sets")
    return Path(folder)


def load(folder: Path, *, limit_queries: int | None = None) -> RetrievalSet:
    """Read a set; only queries with judgements count."""
    judgements: dict[str, dict[str, int]] = {}
    with (folder / "qrels" / "test.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            judgements.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    queries = {row["_id"]: row["text"] for row in _lines(folder / "queries.jsonl") if row["_id"] in judgements}
    kept = dict(list(queries.items())[:limit_queries])
    return RetrievalSet(name=folder.name, corpus=folder / "corpus.jsonl", queries=kept, judgements=judgements)


def ndcg(ranking: Ranking, judged: Judged, k: int = 10) -> float:
    """Normalised discounted cumulative gain with linear gains, as trec_eval computes it (Järvelin and Kekäläinen)."""
    gains = [judged.get(document, 0) for document in ranking[:k]]
    ideal = sorted(judged.values(), reverse=True)[:k]
    best = _discounted(ideal)
    return _discounted(gains) / best if best else 0.0


def recall(ranking: Ranking, judged: Judged, k: int = 100) -> float:
    """The share of the relevant documents that stand among the first k."""
    relevant = {document for document, grade in judged.items() if grade > 0}
    return len(relevant & set(ranking[:k])) / len(relevant) if relevant else 0.0


def all_gold(ranking: Ranking, judged: Judged, k: int = 100) -> float:
    """1 if every relevant document stands among the first k, else 0."""
    return float(recall(ranking, judged, k) == 1)


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """One over the rank of the first relevant result; 0 without one."""
    return next((1 / rank for rank, hit in enumerate(relevant, start=1) if hit), 0.0)


def judge(rankings: Mapping[str, Ranking], judgements: Mapping[str, Judged]) -> dict[str, float]:
    """The measures of a set, averaged over its queries."""
    pairs = [(ranking, judgements[query]) for query, ranking in rankings.items()]
    return {
        "ndcg@10": fmean(ndcg(*pair) for pair in pairs),
        "recall@100": fmean(recall(*pair) for pair in pairs),
        "all-gold@100": fmean(all_gold(*pair) for pair in pairs),
    }


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _lines(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
