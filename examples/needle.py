"""A needle in a million lines: a number hidden in 38 MB of random words, which no model could be shown.

python examples/needle.py                            # a script stands in for the model
python examples/needle.py openai:gpt-5-mini          # a real one
python examples/needle.py "" 10000                   # fewer lines
"""

from __future__ import annotations

import random
import sys
import time

from rlm_search import RLM, ScriptedModel

LINES = 1_000_000
WORDS = "blah random text data content information sample harbour rope lamp bread gust berth".split()  # noqa: SIM905  # reads better
QUESTION = "Somewhere in the text a line says what the magic number is. What is it?"

LOOK = """
print(len(P), peek(200))
print(ctx.find("magic number", case_sensitive=False))
"""
ANSWER = """
start, end, _ = ctx.find("magic number", case_sensitive=False)[0]
FINAL(re.search(r"\\d+", P[end:end + 60])[0])
"""


def haystack(lines: int, needle: int) -> str:
    """Lines of random words, one of which, in the middle half, holds the needle."""
    rows = [" ".join(random.choices(WORDS, k=6)) for _ in range(lines)]
    rows[random.randrange(lines // 4, lines * 3 // 4)] = f"The magic number is {needle}."
    return "\n".join(rows)


def main(model: str = "", lines: str = str(LINES)) -> None:
    needle = random.randrange(1_000_000, 10_000_000)
    text = haystack(int(lines), needle)
    stand_in = ScriptedModel([f"Look first.\n```python{LOOK}```", f"There it is.\n```python{ANSWER}```"])
    began = time.perf_counter()
    answer = RLM(model=model or stand_in).run(QUESTION, context=text)
    print(f"hidden in {int(lines):,} lines, {len(text) / 1e6:.0f} million characters: {needle}")
    print(f"answered after {time.perf_counter() - began:.1f} s, {answer.steps} steps: {answer.text} {answer.reason}")
    print(f"tokens that the model read and wrote: {answer.usage['root'].total_tokens:,}")


if __name__ == "__main__":
    main(*sys.argv[1:])
