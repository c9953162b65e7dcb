"""What the loop costs around the model: a step, a run of ten steps, a batch of a hundred prompts, importing, citing.

    python bench/loop.py

The model is scripted and answers at once, so that all that is measured is ours, the confined sandbox included. The
batch goes to a local HTTP server that takes 200 ms for each completion and works on ten at a time; its base is the
ideal of two seconds. Citing is measured on a document of 500 pages.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from retrievers.types import Hit, RetrievedDocument
from rlm_search import RLM, Limits, Message, ScriptedModel
from rlm_search.citations import Citations
from rlm_search.documents import Documents
from rlm_search.errors import ToldToModel
from rlm_search.evidence import Evidence
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.sandbox.confined import ConfinedSandbox

PROMPTS = 100
LATENCY_SECONDS = 0.2
AT_ONCE = 10
RUNS = 7


class OneDocument:
    """A retriever without an engine: a search costs nothing, so that the rest is seen."""

    def __init__(self, text: str) -> None:
        self._text = text

    def search(self, query: str, *, top_k: int = 10, filters: object = None) -> Sequence[Hit]:
        return [Hit(doc_id="d", chunk_id=f"d#{n}", preview="wind limit", start=n, end=n + 10) for n in range(top_k)]

    vector_search = hybrid_search = search

    def get(self, doc_id: str) -> RetrievedDocument:
        return RetrievedDocument(doc_id="d", content=self._text, title="One", source="one.txt")


def python(code: str) -> str:
    return f"```python\n{code}\n```"


def median_ms(call: Callable[[], object], times: int = RUNS) -> float:
    """Median wall clock of a call in milliseconds, after one to warm up."""
    call()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def whole_run(steps: int, cell: str) -> Callable[[], object]:
    """A run of so many steps over the same cell."""

    def reply(messages: Sequence[Message]) -> str:
        return python(cell) if len(messages) < 2 * steps else python("es_search('x'); FINAL('done')")

    rlm = RLM(model=ScriptedModel(reply), retriever=OneDocument("wind limit " * 100), limits=Limits(steps=None))
    return lambda: rlm.run("What is the limit?")


def bench_steps() -> None:
    for name, cell in (("x = 1", "x = 1"), ("search, print ten hits", "hits = es_search('x')\nprint(hits)")):
        one, many = median_ms(whole_run(1, cell)), median_ms(whole_run(51, cell))
        print(
            f"a step ({name}): {(many - one) / 50:.2f} ms; a run of one step, sandbox started and ended: {one:.0f} ms"
        )
    print(f"a run of 10 steps: {median_ms(whole_run(10, 'x = 1')):.0f} ms")
    print(f"a sandbox alone, started, one cell, ended: {median_ms(sandbox_alone):.0f} ms (base of the runs above)")


def sandbox_alone() -> None:
    sandbox = ConfinedSandbox()
    sandbox.start({})
    sandbox.execute("x = 1", timeout=10)
    sandbox.close()


class SlowServer(BaseHTTPRequestHandler):
    """Chat completions that take their time, at most ten at once."""

    room = threading.Semaphore(AT_ONCE)
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer comes 40 ms late, whoever asks: head and body are two writes

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with self.room:
            time.sleep(LATENCY_SECONDS)
        choice = {"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop", "index": 0}
        body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def bench_batch() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    settings = ModelSettings(spec="vllm:slow", base_url=url, stream=False, concurrency=AT_ONCE)
    cell = (
        "import time\nt = time.monotonic()\n"
        f"r = llm_batch([f'prompt {{n}}' for n in range({PROMPTS})])\n"
        f"assert len(r) == {PROMPTS} and all(r), [x for x in r if not x][:3]\n"
        "FINAL(str(time.monotonic() - t))"
    )
    rlm = RLM(model=ScriptedModel([python(cell)]), sub_model=open_model(settings).model)
    answer = rlm.run("Ask them all.")
    ideal = PROMPTS / AT_ONCE * LATENCY_SECONDS
    taken = float(answer.text)
    print(f"llm_batch of {PROMPTS}: {taken:.2f} s, {taken / ideal:.2f} x the ideal {ideal:.1f} s")
    server.shutdown()
    server.server_close()


def bench_runs_at_once() -> None:
    run = whole_run(5, "hits = es_search('x')\nprint(hits)")
    started = time.perf_counter()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: run(), range(8)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"8 runs of 5 steps at once: {(time.perf_counter() - started) * 1000:.0f} ms; peak of the host {peak:.0f} MB")


def bench_citing() -> None:
    page = "The operating revenue of the segment increased as expenses in the capital of it fell again. " * 33
    text = "\f".join(page for _ in range(500)) + " The very last words of this long report."
    evidence = Evidence()
    evidence.add("d", 0, 100)
    citations = Citations(Documents(OneDocument(text)), evidence)
    found = median_ms(lambda: citations.cite("d", "very last words of this"))

    def refused() -> None:
        with suppress(ToldToModel):
            citations.cite("d", "the capital expenses of the last segment fell")

    size = f"{len(text) / 1e6:.1f} M characters"
    print(f"cite in {size}: found at the end {found:.1f} ms, refused {median_ms(refused):.0f} ms")


def bench_import() -> None:
    code = "import time; t = time.process_time(); import rlm_search; {}; print(time.process_time() - t)"
    for what in ("pass", "rlm_search.RLM"):
        taken = [float(subprocess.check_output([sys.executable, "-c", code.format(what)])) for _ in range(RUNS)]
        print(
            f"import rlm_search{'' if what == 'pass' else ' and RLM'}: {statistics.median(taken) * 1000:.0f} ms of CPU"
        )


def main() -> None:
    bench_import()
    bench_steps()
    bench_batch()
    bench_runs_at_once()
    bench_citing()


if __name__ == "__main__":
    main()
