"""What the loop does next: go on, wrap up, accept a finish, send it back, or give up. Nothing here has side effects."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlm_search.budget import Budget, Spent
from rlm_search.citations import Checked
from rlm_search.gates import Gates
from rlm_search.run import Finish, Run

WRAP_UP_SHARE = 0.85
MAX_ANSWER_CHARACTERS = 100_000


class RunFailed(Exception):
    """The run cannot come to an answer; the message is the reason that the user reads."""


@dataclass(slots=True)
class Policy:
    """The rules of one run, and what was counted against them.

    Attributes:
        gates: what must have happened before an answer counts, and how much nonsense is borne.
        require_citations: an answer without one that holds is sent back, and in the end not returned.
        refusals: how often a finish may be sent back for the same reason.
    """

    gates: Gates = field(default_factory=Gates)
    require_citations: bool = False
    refusals: int = 2
    _invalid: int = 0
    _failing: int = 0
    _succeeded: int = 0
    _same: int = 0
    _last: tuple[str, ...] = ()
    _fallback_used: bool = False
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
        if self._invalid > self.gates.invalid_response_limit:
            raise RunFailed(f"the model gave {self._invalid} replies in a row without code or an answer")

    def count_cell(self, *, has_failed: bool) -> None:
        """Raises RunFailed where nothing but errors has come for too long."""
        self._failing = self._failing + 1 if has_failed else 0
        self._succeeded += not has_failed
        if self._failing > self.gates.repl_error_limit:
            raise RunFailed(f"the model's code failed {self._failing} times in a row")

    def repeats(self, step: tuple[str, ...]) -> bool:
        """Whether a step did what the one before it did: the same code, and the same came of it.

        Raises:
            RunFailed: it has been so for too long.
        """
        self._same = self._same + 1 if step == self._last else 0
        self._last = step
        if self._same > self.gates.loop_collapse_limit:
            raise RunFailed(f"the model did the same {self._same + 1} times in a row")
        return self._same > 0

    def fallback(self) -> str:
        """The code to run in place of giving up, once; "" where there is none, or it was run."""
        code = "" if self._fallback_used else self.gates.fallback_code
        if code:
            self._fallback_used, self._invalid, self._failing, self._same = True, 0, 0, 0
        return code

    def refusal(self, run: Run, finish: Finish, checked: Checked) -> str:
        """Why a finish is sent back, or "" where it stands.

        Raises:
            RunFailed: it was sent back for the same reason often enough, and cannot be returned as it is.
        """
        if unmet := self._unmet(run):
            return self._refuse(unmet.reason, unmet.told, unmet.failure)
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

    def misfit(self, problem: str) -> str:
        """What the model is told of an answer that is not of its type.

        Raises:
            RunFailed: it was told often enough.
        """
        return self._refuse(
            "misfit",
            f"The answer does not fit its type: {problem}. Give FINAL the data itself (a dict, a list, a number), "
            "put right, and finish again.",
            f"the model gave no answer of the type that was asked for: {problem}",
        )

    def _unmet(self, run: Run) -> _Unmet | None:
        """The first gate that the run has not passed."""
        gates = self.gates
        if gates.require_search_before_final and run.retriever is not None and not run.has_looked:
            return _UNSEARCHED
        if gates.require_repl_before_final and not self._succeeded:
            return _UNTRIED
        if gates.require_subcall_before_final and not run.budget.count("subcalls"):
            return _UNDELEGATED
        return _HASTY if run.budget.count("steps") < gates.min_steps else None

    def _once(self, reason: str) -> bool:
        self._refused[reason] = self._refused.get(reason, 0) + 1
        return self._refused[reason] == 1

    def _refuse(self, reason: str, told: str, failure: str) -> str:
        self._refused[reason] = self._refused.get(reason, 0) + 1
        if failure and self._refused[reason] > self.refusals:
            raise RunFailed(failure)
        return told


@dataclass(frozen=True, slots=True)
class _Unmet:
    """A gate that is closed: what it is called, what the model is told, and why the run fails if that does not help.

    Without a reason to fail it opens by itself.
    """

    reason: str
    told: str
    failure: str


_UNSEARCHED = _Unmet(
    "unsearched",
    "You have not searched yet. Search the documents first, then answer from what they say.",
    "the model answered without searching the documents",
)
_UNTRIED = _Unmet(
    "untried",
    "You have not run any code yet. Look at what there is in code first, then answer from what you saw.",
    "the model answered without running any code",
)
_UNDELEGATED = _Unmet(
    "undelegated",
    "You have not asked the sub-model yet. Have it read what matters with llm_query or llm_batch, then answer.",
    "the model answered without asking the sub-model",
)
_HASTY = _Unmet("hasty", "It is too early to finish. Check what you have in another step, then finish.", "")

UNCITED = "citations are required, and the answer has none that holds"
"""The reason of a run that failed for want of citations alone."""
