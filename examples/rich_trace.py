"""A trace in colour: every step of a run as panels, by a listener of thirty lines; and the same run as a file.

    python examples/rich_trace.py                       # a script stands in for the model
    python examples/rich_trace.py openai:gpt-5-mini     # a real one

`rlm-search ask` has a view of its own; this shows how to make another from the events.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax

from rlm_search import RLM, Message, ScriptedModel
from rlm_search.trace.events import AnyEvent, CellFinished, CellStarted, ModelCalled, RunFinished, RunStarted
from rlm_search.trace.jsonl import JsonlWriter

TEXT = "Launch log. " + " ".join(f"Launch {n} carried {n * 7 % 5} tons for {n * 13 % 50 + 10} M." for n in range(1, 40))
QUESTION = "Which launch had the largest revenue?"

LOOK = "print(peek(120))"
ANSWER = r"""
launches = re.findall(r"Launch (\d+) carried \d tons for (\d+) M", P)
best = max(launches, key=lambda launch: int(launch[1]))
print(len(launches), "launches")
FINAL(f"Launch {best[0]}, with {best[1]} million. {llm_query('Put into one word: ' + peek(80))}")
"""


class Panels:
    """A listener that draws what happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: AnyEvent) -> None:
        match event:
            case RunStarted():
                self._console.rule(event.question)
            case CellStarted():
                self._draw(f"step {event.step}: code", Syntax(event.code.strip(), "python", word_wrap=True), "cyan")
            case CellFinished():
                failed = f"\n{event.error}" if event.error else ""
                self._draw(f"output, {event.seconds * 1000:.0f} ms", f"{event.stdout.strip()}{failed}", "green")
            case ModelCalled() if event.tier == "sub":
                self._draw(f"sub-model {event.model}", event.text, "magenta")
            case RunFinished():
                self._draw(event.status, str(event.answer["text"]), "bold yellow")
            case _:
                pass

    def _draw(self, title: str, content: object, style: str) -> None:
        self._console.print(Panel(content, title=title, title_align="left", border_style=style))  # type: ignore[arg-type]


def reply(messages: Sequence[Message]) -> str:
    if messages[-1].content.startswith("Put into one word"):
        return "Rockets."
    return f"```python\n{LOOK if len(messages) < 3 else ANSWER}\n```"


def main(model: str = "") -> None:
    path = Path(tempfile.mkdtemp()) / "run.jsonl"
    with closing(JsonlWriter(path)) as file:
        RLM(model=model or ScriptedModel(reply), listeners=[Panels(Console()), file]).run(QUESTION, context=TEXT)
    print(f"the same events, one a line: {path}; read them with `rlm-search replay {path}`")


if __name__ == "__main__":
    main(*sys.argv[1:])
