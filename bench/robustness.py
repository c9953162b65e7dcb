"""Models that misbehave by a script, through our loop and those of peers: which outcomes a user would call right.

python -m bench.robustness [--peer PYTHON NAME]… [--wrong]

NAME is `pyrlm` (pyrlm-runtime) or `rlms`, PYTHON an interpreter that has it. The scripts, and what is right, are
bench/misbehaving.txt. Each peer is spoken to in its own way (its fence, its name for the text, its finish) but for what
is the misbehaviour; where a script expects no answer, any way to say so is right for a peer; what it cannot be told to
limit is not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.misbehaving import QUESTION, TEXT, Dialect, Outcome, Said, Script, Talker, Trouble, scripts
from rlm_search import RLM, Completion, ContextTooLong, Limits, ModelRejected, ModelUnavailable, ScriptedModel
from rlm_search.errors import ModelError, RlmError
from rlm_search.models.scripted import Reply
from rlm_search.types import Message, Sandbox

OURS = Dialect(
    python="python", text="P", batch="llm_batch", finish=lambda expression: [f"```python\nFINAL({expression})\n```"]
)
_TROUBLES: dict[str, type[ModelError]] = {
    "unavailable": ModelUnavailable,
    "rejected": ModelRejected,
    "too long": ContextTooLong,
}


def ours(script: Script, sandbox: Callable[[], Sandbox] | None = None) -> Outcome:
    """What our loop makes of a script."""
    talker = Talker(script, OURS)
    limits = script.limits
    rlm = RLM(
        model=ScriptedModel(lambda messages: _reply(lambda: talker.say(_told(messages)))),
        sub_model=ScriptedModel(lambda messages: _reply(lambda: talker.answer_as_sub(messages[-1].content))),
        limits=Limits(
            steps=int(limits.get("steps", 20)),
            subcalls=int(limits.get("subcalls", 200)),
            total_tokens=int(limits["tokens"]) if "tokens" in limits else None,
            seconds=limits.get("seconds", 60.0),
        ),
        sandbox=sandbox,
        cell_seconds=1.0,
    )
    try:
        answer = rlm.run(QUESTION, context=TEXT)
    except RlmError as error:
        return Outcome("error", about=f"{type(error).__name__}: {error.message}")
    return Outcome(answer.status, answer.text, answer.reason)


def theirs(python: str, name: str, tried: Sequence[str]) -> dict[str, Outcome | None]:
    """What a peer makes of the scripts; None where it cannot be told the limit that the script needs."""
    command = [python, "-m", "bench.peers_robustness", name, *tried]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=1_800, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {title: None if outcome is None else Outcome(**outcome) for title, outcome in found.items()}


def table(tried: Mapping[str, Script], columns: Mapping[str, Mapping[str, bool | None]]) -> str:
    """Right outcomes by class, a column for each runtime; what it was not asked is left out of its total."""
    kinds = Counter(script.kind for script in tried.values())
    rows = [f"| {kind} | {count} | {_row(columns, tried, kind)} |" for kind, count in kinds.items()]
    head = f"| class | scripts | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}"
    return "\n".join([head, *rows, f"| all | {len(tried)} | {_row(columns, tried)} |"])


def _row(columns: Mapping[str, Mapping[str, bool | None]], tried: Mapping[str, Script], kind: str = "") -> str:
    cells = []
    for right in columns.values():
        asked = [is_right for title, is_right in right.items() if tried[title].kind == (kind or tried[title].kind)]
        left_out = asked.count(None)
        cells.append(f"{asked.count(True)}" + (f" of {len(asked) - left_out}" if left_out else ""))
    return " | ".join(cells)


def _reply(say: Callable[[], Said]) -> Reply:
    try:
        said = say()
    except Trouble as trouble:
        return _TROUBLES[str(trouble)]("the model of the script is in trouble")
    return Completion(text=said.text, finish_reason="length" if said.is_cut else "stop")


def _told(messages: Sequence[Message]) -> str:
    """What came since the model's last reply."""
    last = max((n for n, message in enumerate(messages) if message.role == "assistant"), default=-1)
    return "\n".join(message.content for message in messages[last + 1 :])


def main() -> None:
    """Print the table, and with `--wrong` each outcome that is not right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", nargs=2, action="append", default=[], metavar=("PYTHON", "NAME"))
    parser.add_argument("--only", default="", help="scripts whose class or title holds this")
    parser.add_argument("--wrong", action="store_true", help="print each outcome that is not right")
    asked = parser.parse_args()
    tried = {title: script for title, script in scripts().items() if asked.only in title}
    outcomes: dict[str, Mapping[str, Outcome | None]] = {"ours": {t: ours(script) for t, script in tried.items()}}
    outcomes |= {name: theirs(python, name, list(tried)) for python, name in asked.peer}
    right = {
        name: {
            title: None if outcome is None else tried[title].is_right(outcome, exactly=name == "ours")
            for title, outcome in found.items()
        }
        for name, found in outcomes.items()
    }
    if asked.wrong:
        for name, found in outcomes.items():
            for title in (title for title, holds in right[name].items() if holds is False):
                script = tried[title]
                print(f"{name}: {title}: {found[title]}, not {script.status} {script.answer!r}")
    print(table(tried, right))


if __name__ == "__main__":
    main()
