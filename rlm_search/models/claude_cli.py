"""The `claude` command as a model: it brings its own login, so that no key is needed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from rlm_search.errors import ConfigError, ModelRejected, ModelUnavailable
from rlm_search.models.dialects import in_turns
from rlm_search.models.facts import known_facts
from rlm_search.models.providers import Provider
from rlm_search.models.refusals import Refusal, as_error
from rlm_search.models.replies import whole_number
from rlm_search.models.settings import ModelSettings
from rlm_search.models.tokens import estimate_prompt_tokens, estimate_tokens
from rlm_search.types import CallOptions, Completion, Message, Usage

DEFAULT_MODEL = "sonnet"
_ARGUMENTS = ("-p", "--output-format", "json", "--tools", "", "--max-turns", "1", "--strict-mcp-config")
"""One answer as JSON, no tools, no servers of tools: it is used as a model, and not as an agent."""
_GRACE_SECONDS = 2.0
_MOST_OUTPUT = 64_000_000


class ClaudeCli:
    """Asks `claude -p` once for each completion, in an empty folder, with the conversation on its standard input.

    It knows no limit of an answer's length and no temperature. Its time ends with `total_seconds` and with the run's;
    then the process and all that it started are ended.

    Args:
        model: `sonnet`, `opus`, `haiku`, or the full name; "" is sonnet.
        settings: time-outs.
        command: its name or path.
    """

    def __init__(self, model: str = "", *, settings: ModelSettings | None = None, command: str = "claude") -> None:
        self.model = model or DEFAULT_MODEL
        self.name = f"claude:{self.model}"
        self.facts = known_facts("anthropic", self.model)
        self.provider = Provider(
            name="claude", title="Claude by the claude command", base_url="https://api.anthropic.com", reports_cost=True
        )
        self._settings = settings or ModelSettings()
        self._command = command

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """Ask for one completion.

        Raises:
            ConfigError: the command is not installed.
            ModelUnavailable: no answer in time, or one that is none.
            ModelRejected: it is not logged in, or refuses.
            ContextTooLong: the messages do not fit.
        """
        turns = in_turns(messages)
        system = turns[0].content if turns and turns[0].role == "system" else ""
        said = self._result(self._run(system, _transcript(turns[bool(system) :]), options))
        if said.get("is_error"):
            raise self._refused(said)
        text = _cut(str(said["result"]), options.stop)
        if options.on_text is not None:
            options.on_text(text)
        return Completion(text=text, usage=_usage(said, messages), model=self.name, finish_reason=_reason(said))

    def _run(self, system: str, prompt: str, options: CallOptions) -> bytes:
        command = shutil.which(self._command)
        if command is None:
            raise ConfigError(
                f"the command `{self._command}` is not installed",
                hint="install Claude Code, or name a model with a key: anthropic:NAME",
            )
        arguments = [command, *_ARGUMENTS, "--model", self.model, *(["--system-prompt", system] if system else [])]
        with tempfile.TemporaryDirectory(prefix="rlm-search-claude-", ignore_cleanup_errors=True) as empty:
            process = subprocess.Popen(  # noqa: S603 - the command that was asked for
                arguments,
                cwd=empty,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                output, trouble = process.communicate(prompt.encode(), timeout=self._seconds(options))
            except subprocess.TimeoutExpired:
                raise ModelUnavailable(
                    "the claude command did not answer in time", hint="raise `total_seconds` of [model]"
                ) from None
            finally:
                _end(process)
        if not output.strip():
            line = trouble.decode("utf-8", "replace").strip().partition("\n")[0][:200]
            raise ModelUnavailable(f"the claude command ended with {process.returncode} and no answer: {line}")
        return output[:_MOST_OUTPUT]

    def _seconds(self, options: CallOptions) -> float:
        seconds = self._settings.total_seconds
        return seconds if options.deadline is None else max(0.001, min(seconds, options.deadline - time.monotonic()))

    def _result(self, output: bytes) -> dict[str, Any]:
        """The object that holds the result; with some settings it is the last of a list."""
        with contextlib.suppress(ValueError):
            found = json.loads(output)
            entries = found if isinstance(found, list) else [found]
            for entry in reversed(entries):
                if isinstance(entry, dict) and isinstance(entry.get("result"), str):
                    return entry
                if isinstance(entry, dict) and entry.get("is_error"):
                    return {**entry, "result": str(entry.get("subtype") or "")}
        raise ModelUnavailable("the claude command sent something that is no answer", doubtful=True)

    def _refused(self, said: dict[str, Any]) -> Exception:
        text = " ".join(str(said["result"]).split())[:200]
        if "/login" in text or "API key" in text:
            return ModelRejected("the claude command is not logged in", hint="run `claude` once and log in")
        status = whole_number(said.get("api_error_status")) or (400 if "too long" in text.lower() else 500)
        return as_error(Refusal(status=status, message=text), self.provider, self.model)


def _transcript(turns: Sequence[Message]) -> str:
    """One message as it is; a conversation with its speakers named, since the command takes a single prompt."""
    if len(turns) == 1:
        return turns[0].content
    names = {"user": "user", "assistant": "you"}
    told = "\n\n".join(f"<{names[turn.role]}>\n{turn.content}\n</{names[turn.role]}>" for turn in turns)
    return f"{told}\n\nGo on with your next reply, without the tag."


def _usage(said: dict[str, Any], messages: Sequence[Message]) -> Usage:
    usage = said.get("usage") or {}
    read = whole_number(usage.get("cache_read_input_tokens")) or 0
    written = whole_number(usage.get("cache_creation_input_tokens")) or 0
    plain, output = whole_number(usage.get("input_tokens")), whole_number(usage.get("output_tokens"))
    cost = said.get("total_cost_usd")
    return Usage(
        input_tokens=estimate_prompt_tokens(messages) if plain is None else plain + read + written,
        output_tokens=estimate_tokens(str(said["result"])) if output is None else output,
        calls=1,
        cost_usd=float(cost) if isinstance(cost, int | float) else None,
        estimated=plain is None or output is None,
        cached_tokens=read,
        cache_write_tokens=written,
    )


def _reason(said: dict[str, Any]) -> str:
    return "length" if said.get("stop_reason") == "max_tokens" else "stop"


def _cut(text: str, stop: Sequence[str]) -> str:
    at = min((at for at in map(text.find, stop) if at >= 0), default=-1)
    return text if at < 0 else text[:at]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started, whatever stopped the waiting for it."""
    for how, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        break
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
