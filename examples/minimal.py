"""The smallest run: a question about a text that the model never sees, only works on.

python examples/minimal.py                       # a script stands in for the model: no key, no network
python examples/minimal.py ollama:qwen3:8b       # a model on this machine
python examples/minimal.py openai:gpt-5-mini     # one that is not; its key is in OPENAI_API_KEY
"""

from __future__ import annotations

import sys

from rlm_search import RLM, ScriptedModel

LOG = "\n".join(f"2024-03-{day:02} berth {day % 4 + 1}: gusts of {17 + day * 7 % 23} knots" for day in range(1, 32))
QUESTION = "On which days were the gusts stronger than 37 knots?"

PROGRAM = r"""
strong = [(day, int(knots)) for day, knots in re.findall(r"(\S+) berth \d: gusts of (\d+) knots", P) if int(knots) > 37]
FINAL("; ".join(f"{day}: {knots} knots" for day, knots in strong))
"""


def main(model: str = "") -> None:
    stand_in = ScriptedModel([f"The days and their gusts can be read by code.\n```python{PROGRAM}```"])
    answer = RLM(model=model or stand_in).run(QUESTION, context=LOG)
    print(answer.status, answer.reason)
    print(answer.text)


if __name__ == "__main__":
    main(*sys.argv[1:])
