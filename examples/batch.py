"""Many prompts at once with `llm_batch`, beside the same one after the other; and many questions at once.

python examples/batch.py                            # the stand-in takes a fifth of a second to answer
python examples/batch.py ollama:qwen3:8b            # a real model
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rlm_search import RLM, Message, ScriptedModel

REVIEWS = [f"Crossing {n}: {'smooth and on time' if n % 3 else 'late, and the coffee was cold'}." for n in range(12)]
SECONDS = 0.2

PROGRAM = """
prompts = [f"Is this review good or bad? Reply with one word.\\n{review}" for review in ctx.documents]
import time
began = time.monotonic()
one_by_one = [llm_query(prompt + " ") for prompt in prompts]
between = time.monotonic()
at_once = llm_batch(prompts)
print(f"one by one {between - began:.1f} s, at once {time.monotonic() - between:.1f} s")
FINAL(f"{sum('good' in said.lower() for said in at_once)} of {len(at_once)} are good")
"""


def judge(messages: Sequence[Message]) -> str:
    time.sleep(SECONDS)  # as a model takes its time
    return "bad" if "cold" in messages[-1].content else "good"


def main(model: str = "") -> None:
    root = ScriptedModel(lambda _: f"Each review is judged by itself.\n```python{PROGRAM}```")
    rlm = RLM(model=model or root, sub_model=model or ScriptedModel(judge, name="judge"))
    for event in rlm.stream("How many of the reviews are good?", context=REVIEWS):
        if printed := getattr(event, "stdout", ""):
            print(printed.strip())
    questions = [
        f"How many of the reviews are good? (asked for the {nth} time)" for nth in ("first", "second", "third")
    ]
    for outcome in rlm.run_many(questions, workers=3, context=REVIEWS):
        print(f"{outcome.question} {outcome.answer.text if outcome.answer else outcome.error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
