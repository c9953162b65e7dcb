"""`RLMLogger`: the iterations of a completion in the form that rlm's visualizer reads, made from our events."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from rlm_search.trace.events import AnyEvent, CellFinished, CellStarted, ModelCalled, RunFinished, RunStarted


class RLMLogger:
    """Keeps the iterations of the latest completion and, with a folder, appends them to a file of JSON lines.

    One completion at a time; give those that run at once a logger each.
    """

    def __init__(self, log_dir: str | None = None, file_name: str = "rlm") -> None:
        self.log_dir = log_dir
        self.log_file_path: str | None = None
        if log_dir is not None:
            Path(log_dir).mkdir(parents=True, exist_ok=True)
            now = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
            self.log_file_path = str(Path(log_dir) / f"{file_name}_{now}_{uuid.uuid4().hex[:8]}.jsonl")
        self._metadata: dict[str, Any] | None = None
        self._iterations: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        self._code = ""
        self._calls: list[dict[str, Any]] = []

    @property
    def iteration_count(self) -> int:
        """Of the latest completion."""
        return len(self._iterations)

    def begin(self, metadata: dict[str, Any]) -> None:
        """A completion begins; the file is told how it is configured, once."""
        if self._metadata is None:
            self._write({"type": "metadata", "timestamp": _now(), **metadata})
        self._metadata, self._iterations, self._open, self._calls = metadata, [], None, []

    def get_trajectory(self) -> dict[str, Any] | None:
        """Configuration and iterations of the latest completion; None before the first."""
        if self._metadata is None:
            return None
        return {"run_metadata": self._metadata, "iterations": list(self._iterations)}

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event of a run; those of sub-runs are one call of the run that started them."""
        match event:
            case ModelCalled() if event.tier == "root" and not event.depth:
                self._close(None)
                prompt = [{"role": "user", "content": event.prompt}]
                self._open = {"prompt": prompt, "response": event.text, "code_blocks": [], "began": event}
            case ModelCalled() if not event.depth:
                self._calls.append(_call(event))
            case CellStarted() if not event.depth:
                self._code = event.code
            case CellFinished() if not event.depth and self._open is not None:
                self._open["code_blocks"].append({"code": self._code, "result": self._result(event)})
            case RunStarted() if event.depth == 1:
                self._calls.append({"root_model": event.model, "prompt": event.question, "run_id": event.run_id})
            case RunFinished() if event.depth == 1:
                self._fill(event)
            case RunFinished() if not event.depth:
                self._close(event)
            case _:
                pass

    def _result(self, event: CellFinished) -> dict[str, Any]:
        calls, self._calls = self._calls, []
        return {
            "stdout": event.stdout,
            "stderr": event.error,
            "locals": {},
            "execution_time": event.seconds,
            "rlm_calls": calls,
            "final_answer": None,
        }

    def _fill(self, event: RunFinished) -> None:
        for call in self._calls:
            if call.get("run_id") == event.run_id:
                call |= {
                    "response": event.answer["text"],
                    "usage_summary": {"model_usage_summaries": {}},
                    "execution_time": event.answer["seconds"],
                }

    def _close(self, finished: RunFinished | None) -> None:
        if self._open is None:
            return
        entry, self._open = self._open, None
        began = entry.pop("began")
        text = finished.answer["text"] if finished is not None and finished.status == "answered" else None
        iteration = {
            "type": "iteration",
            "iteration": len(self._iterations) + 1,
            "timestamp": _now(),
            **entry,
            "final_answer": text,
            "iteration_time": began.seconds + sum(b["result"]["execution_time"] for b in entry["code_blocks"]),
        }
        self._iterations.append(iteration)
        self._write(iteration)

    def _write(self, entry: dict[str, Any]) -> None:
        if self.log_file_path is not None:
            with Path(self.log_file_path).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def _call(event: ModelCalled) -> dict[str, Any]:
    used = {"total_calls": 1, "total_input_tokens": event.input_tokens, "total_output_tokens": event.output_tokens}
    return {
        "root_model": event.model,
        "prompt": event.prompt,
        "response": event.text,
        "usage_summary": {"model_usage_summaries": {event.model: used}},
        "execution_time": event.seconds,
    }


def _now() -> str:
    return datetime.now().astimezone().isoformat()
