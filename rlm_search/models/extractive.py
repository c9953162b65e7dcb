"""The extractive reader: a `Model` without a language model, which plays the loop with a fixed program of cells."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources

from rlm_search.policy import RunFailed
from rlm_search.types import CallOptions, Completion, Message, Usage

NAME = "extractive"

_LOOK = """{program}
question = {question!r}
readers = [Reader(part, es_hybrid_search, es_read, {count}) for part in parts_of(question)]
for reader in readers:
    print(reader.look())"""

_WEIGH = """ranked = [reader.weigh() for reader in readers]
best = chosen(readers, ranked)
for sentence in ranked[0][:10]:
    print(sentence)"""

_ANSWER = """lines = []
unread = len({doc_id for reader in readers for doc_id in reader.unread})
left_out = f" ({unread} of the documents that were found could not be read.)" if unread else ""
for sentence in best:
    marker = cite({"doc_id": sentence.doc_id, "start": sentence.start, "end": sentence.end}, sentence.text)
    lines.append(f"{quoted(sentence.text)} {marker}")
if not lines:
    unknown = ", ".join(readers[0].unknown)
    missing = f" No document has the words: {unknown}." if unknown else ""
    FINAL(f"No passage answers this.{missing}{left_out}", found=False)
else:
    if asks_to_count(question) and len(lines) > 1:
        lines.append("(Nothing was counted: these are the passages that fit best.)")
    if left_out:
        lines.append(left_out.strip())
    FINAL("\\n".join(lines))"""

_BY_WORDS = """readers = [Reader(part, es_search, es_read) for part in parts_of(question)]
for reader in readers:
    print(reader.look())"""

_STEPS = (_WEIGH, _ANSWER)

_GIVE_UP = "the extractive reader could not read this index"


class ExtractiveModel:
    """Quotes the sentences that fit a question best, or says that none does. It knows nothing and reasons nothing.

    Its replies are cells of Python that use the tools of the REPL, as those of a language model are, so that budgets,
    evidence, checked citations and traces are the same. It uses no tokens.
    """

    name = NAME

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """The next cell, by how many there were.

        Raises:
            RunFailed: a cell failed that must not.
        """
        said = sum(message.role == "assistant" for message in messages)
        text = self._reply(messages, said)
        if options.on_text is not None:
            options.on_text(text)
        return Completion(text=text, usage=Usage(calls=1), model=NAME)

    def _reply(self, messages: Sequence[Message], said: int) -> str:
        if said == 0:
            return _look(messages)
        has_failed = "<error>" in messages[-1].content.rpartition("</output>")[2]  # not in what was printed
        if has_failed:  # an index without vectors is still searched by words
            if said == 1:
                return _cell(_BY_WORDS)
            raise RunFailed(_GIVE_UP)
        done = [step for step in _STEPS if any(step in message.content for message in messages)]
        if len(done) == len(_STEPS):
            raise RunFailed(_GIVE_UP)
        return _cell(_STEPS[len(done)])


def _look(messages: Sequence[Message]) -> str:
    tools = messages[0].content
    if "- es_read(" not in tools:
        return "NOT_FOUND: the extractive reader quotes documents, and there are none to search."
    question = next(message.content for message in messages if message.role == "user")
    return _cell(
        _LOOK.format(
            program=_program(),
            question=question,
            count="es_count" if "- es_count(" in tools else "None",
        )
    )


def _cell(code: str) -> str:
    return f"```python\n{code}\n```"


@cache
def _program() -> str:
    return resources.files("rlm_search.models").joinpath("reader.py").read_text(encoding="utf-8")
