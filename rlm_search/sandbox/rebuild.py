"""A lost session is made again: its cells run once more in a new worker, their calls answered from the journal."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rlm_search.sandbox.host import Diverged, Session
from rlm_search.sandbox.journal import Bound, Cell, Entry, Journal, outcome

_LEAST_SECONDS = 2.0
_SLOWER = 4
"""A cell may take so many times as long as it did: a busy machine is no other program."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came of it.

    Attributes:
        entries: what was done again, in order; from now on the session's journal.
        reason: why not everything was; "" where everything was.
        differing: how many cells printed something else this time.
    """

    entries: list[Entry]
    reason: str = ""
    differing: int = 0


def rebuild(session: Session, journal: Journal, seconds: float) -> Rebuilt:
    """Do again what the journal holds, for at most `seconds`; stops where something is not as it was.

    Raises:
        SessionEnded: the new worker was lost, too.
    """
    deadline = time.monotonic() + seconds
    done: list[Entry] = []
    differing = 0
    for entry in journal.entries:
        left = deadline - time.monotonic()
        if left <= 0:
            return Rebuilt(done, f"it took more than {seconds:g} s", differing)
        if isinstance(entry, Bound):
            session.set(entry.name, entry.value)
        else:
            reason, is_same = _again(session, entry, left)
            if reason:
                return Rebuilt(done, reason, differing)
            differing += not is_same
        done.append(entry)
    return Rebuilt(done, "", differing)


def _again(session: Session, cell: Cell, left: float) -> tuple[str, bool]:
    limit = min(left, max(_LEAST_SECONDS, _SLOWER * cell.seconds))
    try:
        done = session.replay(cell.code, limit, cell.exchanges)
    except Diverged as error:
        return str(error), False
    if done.ended == "timeout":
        return f"a cell that had taken {cell.seconds:.1f} s took more than {limit:.1f} s", False
    return "", outcome(done.stdout, done.error) == cell.outcome


def told(rebuilt: Rebuilt, journal: Journal) -> str:
    """What the model has to know, a sentence or two."""
    cells = sum(isinstance(entry, Cell) for entry in rebuilt.entries)
    words = [f"{_cells(cells)} run again in a new session, with the recorded results of their calls and no new call"]
    if rebuilt.reason:
        words.append(
            f"then it ended, because {rebuilt.reason}: what {_cells(journal.cells - cells)} had assigned is gone"
        )
    words.append("their variables, functions and classes are there" if cells else "no variable of theirs is there")
    if rebuilt.differing:
        words.append(f"{rebuilt.differing} of them printed something else this time (the time of day, a random number)")
    if journal.has_gap:
        words.append("what cells had assigned that were stopped before their end is not")
    return "; ".join(words)


def _cells(count: int) -> str:
    return "1 earlier cell" if count == 1 else f"{count} earlier cells"
