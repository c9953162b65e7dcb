"""What the loop costs around the model, beside peers: a step, a run, a batch of prompts, memory, importing; and citing.

    python -m bench.loop [--peers PYTHON]

The model is scripted and answers at once, so that all that is measured is ours, the confined sandbox included; peers
run with their own session, in the process itself (`bench.peers_loop`), which confines nothing. The batch goes to a
local HTTP server that takes 200 ms for each completion and works on ten at a time. Citing: a document of 500
pages.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from bench.loop_measures import Runtime, Turn, measured, median_ms, table
from retrievers.types import Hit, RetrievedDocument
from rlm_search import RLM, Gates, Limits, Message, Model, ScriptedModel
from rlm_search.citations import Citations
from rlm_search.documents import Documents
from rlm_search.errors import ToldToModel
from rlm_search.evidence import Evidence
from rlm_search.models.opening import open_model
from rlm_search.models.settings import ModelSettings
from rlm_search.sandbox.confined import ConfinedSandbox

AT_ONCE = 10
PEERS = ("pyrlm", "rlms", "dspy")
PATIENT = Gates(loop_collapse_limit=10_000)


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


def ours() -> Runtime:
    """This package as `bench.loop_measures` measures it: the confined sandbox, a scripted root model."""

    def run(turn: Turn, context: str, sub_model: Model | None = None) -> str:
        model = ScriptedModel(lambda messages: turn(sum(message.role == "assistant" for message in messages)))
        limits = Limits(steps=None, subcalls=None, seconds=None)
        rlm = RLM(model=model, sub_model=sub_model, limits=limits, gates=PATIENT)
        return rlm.run("What is it?", context=context).text

    def with_sub_model(turn: Turn, context: str, url: str) -> str:
        settings = ModelSettings(spec="vllm:slow", base_url=url, stream=False, concurrency=AT_ONCE)
        return run(turn, context, open_model(settings).model)

    return Runtime(
        name="rlm-search",
        imports="import rlm_search; rlm_search.RLM",
        cell=python,
        finish=lambda code, expression: python(f"{code}\nFINAL({expression})"),
        run=run,
        batch="llm_batch(prompts)",
        with_sub_model=with_sub_model,
    )


def bench_beside(peers: str) -> None:
    """The table of all runtimes; `peers` is an interpreter that has them, or some of them."""
    columns = {"rlm-search": measured(ours())}
    for name in PEERS if peers else ():
        command = [peers, str(Path(__file__).with_name("peers_loop.py")), name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
            continue
        columns[name] = json.loads(done.stdout.splitlines()[-1])
    print(table(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers", default="", metavar="PYTHON", help="an interpreter that has pyrlm-runtime, rlms, dspy"
    )
    arguments = parser.parse_args()
    bench_beside(arguments.peers)
    bench_steps()
    bench_citing()


if __name__ == "__main__":
    main()
