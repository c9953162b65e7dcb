"""The router: what is small goes straight to the model, what is large through a run.

python examples/router.py                           # stand-ins for the model
python examples/router.py ollama:qwen3:8b           # a real one
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rlm_search import RLM, Message, Router, ScriptedModel
from rlm_search.router import Profile

NOTE = "The harbour of Port Ellis is run by Mara Quist since 2019. "
FILLER = "The ferry leaves the harbour at six and returns at nine. " * 400
QUESTION = "Who runs the harbour of Port Ellis?"

PROGRAM = r"""
name = re.search(r"is run by (\w+ \w+)", P)
FINAL(name[1] if name else "the text does not say", found=bool(name))
"""


def stand_in(messages: Sequence[Message]) -> str:
    """Reads what it is shown, and writes a program where it is shown nothing."""
    if "run by Mara Quist" in messages[-1].content:
        return "Mara Quist."
    return f"A sentence will say so: look for it with code.\n```python{PROGRAM}```"


def main(model: str = "") -> None:
    router = Router(RLM(model=model or ScriptedModel(stand_in)), threshold=8_000)
    for name, text in (("a note", NOTE), ("a long text", FILLER + NOTE + FILLER)):
        routed = router.run(QUESTION, text, profile=Profile.DETERMINISTIC_FIRST)
        size = f"{routed.characters:,} characters, {routed.tokens:,} tokens"
        print(f"{name} ({size}): {routed.method}: {routed.answer.text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
