"""The retrieval functions of the REPL on a real index, in the real sandbox, with scripted models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlm_search import RLM, Limits, ScriptedModel
from rlm_search.trace.events import AnyEvent, CellFinished

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[3] / "examples"
CELLS = (
    "r = es_grep(r'\\b3[0-9] knots', max_matches=50)\nprint(r.coverage)\nm = cite(r[0], r[0].text[:60])\nprint(m)",
    "d = [x for x in es_scan(limit=1_000) if x.pages > 2][0]\nprint(len(es_list_logical_doc_ids()))\n"
    "o = es_outline(d.doc_id)\n"
    "print(o.headings[0].title in es_get_text(d.doc_id), o.headings[-1].pages[0] <= d.pages)\n"
    "f = es_find_pages(d.doc_id, o.headings[-1].title)\nprint(o.headings[-1].pages[0] in [x.page_num for x in f])\n"
    "print([p.number for p in es_get_pages(d.doc_id, [2], radius=1)])\n"
    "print({h.doc_id for h in es_hybrid_search_in_doc(d.doc_id, 'price')} == {d.doc_id})",
    "rows = map_documents('How long is it?', schema={'n': 'int'})\nprint(rows.coverage, min(r.n for r in rows) > 100)\n"
    "own = map_documents(lambda doc: {'knots': doc.text.count('knots')}, {'language': 'en'})\n"
    "print(sum(r.knots > 0 for r in own) >= 5, own.coverage)",
    "h = es_hybrid_search('gust limit', rerank=True, multi_query=1, deduplicate_by_doc=True)\n"
    "print(len(h), h[0].hit_count >= 1)",
    "print(read_pdf_pages(d.source, [1])[:15])\nprint(d.source in list_pdfs())",
    "FINAL('Found ' + m)",
)


def test_all_families_work_on_the_archive(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from ingest.cli import main; main()"]
    index = tmp_path / "index"
    subprocess.run([*command, str(EXAMPLES / "archive"), "--index", str(index)], check=True, capture_output=True)
    events: list[AnyEvent] = []
    rlm = RLM(
        model=ScriptedModel([f"```python\n{cell}\n```" for cell in CELLS]),
        sub_model=ScriptedModel(lambda messages: json.dumps({"n": len(messages[-1].content)}), name="small"),
        retriever=index,
        doc_tools=True,
        limits=Limits(subcalls=500),
        listeners=[events.append],
    )
    answer = rlm.run("What is the gust limit?")
    cells = [event for event in events if isinstance(event, CellFinished)]
    assert [cell.error for cell in cells] == [""] * len(CELLS)
    said = [cell.stdout.strip().splitlines() for cell in cells]
    assert said[0][0].startswith("looked through 37 documents, which is all")
    assert said[1] == ["37", "True True", "True", "[1, 2, 3]", "True"]
    assert said[2][0] == "37 of 37 documents True"
    assert said[2][1].startswith("True ")
    assert said[3] == ["10 True"]
    assert said[4] == ["<!-- Page 1 -->", "True"]
    assert (answer.status, len(answer.citations)) == ("answered", 1)
