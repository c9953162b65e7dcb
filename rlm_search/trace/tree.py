"""The events of a run as a tree: run, steps, calls of models, cells with what their code did, sub-runs within them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rlm_search.trace.events import STAMPS, AnyEvent, CellFinished, CellStarted, ModelCalled, RunFinished, RunStarted
from rlm_search.trace.lines import line_of


@dataclass(slots=True)
class Entry:
    """A line of the tree, the events that it stands for, and what belongs below it."""

    label: str
    events: list[AnyEvent] = field(default_factory=list)
    children: list[Entry] = field(default_factory=list)

    def walk(self) -> Iterator[Entry]:
        """This one and all below it, in the order in which they happened."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def details(self) -> str:
        """All that its events hold, as text."""
        return "\n\n".join(_details(event) for event in self.events) or self.label

    def holds(self, words: str) -> bool:
        """Whether its label or details contain a text, in whatever case."""
        return words.casefold() in f"{self.label}\n{self.details}".casefold()


def tree_of(events: Iterable[AnyEvent]) -> Entry:
    """The tree of a recorded run; of one that was cut off, as far as it went."""
    places: dict[str, _Place] = {}
    top: Entry | None = None
    for event in events:
        place = places.get(event.run_id)
        if place is None:
            entry = Entry(line_of(event), [event] if isinstance(event, RunStarted) else [])
            place = places[event.run_id] = _Place(entry)
            parent = places.get(event.parent)
            if parent is not None:
                parent.add(entry, event.step)
            top = top or entry
            if isinstance(event, RunStarted):
                continue
        place.take(event)
    return top or Entry("no run")


@dataclass(slots=True)
class _Place:
    """Where the next event of a run belongs."""

    run: Entry
    step: Entry | None = None
    number: int = 0
    cell: Entry | None = None

    def take(self, event: AnyEvent) -> None:
        if event.step != self.number and event.step:
            self.number, self.cell = event.step, None
            self.step = Entry(f"step {event.step}")
            self.run.children.append(self.step)
        if isinstance(event, RunFinished):
            self.run.events.append(event)
            self.run.label = f"{self.run.label} → {event.status.replace('_', ' ')}"
            return
        if isinstance(event, CellFinished) and self.cell is not None:
            self.cell.events.append(event)
            self.cell.label += "" if event.ended == "ok" else f" → {event.ended}"
            self.cell = None
            return
        entry = Entry(_label(event), [event])
        self.add(entry, event.step)
        if isinstance(event, CellStarted):
            self.cell = entry

    def add(self, entry: Entry, step: int) -> None:
        """Below the cell that is running, else below its step, else below the run."""
        (self.cell or self.step or self.run).children.append(entry)


def _label(event: AnyEvent) -> str:
    if isinstance(event, ModelCalled):
        return f"{event.tier}: {line_of(event)}"
    return line_of(event)


def _details(event: AnyEvent) -> str:
    about = [f"{event.at:.3f}  run {event.run_id}" + (f", step {event.step}" if event.step else "")]
    rows: dict[str, Any] = {}
    blocks: dict[str, str] = {}
    for name, value in msgspec.to_builtins(event, enc_hook=str).items():
        if name in STAMPS or value in ("", None, [], {}):
            continue
        if isinstance(value, str) and ("\n" in value or len(value) > 80 or name in _BLOCKS):
            blocks[name] = value
        else:
            rows[name] = value
    about += [f"{name}: {_value(value)}" for name, value in rows.items()]
    about += [f"── {name} ──\n{value}" for name, value in blocks.items()]
    return "\n".join(about)


_BLOCKS = {"code", "stdout", "shown", "prompt", "text", "quote"}


def _value(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False, indent=2)
    return str(value)
