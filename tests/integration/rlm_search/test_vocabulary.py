"""Every name that a session has, called once in the confined sandbox over an index and given text; none is left out.

Each line is an expression of the model's code and what it must come to. What a name does in full is told by the unit
tests of its family; here it is seen that all of them are there together, and work on what the others return.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from rlm_search import RLM, Limits, Message, ModelUnavailable, ScriptedModel
from rlm_search.sandbox.namespace import BOUND
from rlm_search.tools import UNTOLD, VARIABLES
from rlm_search.trace.events import AnyEvent, CellFinished

pytestmark = pytest.mark.integration

ARCHIVE = Path(__file__).parents[3] / "examples" / "archive"
TEXTS = {
    "a.txt": "One ferry leaves at six.",
    "b.txt": "<!-- Page 1 -->\nTwo return.\n<!-- Page 2 -->\nThe key is blue.",
}

GIVEN = """
len(P) == lenP() == ctx.len_chars() == len(ctx)
P is context and P is CONTEXT
list(FILES) == ["a.txt", "b.txt"]
peek(3) == ctx.peek(3) == "One"
tail(5) == ctx.tail(5) == "blue."
ctx.num_documents() == 2
ctx.get_document(1).startswith("<!--") and ctx.get_document(2) is None
ctx.documents[0] == FILES["a.txt"]
ctx.document_lengths() == [len(text) for text in FILES.values()]
ctx.slice(0, 9) == ctx[0:9] == "One ferry"
ctx.find("ferry") == [(4, 9, "ferry")]
ctx.find(r"f\\w+", regex=True)[0][2] == "ferry"
[piece for _, _, piece in ctx.chunk(10, 2)][1] == P[8:18]
ctx.chunk_documents(1)[1][2] == [FILES["b.txt"]]
ctx.page(2).strip() == "The key is blue."
ctx.metadata()["num_documents"] == 2
extract_after("key is") == ctx.extract_after("key is") == "blue"
"""
FOUND = """
hits = es_search("gust limit berthing", top_k=3)
hits[0]["doc_id"] == hits[0].doc_id and hits[0].preview and hits[0].score and hits[0].metadata is not None
len(es_vector_search("gust limit", top_k=2)) == 2
len(es_hybrid_search("gust limit", deduplicate_by_doc=True)) == len(es_list_logical_doc_ids()) == 3
es_hybrid_doc_search("gust limit")[0].hit_count >= 1
es_search("gust limit", rerank=True, multi_query=1)[0].doc_id
book = next(d for d in es_scan(limit=10) if d.pages > 1).doc_id
es_count("gust") >= 1 and es_count() == 3
sum(f.count for f in es_facets("extension")) == 3
es_schema().documents == 3 and "extension" in [field.name for field in es_schema().fields]
{hit.doc_id for hit in es_hybrid_search_in_doc(book, "ship")} == {book}
whole = es_get(book)
whole["content"][:9] == es_read(book, 0, 9).text == es_get_text(book)[:9]
es_get(book, pages=1).text == es_get_pages(book, [1])[0].text
es_get_pages_text(book, [1]).startswith("<!-- Page 1 -->")
word = re.findall(r"[A-Za-z]{6,}", whole.content)[-1]
found = es_find_pages(book, word)
found[0].page_num in [page.number for page in es_get_pages(book, [found[0].page_num], radius=1)]
word in es_find_pages_text(book, word)
es_outline(book).headings is not None
es_grep(word, max_matches=1)[0].doc_id and "looked through" in es_grep(word).coverage
"""
PAGED = """
book in list_pdfs() and whole.title in search_corpus(whole.title)
path = resolve_doc_path(book)
"1" in get_pdf_info(path)
read_pdf_pages(path, [1]).startswith("<!-- Page 1 -->")
"|" in extract_table(path, 1)
isinstance(search_in_pdf(path, word), str)
search_corpus_structured("gust")[0]["path"]
"""
DELEGATED = """
llm_query("say a") == "A"
llm_batch(["say a", "say b", "say a"]) == llm_query_batched(["say a", "say b", "say a"]) == ["A", "B", "A"]
llm_query_batch(["a", "b"], question="say what?") == ["A", "B"]
llm_query("say a", model="root", max_tokens=5) == "root: A"
llm_query("say what?", text="a", split=True) == "A"
ask("say what?", "a") == ask_chunk("say what?", "a") == "A"
ask_chunks("say what?", ["a", "b"]) == ask_chunked("say what?", ["a", "b"]) == ["A", "B"]
len(ask_chunks("say what?", ctx, chunk_size=40)) == len(ctx.chunk(40))
ask_chunks_first("say what?", ["none", "b"]) == pick_first_answer(["none", "B"]) == "B"
llm_query_json("give json") == llm_batch_json(["give json"])[0] == {"n": 1}
llm_query_records("give json") == [{"n": 1}]
bool(llm_batch(["say a", "fail"])[1]) is False
rlm_query("deeper") == "42"
rlm_query_batched(["deeper"]) == ["42"]
"""
EXHAUSTIVE = """
rows = map_documents("give json", schema={"n": "int"})
rows.coverage.startswith("3 of 3 documents") and sum(row.n for row in rows) == 3 and not rows.failed
map_documents(lambda doc: {"n": len(doc.text)}, {"extension": "pdf"})[0].n == len(whole.content)
map_hits("give json", "gust limit", schema={"n": "int"}, top_k=2).coverage.startswith("2 of 2")
"""
ENDING = """
mark = cite(hits[0], es_read(hits[0].doc_id, hits[0].start, hits[0].start + 80).text)
re.fullmatch(r"\\\\[\\\\d+\\\\]", mark) is not None
isinstance(budget(), object) and "sub" in str(budget())
double(21) == 42
notes == [] and answer == {"content": "", "ready": False}
"""
QUESTION = "What is all this?"
UNCALLED = {"FINAL", "FINAL_VAR", "SUBMIT", "SHOW_VARS", "documents_to_map"}
"""Those that end a run or answer in a message of their own, and one that `map_documents` calls."""


def double(n: int) -> int:
    """Twice as much."""
    return 2 * n


def cell(lines: str) -> str:
    """A cell that carries out each line: an assignment, or a claim, which is printed where it does not hold."""
    code = []
    for line in lines.replace("\\\\", "\\").strip().splitlines():
        is_assignment = re.match(r"\w+ = ", line)
        code.append(line if is_assignment else f"if not ({line}): print('NOT:', {line!r})")
    return "```python\n" + "\n".join([*code, "print('done')"]) + "\n```"


def sub(messages: Sequence[Message]) -> str:
    prompt = messages[-1].content
    if "give json" in prompt:
        return '{"n": 1}'
    if prompt == "fail":
        raise ModelUnavailable("busy")
    text = re.sub(r"</?text.*?>", "", prompt).strip()
    return text.split()[-1].upper() if "say" in prompt else "[1]"


def root(cells: Sequence[str]) -> ScriptedModel:
    """Plays the cells; answers as a sub-model and as the model of a sub-run, too."""

    def reply(messages: Sequence[Message]) -> str:
        asked = messages[1].content
        if asked == QUESTION:
            turn = sum(message.role == "assistant" for message in messages)
            assert turn < len(cells), messages[-1].content
            return cells[turn]
        return "```python\nes_search('gust')\nFINAL('42')\n```" if asked == "deeper" else f"root: {sub(messages)}"

    return ScriptedModel(reply, name="big")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vocabulary")
    texts = [ARCHIVE / name for name in ("operations/berthing-procedure-v3-2024.md", "incidents/incident-register.csv")]
    pdf = ARCHIVE / "finance" / "2022-10-18-budget-2023-draft.pdf"
    command = [sys.executable, "-c", "from ingest.cli import main; main()", *map(str, [pdf, *texts])]
    command += ["--index", str(folder / "index"), "--embedder", "retrievers.embedders.hashing:HashingEmbedder"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "index"


def test_every_name_works_in_one_session(index: Path) -> None:
    parts = (GIVEN, FOUND, PAGED, DELEGATED, EXHAUSTIVE, ENDING)
    bound = "\n".join(f"{name}.__name__ == '{name}'" for name in BOUND)
    spoiled = "```python\nes_search = llm_query = json = len = None\n```"
    restored = cell("es_search('gust')[0].doc_id\nllm_query('say a') == 'A'\nlen('ab') == 2")
    cells = [*map(cell, parts), cell(bound), spoiled, restored, "```python\nSHOW_VARS()\nx = 1\n```"]
    events: list[AnyEvent] = []
    rlm = RLM(
        model=root([*cells, "```python\nFINAL(f'All of it {mark}')\n```"]),
        sub_model=ScriptedModel(sub, name="small"),
        retriever=index,
        doc_tools=True,
        tools=[double],
        limits=Limits(subcalls=500),
        listeners=[events.append],
    )
    answer = rlm.run(QUESTION, context=TEXTS)

    ran = [event for event in events if isinstance(event, CellFinished) and not event.depth]
    assert [event.error for event in ran] == [""] * len(ran)
    assert [event.stdout.strip() for event in ran[: len(parts) + 1]] == ["done"] * (len(parts) + 1)
    assert "mark: str" in ran[-2].shown
    assert (answer.status, answer.text, len(answer.citations)) == ("answered", "All of it [1]", 1)

    told = " ".join(parts)
    offered = re.findall(r"^- (\w+)\(", rlm.model.asked[0].system, re.MULTILINE)  # type: ignore[attr-defined]
    assert len(offered) > 30
    for name in (*offered, *UNTOLD, *VARIABLES):
        assert name in UNCALLED or re.search(rf"\b{name}\b", told), f"{name} is not called here"
