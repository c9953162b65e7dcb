"""A model that says what it was told to say: for tests, examples and recorded demonstrations."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from rlm_search.errors import ConfigError, ModelRejected
from rlm_search.models.tokens import estimate_prompt_tokens, estimate_tokens
from rlm_search.types import CallOptions, Completion, Message, Usage

Reply: TypeAlias = str | Completion | Exception
"""A text, a whole completion, or an error to raise."""

_SEPARATOR = re.compile(r"^---[ \t]*$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to say whenever the last message, or with `system` the first, matches; `once`: only the first time."""

    pattern: str
    reply: Reply
    once: bool = False
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call as it came in."""

    messages: tuple[Message, ...]
    options: CallOptions

    @property
    def prompt(self) -> str:
        """The last message."""
        return self.messages[-1].content if self.messages else ""

    @property
    def system(self) -> str:
        """The system message, or ""."""
        return next((message.content for message in self.messages if message.role == "system"), "")


class ScriptedModel:
    """Replies in order, or by a function of the messages; rules that match the last message come first.

    Token counts follow from the texts, so that a run with it is the same every time. Safe to call from several
    threads, though then the order of the replies is the order of the calls.

    Attributes:
        asked: every call so far.
    """

    def __init__(
        self,
        replies: Sequence[Reply] | Callable[[Sequence[Message]], Reply] = (),
        *,
        rules: Sequence[Rule] = (),
        name: str = "scripted",
    ) -> None:
        self.name = name
        self.asked: list[Asked] = []
        self._function = replies if callable(replies) else None
        self._queue = [] if callable(replies) else list(replies)
        self._rules = list(rules)
        self._lock = threading.Lock()

    def add_rule(
        self, pattern: str, reply: Reply, *, regex: bool = True, once: bool = False, system: bool = False
    ) -> None:
        """From now on, say this whenever the last message matches; rules that were added earlier come first.

        Args:
            pattern: a regular expression, or with `regex=False` a text.
            reply: what to say.
            regex: what `pattern` is.
            once: only the first time.
            system: look at the system message instead, e.g. for replies of the sub-model alone.
        """
        with self._lock:
            self._rules.append(
                Rule(pattern=pattern if regex else re.escape(pattern), reply=reply, once=once, system=system)
            )

    def complete(self, messages: Sequence[Message], options: CallOptions) -> Completion:
        """The next reply.

        Raises:
            ModelRejected: the script has come to its end; or whatever the script says.
        """
        with self._lock:
            call = Asked(messages=tuple(messages), options=options)
            self.asked.append(call)
            reply = self._next(call)
        if self._function is not None and reply is None:
            reply = self._function(messages)  # outside of the lock: it may take its time, or call back
        if reply is None:
            raise ModelRejected(
                f"the script of `{self.name}` has no reply to call {len(self.asked)}", hint="add a reply, or a rule"
            )
        if isinstance(reply, Exception):
            raise reply
        completion = self._completion(reply, messages)
        if options.on_text is not None:
            options.on_text(completion.text)
        return completion

    def _next(self, call: Asked) -> Reply | None:
        for rule in self._rules:
            if re.search(rule.pattern, call.system if rule.system else call.prompt):
                if rule.once:
                    self._rules.remove(rule)
                return rule.reply
        return self._queue.pop(0) if self._queue else None

    def _completion(self, reply: str | Completion, messages: Sequence[Message]) -> Completion:
        completion = Completion(text=reply) if isinstance(reply, str) else reply
        if completion.usage.calls:
            return completion
        usage = Usage(
            input_tokens=estimate_prompt_tokens(messages), output_tokens=estimate_tokens(completion.text), calls=1
        )
        return replace(completion, usage=usage, model=completion.model or self.name)


def read_script(path: Path) -> ScriptedModel:
    """A script from a file.

    `.json` is a list, `.jsonl` has one item a line: a text, or `{"reply": …, "match": REGEX, "once": true}`. Any
    other file is text: replies in order, with a line `---` between them.

    Raises:
        ConfigError: it cannot be read, or is no script.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(f"cannot read the script {path}: {reason}") from None
    items = _items(path, text)
    rules = [Rule(pattern=i["match"], reply=i["reply"], once=i.get("once", False)) for i in items if "match" in i]
    return ScriptedModel([i["reply"] for i in items if "match" not in i], rules=rules, name=f"scripted:{path.name}")


def _items(path: Path, text: str) -> list[dict[str, Any]]:
    if path.suffix not in (".json", ".jsonl"):
        return [{"reply": part.strip("\n")} for part in _SEPARATOR.split(text)]
    try:
        found = json.loads(text) if path.suffix == ".json" else [json.loads(x) for x in text.splitlines() if x.strip()]
        items = [{"reply": item} if isinstance(item, str) else item for item in found]
        if isinstance(found, list) and all(
            isinstance(item["reply"], str) and re.compile(item.get("match", "")) for item in items
        ):
            return items
    except (ValueError, TypeError, KeyError, AttributeError, re.error):
        pass  # one message for all of them
    raise ConfigError(
        f"{path} is no script of replies", hint='a list of texts or {"reply": …, "match": REGEX}; see docs/models.md'
    )


def _is_item(item: dict[str, Any]) -> bool:
    return isinstance(item["reply"], str) and bool(re.compile(item.get("match", "")))
