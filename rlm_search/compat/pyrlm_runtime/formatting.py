"""`TraceFormatter`: the steps of a run and the results of several as text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlm_search.compat.pyrlm_runtime.trace import Trace, TraceStep

if TYPE_CHECKING:
    from rlm_search.compat.pyrlm_runtime.router import RouterResult

_COLUMNS = ("chars", "method", "profile", "tokens", "time", "output")
_SHOWN_STEPS = 5
_SAYS = (
    (re.compile(r"re\.(?:search|findall|finditer)\s*\(\s*r?[\"']([^\"']+)"), "regex: {}"),
    (re.compile(r"extract_after\s*\(\s*[\"']([^\"']+)"), "extract_after('{}')"),
    (re.compile(r"\b(llm_query|llm_batch|ask_chunks|ask)\s*\("), "subcall"),
    (re.compile(r"FINAL(?:_VAR)?\s*[:(]\s*[\"']?(\w+)"), "FINAL → {}"),
    (re.compile(r"\b(peek|tail)\s*\("), "{}()"),
)
"""What a cell does in a word, by what it calls first."""


class TraceFormatter:
    """Puts traces and results into a few lines.

    Args:
        verbose: whole first lines of code, in place of what they do.
        max_code_width: characters of a line of code.
        show_timing: seconds of each step.
    """

    def __init__(self, *, verbose: bool = False, max_code_width: int = 60, show_timing: bool = True) -> None:
        self.verbose, self.max_code_width, self.show_timing = verbose, max_code_width, show_timing

    def format(self, trace: Trace) -> str:
        """A line for each step, and one of totals."""
        return "\n".join([*map(self._step, trace.steps), "", _totals(trace)])

    def format_table(self, results: Sequence[RouterResult], headers: Sequence[str] | None = None) -> str:
        """Results under one another."""
        if not results:
            return "No results to display."
        rows = [tuple(headers or _COLUMNS), *map(_row, results)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(_COLUMNS))]
        lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def format_comparison(self, baseline_result: RouterResult, rlm_result: RouterResult) -> str:
        """The bare model beside the run."""
        steps = rlm_result.trace.steps
        more = [f"  ... ({len(steps) - _SHOWN_STEPS} more steps)"] if len(steps) > _SHOWN_STEPS else []
        return "\n".join(
            [
                f"BASELINE vs RLM, context: {baseline_result.context_chars:,} chars",
                "",
                *_told("BASELINE", baseline_result),
                *_told("RLM", rlm_result),
                f"  Profile: {rlm_result.profile.value}",
                "",
                "RLM Trace:",
                *(f"  {self._step(step)}" for step in steps[:_SHOWN_STEPS]),
                *more,
            ]
        )

    def _step(self, step: TraceStep) -> str:
        parts = [f"[{step.step_id}] {'  ' * step.depth}{step.kind}"]
        said = self._code(step.code) if step.code else (step.output or step.prompt_summary or "")
        parts += [_short(said, self.max_code_width)] if said else []
        parts += [f"{step.usage.total_tokens} tokens"] if step.usage else []
        parts += [f"{step.elapsed:.2f}s"] if self.show_timing and step.elapsed is not None else []
        parts += ["cached"] if step.cache_hit else []
        parts += [f"ERROR {_short(step.error.splitlines()[-1], self.max_code_width)}"] if step.error else []
        return " | ".join(parts)

    def _code(self, code: str) -> str:
        if not self.verbose:
            for pattern, said in _SAYS:
                if match := pattern.search(code):
                    return said.format(_short(match[1], 30))
        return code.strip().partition("\n")[0]


def _totals(trace: Trace) -> str:
    tokens = sum(step.usage.total_tokens for step in trace.steps if step.usage)
    kinds = Counter(step.kind for step in trace.steps)
    cached, errors = sum(step.cache_hit for step in trace.steps), sum(bool(step.error) for step in trace.steps)
    parts = [f"Total: {len(trace.steps)} steps", *(f"{kinds[kind]} {kind}" for kind in kinds), f"{tokens} tokens"]
    parts += [f"{cached} cached"] if cached else []
    parts += [f"{errors} errors"] if errors else []
    return "Summary: " + ", ".join(parts)


def _row(result: RouterResult) -> tuple[str, ...]:
    seconds = f"{result.elapsed:.2f}s" if result.elapsed else "-"
    output = _short(result.output.replace("\n", " "), 30)
    chars, tokens = f"{result.context_chars:,}", str(result.tokens_used)
    return chars, result.method, result.profile.value[:12], tokens, seconds, output


def _told(title: str, result: RouterResult) -> list[str]:
    seconds = [f"  Time: {result.elapsed:.2f}s"] if result.elapsed else []
    return [f"{title}:", f"  Output: {_short(result.output, 80)}", f"  Tokens: {result.tokens_used}", *seconds]


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}..."
