"""An answer without a loop: a question and a text that is small enough, put to the model once."""

from __future__ import annotations

from importlib import resources

from rlm_search import answers
from rlm_search.framing import framed
from rlm_search.policy import RunFailed
from rlm_search.run import Finish, Run
from rlm_search.types import Answer, CallOptions, Message, Model

_NOT_FOUND = "NOT_FOUND:"
_FINAL = "FINAL:"
"""What a model may write that has learnt to end a run with it; it is not part of the answer."""


def answer(run: Run, model: Model, text: str) -> Answer:
    """Ask once. The text is framed as data; what stands in it cannot close the frame.

    Raises:
        BudgetExceeded: a limit is spent.
        ModelError: the model is away, refuses, or the text does not fit.
        RunFailed: it said nothing.
    """
    run.budget.step()
    run.trace.step = run.budget.count("steps")
    instructions = resources.files("rlm_search.prompts").joinpath("direct.md").read_text("utf-8")
    asked = Message("user", f"{framed('text', text)}\n\n{run.question}")
    said = model.complete([Message("system", instructions), asked], CallOptions(deadline=run.budget.deadline()))
    reply = said.text.strip().removeprefix(_FINAL).strip()
    if not reply:
        raise RunFailed("the model said nothing")
    found = not reply.startswith(_NOT_FOUND)
    finish = Finish(text=reply.removeprefix(_NOT_FOUND).strip(), found=found)
    return answers.finished(run, finish, answers.checked(run, finish.text))
