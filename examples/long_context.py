"""The same question at 5 to 120 documents: the bare model, which is sent all of them, beside a run over them.

    python examples/long_context.py                            # stand-ins; the reader has a window of 20,000 tokens
    python examples/long_context.py openai:gpt-5-mini          # a real model, both ways
    python examples/long_context.py openai:gpt-5-mini 5,500    # other numbers of documents

A bare model fails once the documents are more than it reads, and often before. A run has each document read by itself,
so that the number of them does not matter.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Sequence

from rlm_search import RLM, ContextTooLong, Message, ModelError, ScriptedModel

NUMBERS = "5,20,50,120"
WINDOW = 20_000
TERM = "oolong"
QUESTION = "What is the key term that one of the documents names?"

PROGRAM = """
said = llm_batch([f"What is the key term? Reply with it alone, or with NO_ANSWER.\\n{text}" for text in ctx.documents])
found = pick_first_answer(said)
FINAL(found or "no document names one", found=found is not None)
"""


def documents(number: int) -> list[str]:
    """Reports of two to three thousand characters; one of them names the key term."""
    words = "the harbour master notes that wind tide berth and cargo were as usual this week".split()  # noqa: SIM905  # reads better
    texts = [f"Report {n}. " + " ".join(random.choices(words, k=500)) + "." for n in range(number)]
    texts[random.randrange(number)] += f" The key term is {TERM}."
    return texts


def reader(messages: Sequence[Message]) -> str:
    """Stands in for a model that reads well, and not more than its window."""
    text = messages[-1].content
    if len(text) > WINDOW * 4:  # about four characters to a token
        raise ContextTooLong(f"{len(text) // 4:,} tokens are more than {WINDOW:,}")
    named = re.search(r"key term is (\w+)", text)
    return named[1] if named else "NO_ANSWER"


def bare(rlm: RLM, texts: Sequence[str]) -> str:
    try:
        return rlm.ask(QUESTION, "\n\n".join(texts)).text
    except ModelError as error:
        return f"({type(error).__name__}: {error.message})"


def main(model: str = "", numbers: str = NUMBERS) -> None:
    print(f"{'documents':>9}  {'characters':>10}  {'a run':<12} {'its tokens':>10}  the bare model")
    for number in map(int, numbers.split(",")):
        texts = documents(number)
        root = ScriptedModel([f"Each document is read by itself.\n```python{PROGRAM}```"])
        rlm = RLM(model=model or root, sub_model=model or ScriptedModel(reader, name="reader"))
        answer = rlm.run(QUESTION, context=texts)
        used = sum(usage.total_tokens for usage in answer.usage.values())
        alone = bare(RLM(model=model or ScriptedModel(reader, name="reader")), texts)
        print(f"{number:>9}  {sum(map(len, texts)):>10,}  {answer.text:<12} {used:>10,}  {alone}")


if __name__ == "__main__":
    main(*sys.argv[1:])
