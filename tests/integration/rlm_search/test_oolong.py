"""Questions that need every item of a long context, answered exactly: what the session offers is enough for them.

The root model is a script that sees what a model sees, the question, and writes programs of what every session has.
The sub-model labels the items that it is shown, as the gold labels say; it is told nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_search import RLM, Limits, Message, ScriptedModel
from rlm_search.trace.events import AnyEvent, CellFinished

pytestmark = pytest.mark.integration

LABEL_ALL = r"""
labels = re.search(r"one of: ([^.]+)\.", P)[1].split(", ")
items = re.findall(r"^Date: (.+?) \|\| User: (\d+) \|\| Instance: (.*)$", P, re.MULTILINE)
groups = [items[n:n + 20] for n in range(0, len(items), 20)]
rule = f"Give the label of each instance, one of {labels}, as a JSON list in their order."
prompts = [rule + "".join(f"\nInstance: {text}" for _, _, text in group) for group in groups]
said = llm_batch_json(prompts, schema={"type": "array", "items": {"enum": labels}})
print("failed:", [one for one in said if not one])
Row = collections.namedtuple("Row", "date user label")
rows = [
    Row(datetime.datetime.strptime(date, "%b %d, %Y"), user, label)
    for group, found in zip(groups, said, strict=True)
    for (date, user, _), label in zip(group, found, strict=True)
]
print(len(rows), "of", len(items))
"""

MAP_ALL = r"""
labels = @LABELS@
said = map_documents("What kind of instance is it?", schema={"label": "str"})
known = map_documents(lambda doc: {"user": str(doc.metadata["user"]), "day": doc.metadata["day"]})
facts = {row.doc_id: row for row in known}
print(said.coverage, known.coverage)
Row = collections.namedtuple("Row", "date user label")
rows = [
    Row(datetime.datetime.strptime(facts[row.doc_id].day, "%b %d, %Y"), facts[row.doc_id].user, row.label)
    for row in said
]
"""

PROGRAMS = {
    r"Considering only user (?P<user>\d+), which label is most common": """
        FINAL(collections.Counter(row.label for row in rows if row.user == "{user}").most_common(1)[0][0])""",
    r"Considering only user (?P<user>\d+), how many instances have the label '(?P<label>.+?)'": """
        FINAL(str(sum(row.user == "{user}" and row.label == "{label}" for row in rows)))""",
    r"Which label is the most common": """
        FINAL(collections.Counter(row.label for row in rows).most_common()[0][0])""",
    r"Which label is the least common": """
        counts = {name: sum(row.label == name for row in rows) for name in labels}
        FINAL(min(counts, key=counts.get))""",
    r"Which user has the most instances with the label '(?P<label>.+?)'": """
        FINAL(collections.Counter(row.user for row in rows if row.label == "{label}").most_common(1)[0][0])""",
    r"Is the label '(?P<one>.+?)' more common.+ compared with '(?P<other>.+?)'": """
        one, other = (sum(row.label == name for row in rows) for name in ("{one}", "{other}"))
        FINAL("more common" if one > other else "less common" if one < other else "equally common")""",
    r"relative frequency of the label '(?P<label>.+?)' higher before (?P<date>.+?) or": """
        day = datetime.datetime.strptime("{date}", "%b %d, %Y")
        halves = [row.label for row in rows if row.date < day], [row.label for row in rows if row.date >= day]
        before, after = (half.count("{label}") / len(half) for half in halves)
        FINAL("before" if before > after else "after")""",
    r"dated before (?P<date>.+?), how many have the label '(?P<label>.+?)'": """
        day = datetime.datetime.strptime("{date}", "%b %d, %Y")
        FINAL(str(sum(row.date < day and row.label == "{label}" for row in rows)))""",
    r"How many instances have the label '(?P<label>.+?)'": """
        FINAL(str(sum(row.label == "{label}" for row in rows)))""",
}
"""What to compute once every item has its label, by the words of the question."""


def program(question: str) -> str:
    """The code for a question, as a model would write it."""
    pattern, code = next((pattern, code) for pattern, code in PROGRAMS.items() if re.search(pattern, question))
    match = re.search(pattern, question)
    assert match is not None
    for name, value in match.groupdict().items():
        code = code.replace("{" + name + "}", value)
    return "\n".join(line[8:] for line in code.splitlines())


def root(messages: Sequence[Message]) -> str:
    """Labels all items in the first question of a session, then counts."""
    is_first = "This question follows others" not in messages[0].content
    if is_first and len(messages) == 2:
        return f"Every item has to be labelled first.\n```python{LABEL_ALL}```"
    return f"```python{program(messages[1].content)}\n```"


class GoldLabels:
    """A sub-model that knows the label of each instance, and no more."""

    name = "gold"

    def __init__(self, task: dict[str, Any]) -> None:
        texts = re.findall(r"\|\| Instance: (.*)$", task["context"], re.MULTILINE)
        self.labels = dict(zip(texts, task["gold_labels"], strict=True))

    def __call__(self, messages: Sequence[Message]) -> str:
        texts = re.findall(r"^Instance: (.*)$", messages[-1].content, re.MULTILINE)
        return json.dumps([self.labels[text] for text in texts])


def tasks() -> list[Any]:
    path = Path(os.environ.get("RLM_SEARCH_TEST_DATA", "")) / "oolong-like" / "tasks.jsonl"
    if not path.is_file():
        return [pytest.param({}, id="oolong-like", marks=pytest.mark.skip("RLM_SEARCH_TEST_DATA is not set"))]
    read = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [pytest.param(task, id=task["_id"]) for task in read]


MADE_UP: dict[str, Any] = {
    "context": "The following lines contain 4 remarks; each can be labelled by its kind, one of: praise, blame.\n\n"
    "Date: Jun 17, 2023 || User: 1 || Instance: well done\n"
    "Date: Sep 07, 2023 || User: 2 || Instance: poor work\n"
    "Date: Nov 19, 2023 || User: 2 || Instance: very good\n"
    "Date: Feb 14, 2024 || User: 2 || Instance: thank you",
    "gold_labels": ["praise", "blame", "praise", "praise"],
    "questions": [
        {"question": "How many instances have the label 'praise'?", "answer": 3},
        {"question": "Which user has the most instances with the label 'praise'?", "answer": "2"},
        {"question": "Among instances dated before Oct 01, 2023, how many have the label 'praise'?", "answer": 1},
    ],
}


@pytest.mark.parametrize("task", [pytest.param(MADE_UP, id="made-up"), *tasks()])
def test_every_question_to_a_context_is_answered_exactly(task: dict[str, Any]) -> None:
    sub = ScriptedModel(GoldLabels(task))
    wrong = []
    with RLM(model=ScriptedModel(root), sub_model=sub).session(context=task["context"]) as session:
        for asked in task["questions"]:
            answer = session.run(asked["question"])
            if (answer.status, answer.text) != ("answered", str(asked["answer"])):
                wrong.append((asked["question"], asked["answer"], answer.text, answer.reason))
    assert not wrong
    assert len(sub.asked) == -(-len(task["gold_labels"]) // 20)  # each item was labelled once, for all questions


def test_items_in_an_index_are_all_asked_about_and_counted_exactly(tmp_path: Path) -> None:
    task = next((param.values[0] for param in tasks() if param.values[0]), MADE_UP)
    items = re.findall(r"^Date: (.+?) \|\| User: (\d+) \|\| Instance: (.*)$", task["context"], re.MULTILINE)
    records = [
        {"_id": f"i{n:04}", "text": text, "metadata": {"user": user, "day": day}}
        for n, (day, user, text) in enumerate(items)
    ]
    file = tmp_path / "items.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    command = [sys.executable, "-c", "from ingest.cli import main; main()", str(file)]
    command += ["--index", str(tmp_path / "index"), "--embedder", "none"]
    subprocess.run(command, check=True, capture_output=True)

    gold = GoldLabels(task).labels
    events: list[AnyEvent] = []

    def label(messages: Sequence[Message]) -> str:
        asked = re.search(r"<document[^>]*>\n(.*)\n</document>", messages[-1].content, re.DOTALL)
        assert asked is not None
        return json.dumps({"label": gold[asked[1].strip()]})

    def play(messages: Sequence[Message]) -> str:
        if "This question follows others" not in messages[0].content and len(messages) == 2:
            return f"```python{MAP_ALL.replace('@LABELS@', repr(sorted(set(task['gold_labels']))))}```"
        return f"```python\n{program(messages[1].content)}\n```"

    sub = ScriptedModel(label)
    limits = Limits(subcalls=len(items))
    rlm = RLM(
        model=ScriptedModel(play), sub_model=sub, retriever=tmp_path / "index", limits=limits, listeners=[events.append]
    )
    with rlm.session() as session:
        answers = {asked["question"]: session.run(asked["question"]).text for asked in task["questions"]}
    assert answers == {asked["question"]: str(asked["answer"]) for asked in task["questions"]}
    assert len(sub.asked) == len(items)
    whole = f"{len(items):,} of {len(items):,} documents"
    assert next(event.stdout for event in events if isinstance(event, CellFinished)).strip() == f"{whole} {whole}"
