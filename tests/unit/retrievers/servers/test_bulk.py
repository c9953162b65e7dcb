"""Rows on their way to a server: in the order of each document, tried again when it is busy, told when refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable
from retrievers.servers import bulk
from retrievers.servers.bulk import Bulk, Settled
from retrievers.servers.dialect import Json


class Server:
    """Takes bulks as `answer` says, one item at a time, and keeps what it took in order."""

    name, place = "opensearch", "localhost:9200/archive"

    def __init__(self, answer: Callable[[int, str], Json] = lambda request, row: {"status": 200}) -> None:
        self.answer = answer
        self.took: list[str] = []
        self.requests: list[list[str]] = []
        self._lock = threading.Lock()

    def request(self, method: str, path: str, *, lines: Sequence[bytes] = (), **_: Any) -> Json:
        rows = [json.loads(line)["index"]["_id"] for line in lines[::2]]
        with self._lock:
            number = len(self.requests)
            self.requests.append(rows)
        results = [self.answer(number, row) for row in rows]
        with self._lock:
            self.took += [row for row, result in zip(rows, results, strict=True) if result["status"] == 200]
        failed = any(result["status"] != 200 for result in results)
        return {"errors": failed, "items": [{"index": result} for result in results]}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Small requests, and pauses that take no time."""
    paused: list[float] = []
    monkeypatch.setattr(bulk, "BULK_BYTES", 300)
    monkeypatch.setattr("time.sleep", paused.append)
    return paused


def sent(server: Any, *documents: Mapping[str, int], patience: float = 5.0) -> Settled:
    """Write documents of so many rows, the head of each last."""
    sending = Bulk(server, "archive", patience_seconds=patience)
    try:
        for document in documents:
            for name, rows in document.items():
                ops = [({"index": {"_id": f"{name}{n}"}}, {"x": "y" * 20}) for n in range(rows)]
                sending.add(name, ops, ({"index": {"_id": f"{name}-head"}}, {}))
        return sending.settle()
    finally:
        sending.close()


def test_the_head_of_a_document_arrives_after_its_rows() -> None:
    server = Server()
    sent(server, {"a": 2, "b": 50, "c": 3, "d": 9})

    assert len(server.requests) > 3
    for name, rows in {"a": 2, "b": 50, "c": 3, "d": 9}.items():
        assert server.took.index(f"{name}-head") > max(server.took.index(f"{name}{n}") for n in range(rows))


def test_a_document_that_fits_is_sent_in_one_request() -> None:
    server = Server()
    sent(server, *({f"d{n}-": 3} for n in range(9)))

    for n in range(9):
        assert sum(any(row.startswith(f"d{n}-") for row in rows) for rows in server.requests) == 1


def test_what_is_done_to_a_document_later_arrives_later() -> None:
    begun = threading.Event()

    def slow_at_first(request: int, row: str) -> Json:
        if request == 0:
            begun.wait(0.2)  # long enough for the others to overtake it
        return {"status": 200}

    server = Server(slow_at_first)
    sent(server, {"a": 3}, {"b": 3}, {"a": 3}, {"c": 3})

    assert [row for row in server.took if row == "a-head"] == ["a-head", "a-head"]
    assert server.requests[0][:3] == ["a0", "a1", "a2"]
    assert server.took.index("a0") < server.took.index("a-head")


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_busy_server_leaves_is_sent_again_after_growing_pauses(status: int, small: list[float]) -> None:
    server = Server(lambda request, row: {"status": 200 if request > 3 else status})
    settled = sent(server, {"a": 2})

    assert settled == Settled()
    assert server.took == ["a0", "a1", "a-head"]
    assert len(small) == 4
    assert max(small[2:]) > max(small[:1])


def test_a_server_that_stays_busy_is_given_up(small: list[float]) -> None:
    with pytest.raises(EngineUnavailable, match="stays too busy"):
        sent(Server(lambda request, row: {"status": 429}), {"a": 2}, patience=-1.0)


def test_a_refused_row_is_told_with_its_reason_and_a_head_that_has_changed_as_a_conflict() -> None:
    answers = {
        "a1": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "no number"}},
        "b-head": {"status": 409, "error": {"type": "version_conflict_engine_exception"}},
    }
    settled = sent(Server(lambda request, row: answers.get(row, {"status": 200})), {"a": 2, "b": 1})

    assert settled == Settled(refused={"a": "no number"}, conflicts={"b"})


def test_an_index_that_was_deleted_ends_it() -> None:
    gone = {"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such index"}}
    with pytest.raises(ConfigError, match="was deleted"):
        sent(Server(lambda request, row: gone), {"a": 1})


def test_a_cluster_that_starts_is_waited_for_and_a_blocked_index_is_not() -> None:
    blocked = {"type": "cluster_block_exception", "reason": "blocked"}
    starting = Server(lambda request, row: {"status": 200} if request else {"status": 503, "error": blocked})

    assert sent(starting, {"a": 1}) == Settled()
    with pytest.raises(EngineRejected, match="takes no writes"):
        sent(Server(lambda request, row: {"status": 403, "error": blocked}), {"a": 1})
