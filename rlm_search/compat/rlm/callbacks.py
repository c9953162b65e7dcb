"""The callbacks of a completion, called from our events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rlm_search.trace.events import AnyEvent, ModelCalled, RunFinished, RunStarted

_PREVIEW = 100


@dataclass(slots=True)
class Callbacks:
    """A listener that calls them. An iteration is told of once its model has replied.

    Args:
        on_iteration_start: depth, number from 1.
        on_iteration_complete: depth, number, seconds.
        on_subcall_start: depth, model, beginning of the question.
        on_subcall_complete: depth, model, seconds, error or None.
    """

    on_iteration_start: Callable[[int, int], None] | None = None
    on_iteration_complete: Callable[[int, int, float], None] | None = None
    on_subcall_start: Callable[[int, str, str], None] | None = None
    on_subcall_complete: Callable[[int, str, float, str | None], None] | None = None
    _under_way: dict[str, tuple[int, float]] = field(default_factory=dict)
    _begun: dict[str, RunStarted] = field(default_factory=dict)

    def __call__(self, event: AnyEvent) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self._begun[event.run_id] = event
                if event.depth and self.on_subcall_start is not None:
                    self.on_subcall_start(event.depth, event.model, event.question[:_PREVIEW])
            case ModelCalled() if event.tier == "root":
                number, _ = self._under_way.get(event.run_id, (0, 0.0))
                self._complete(event)
                self._under_way[event.run_id] = (number + 1, event.at - event.seconds)
                if self.on_iteration_start is not None:
                    self.on_iteration_start(event.depth, number + 1)
            case RunFinished():
                self._complete(event)
                begun = self._begun.pop(event.run_id)
                if event.depth and self.on_subcall_complete is not None:
                    error = str(event.answer["reason"]) or None
                    self.on_subcall_complete(event.depth, begun.model, event.at - begun.at, error)
            case _:
                pass

    def _complete(self, event: ModelCalled | RunFinished) -> None:
        number, began = self._under_way.pop(event.run_id, (0, 0.0))
        if number and self.on_iteration_complete is not None:
            ended = event.at - (event.seconds if isinstance(event, ModelCalled) else 0.0)
            self.on_iteration_complete(event.depth, number, max(ended - began, 0.0))
