"""A model of your own: a class with a `name` and a method `complete`.

Here it is a reader without a network: it answers with the sentence that shares most words with the question. It is the
sub-model, which `llm_query` and `llm_batch` ask; the root model writes the program.

    python examples/custom_model.py                      # a script stands in for the root model
    python examples/custom_model.py openai:gpt-5-mini    # a real root model, and still this reader below it

On the command line, `--sub-model examples.custom_model:NearestSentence`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from rlm_search import RLM, CallOptions, Completion, Message, ScriptedModel, Usage

LETTERS = [
    "Dear Mara, the bakery opens on Tuesdays. Rye bread costs four crowns. Yours, Ole.",
    "Dear Ole, the ferry now leaves the harbour at six. It returns at nine. Yours, Mara.",
    "Dear Mara, the lamp of the lighthouse was mended. The keeper is pleased. Yours, Ole.",
]
QUESTION = "When does the ferry leave the harbour, and which letter says so?"

PROGRAM = """
said = llm_batch([f"Question: when does the ferry leave the harbour?\\nText:\\n{letter}" for letter in ctx.documents])
number = next(n for n, sentence in enumerate(said) if "ferry" in sentence)
FINAL(f"Letter {number + 1}: {said[number]}")
"""


class NearestSentence:
    """Quotes the sentence of a text that is nearest to the question. Safe to call from several threads at once."""

    name = "nearest-sentence"

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        question, _, text = messages[-1].content.partition("\nText:\n")
        wanted = set(_words(question))
        sentences = re.split(r"(?<=[.!?])\s+", text)
        best = max(sentences, key=lambda sentence: len(wanted & set(_words(sentence))))
        usage = Usage(input_tokens=len(_words(text)), output_tokens=len(_words(best)), calls=1)
        return Completion(text=best, usage=usage, model=self.name)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def main(model: str = "") -> None:
    stand_in = ScriptedModel([f"Each letter is read by itself.\n```python{PROGRAM}```"])
    answer = RLM(model=model or stand_in, sub_model=NearestSentence()).run(QUESTION, context=LETTERS)
    print(answer.status, answer.reason)
    print(answer.text)
    print(f"tokens of the sub-model: {answer.usage['sub'].total_tokens}")


if __name__ == "__main__":
    main(*sys.argv[1:])
