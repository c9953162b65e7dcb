"""What the loop does next: go on, wrap up, accept a finish, send it back, or give up. Nothing here has side effects."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_search.budget import Budget, Spent
from rlm_search.citations import Checked
from rlm_search.run import Finish, Run

WRAP_UP_SHARE = 0.85
MAX_ANSWER_CHARACTERS = 100_000


class RunFailed(Exception):
    """The run cannot come to an answer; the message is the reason that the user reads."""


@dataclass(slots=True)
class Policy:
    """The rules of one run, and what was counted against them.

    Attributes:
        require_citations: an answer without one that holds is sent back, and in the end not returned.
        invalid_replies: how many replies in a row may hold neither code nor a finish.
        refusals: how often a finish may be sent back for the same reason.
        failing_cells: how many cells in a row may fail.
    """

    require_citations: bool = False
    invalid_replies: int = 3
    refusals: int = 2
    failing_cells: int = 8
    _invalid: int = 0
    _failing: int = 0
    _refused: dict[str, int] = field(default_factory=dict)
    _warned: set[str] = field(default_factory=set)

    def warning(self, budget: Budget) -> Spent | None:
        """The limit that is nearly spent, once each; the last step counts as nearly spent."""
        for spent in budget.spent():
            is_last_step = spent.kind == "steps" and spent.used + 1 >= spent.limit > 1
            if (spent.share >= WRAP_UP_SHARE or is_last_step) and spent.name not in self._warned:
                self._warned.add(spent.name)
                return spent
        return None

    def count_reply(self, *, is_valid: bool) -> None:
        """Raises RunFailed where the model has said nothing usable too often in a row."""
        self._invalid = 0 if is_valid else self._invalid + 1
        if self._invalid > self.invalid_replies:
            raise RunFailed(f"the model gave {self._invalid} replies in a row without code or an answer")

    def count_cell(self, *, has_failed: bool) -> None:
        """Raises RunFailed where nothing but errors has come for too long."""
        self._failing = self._failing + 1 if has_failed else 0
        if self._failing > self.failing_cells:
            raise RunFailed(f"the model's code failed {self._failing} times in a row")

    def refusal(self, run: Run, finish: Finish, checked: Checked) -> str:
        """Why a finish is sent back, or "" where it stands.

        Raises:
            RunFailed: it was sent back for the same reason often enough, and cannot be returned as it is.
        """
        if run.retriever is not None and not run.has_looked:
            return self._refuse(
                "unsearched",
                "You have not searched yet. Search the documents first, then answer from what they say.",
                "the model answered without searching the documents",
            )
        if len(finish.text) > MAX_ANSWER_CHARACTERS:
            return self._refuse(
                "too long",
                f"The answer has {len(finish.text):,} characters; at most {MAX_ANSWER_CHARACTERS:,}. Answer briefly.",
                "the answer is too long",
            )
        if checked.unknown and self._once("unknown"):
            markers = ", ".join(checked.unknown)
            return (
                f"These markers are not citations of this run: {markers}. Only cite(hit, quote) makes a marker: "
                "cite a passage for each claim, or leave the marker out, and finish again."
            )
        if finish.found and self.require_citations and run.citations is not None and not checked.citations:
            return self._refuse(
                "uncited",
                "The answer needs citations: marker = cite(hit, 'words of the document'), put the marker behind the "
                "claim, and finish again. If the documents do not hold the answer: FINAL('…', found=False).",
                UNCITED,
            )
        return ""

    def _once(self, reason: str) -> bool:
        self._refused[reason] = self._refused.get(reason, 0) + 1
        return self._refused[reason] == 1

    def _refuse(self, reason: str, told: str, failure: str) -> str:
        self._refused[reason] = self._refused.get(reason, 0) + 1
        if self._refused[reason] > self.refusals:
            raise RunFailed(failure)
        return told


UNCITED = "citations are required, and the answer has none that holds"
"""The reason of a run that failed for want of citations alone."""
