"""`rlm-search doctor`: what confines the model's code on this machine, proved by attacking it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rlm_search.cli import printing
from rlm_search.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rlm_search.sandbox.doctor import Found


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Tell whether this machine can confine the code that models write, and prove it.

    Starts the sandbox that `ask` uses, attacks it, and lists what held. Ends with exit code 5 where it does not hold.

    \b
    Examples:
      rlm-search doctor
      rlm-search doctor --json
    """  # noqa: D301 - click reads the backspace character
    from rlm_search.errors import ConfigError
    from rlm_search.sandbox.doctor import examine

    found = examine()
    if as_json:
        printing.put_json({**asdict(found), "holds": found.holds})
    else:
        _put("What a sandbox gives up before it runs a line of code", found.steps, "held", "not held")
        _put("What code tried that means it", found.attacks, "contained", "REACHED")
        _put("What else is here", found.others, "yes", "no")
    if not found.holds:
        raise ConfigError("the sandbox does not hold on this machine", hint=found.advice)


def _put(title: str, found: Sequence[Found], yes: str, no: str) -> None:
    if not found:
        return
    printing.put(printing.bold(title))
    for one in found:
        printing.put(printing.printable(f"  {yes if one.holds else no:<10}{one.name:<32}{one.about}".rstrip()))
