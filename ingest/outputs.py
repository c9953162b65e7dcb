"""Where a run is told to: the terminal, and the files of --report, --events, --log-file and --metrics."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ingest.errors import SourceError
from ingest.progress import Bars, LogLines, Progress, Silent
from ingest.recording import Events, Log, Metrics, Several, naming
from ingest.report import IngestReport, json_of
from ingest.settings import wants_colour, wants_plain_output

_NAMES = {
    "--report": "report.json",
    "--events": "events.jsonl",
    "--log-file": "ingest.log",
    "--metrics": "ingest.prom",
}


def check_outputs(given: Mapping[str, Any]) -> None:
    """Refuse what can never be written to, before a run and not after.

    Raises:
        SourceError: one of the files is a folder, or lies in none.
    """
    for option in ("report", "log_file", "events", "metrics"):
        if given[option] is not None and str(given[option]) != "-":
            _check(f"--{option.replace('_', '-')}", Path(given[option]))


def _check(option: str, path: Path) -> None:
    if path.is_dir():
        raise SourceError(f"{option}: {path} is a folder", hint=f"name a file: {option} {path / _NAMES[option]}")
    if not path.absolute().parent.is_dir():
        raise SourceError(f"{option}: there is no folder {path.parent}", hint="make it first, or name another file")


def watchers(given: Mapping[str, Any]) -> Callable[[], Progress]:
    """Who is shown a run, made when it begins: the terminal, and the files that are given."""
    shown = _shown(given)
    if not (given["log_file"] or given["events"] or given["metrics"]):
        return shown

    def several() -> Progress:
        made: list[Progress] = [shown()]
        if given["log_file"]:
            made.append(Log(given["log_file"]))
        if given["events"]:
            made.append(Events(None if given["events"] == "-" else Path(given["events"])))
        if given["metrics"]:
            made.append(Metrics(given["metrics"]))
        return Several(*made)

    return several


def _shown(given: Mapping[str, Any]) -> Callable[[], Progress]:
    if given["quiet"]:
        return Silent
    if sys.stderr.isatty() and not wants_plain_output():
        return lambda: Bars(sys.stderr, verbose=given["verbose"], colour=wants_colour())
    return lambda: LogLines(sys.stderr, verbose=given["verbose"])


def write_report(path: Path, report: IngestReport) -> None:
    """The report as JSON, in a file.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    with naming(path):
        path.write_text(json_of(report) + "\n", encoding="utf-8")
