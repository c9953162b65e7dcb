"""The steps of a run on a terminal, as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlm_search.compat.pyrlm_runtime.events import RLMEvent
from rlm_search.compat.pyrlm_runtime.trace import TraceStep

if TYPE_CHECKING:
    from rich.console import Console


class RichTraceListener:
    """Prints a panel for each step: code and output of a cell, prompt and reply of a call.

    Args:
        console: where to; by default the standard output.
        max_output_length: characters of each text that are shown.
    """

    def __init__(self, console: Console | None = None, max_output_length: int = 2_000) -> None:
        from rich.console import Console

        self._console = console or Console()
        self._longest = max_output_length

    def handle(self, event: RLMEvent) -> None:
        """Print one event."""
        match event.kind:
            case "run_started":
                self._panel("question", event.query or "")
            case "step_completed" if event.step is not None:
                self._panel(_title(event.step), _body(event.step))
            case "run_finished":
                self._panel(f"answer · {event.total_steps} steps · {event.tokens_used:,} tokens", event.output or "")
            case _:
                pass

    def _panel(self, title: str, text: str) -> None:
        from rich.panel import Panel
        from rich.text import Text

        shown = text if len(text) <= self._longest else f"{text[: self._longest]}…"
        self._console.print(Panel(Text(shown), title=Text(title), title_align="left"))


def _title(step: TraceStep) -> str:
    parts = [f"{step.step_id}", step.kind, step.model or "", f"{step.elapsed:.2f} s" if step.elapsed else ""]
    return " · ".join(part for part in [*parts, "cached" if step.cache_hit else ""] if part)


def _body(step: TraceStep) -> str:
    texts = [step.code, step.output, step.stdout, step.error]
    return "\n\n".join(text.strip() for text in texts if text and text.strip())
