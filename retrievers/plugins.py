"""Parts by name: a built-in, an installed entry point, or `module:Class`, for every group of parts.

A spec is a name (`minilm`), a name with an argument (`openai:text-embedding-3-small`), or `module:Class`. Built-ins
are data and are imported on use, so that an optional library costs nothing until its part is asked for.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from retrievers.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_MODULE_AND_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def load(group: str, spec: str, builtins: Mapping[str, str]) -> tuple[Callable[..., Any], str]:
    """Find the class or factory that a spec names.

    Args:
        group: entry-point group, e.g. `rlm_search.embedders`.
        spec: `name`, `name:argument` or `module:Class`.
        builtins: name to `module:attribute`; these win over entry points of the same name.

    Returns:
        The factory, and the argument ("" without one).

    Raises:
        ConfigError: nothing by that name, or it cannot be imported.
    """
    name, _, argument = spec.partition(":")
    if name in builtins:
        return _imported(builtins[name], spec), argument
    for entry in _installed(group, name):
        return _imported(entry.value, spec), argument
    if _MODULE_AND_NAME.fullmatch(spec):
        _look_here_too()
        return _imported(spec, spec, hint=_suggestion(name, names(group, builtins))), ""
    raise ConfigError(*_unknown(group, spec, builtins))


def names(group: str, builtins: Iterable[str]) -> list[str]:
    """What can be named in a group: built-ins and installed entry points."""
    return sorted({*builtins, *(entry.name for entry in _installed(group))})


def _installed(group: str, name: str = "") -> list[EntryPoint]:
    """The entry points of what is installed, those of one name where it is given; what knows them is slow to import."""
    from importlib.metadata import entry_points

    return [entry for entry in entry_points(group=group) if name in ("", entry.name)]


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module of an optional library, or say in one sentence which extra brings it.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not module.startswith(error.name):
            raise
        raise ConfigError(
            f"{purpose} needs the extra `{extra}`: pip install 'rlm-search[{extra}]'",
        ) from None


def _look_here_too() -> None:
    """A module of the current folder can be named, as for `python -m`; what is installed goes before it."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def _imported(target: str, spec: str, *, hint: str = "") -> Callable[..., Any]:
    module_name, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(f"cannot load `{spec}`: no module named {error.name}", hint=hint) from error
    except AttributeError as error:
        raise ConfigError(f"cannot load `{spec}`: {module_name} has no {attribute}") from error
    except Exception as error:
        raise ConfigError(f"cannot load `{spec}`: importing {module_name} raised {type(error).__name__}") from error
    if not callable(found):
        raise ConfigError(f"cannot load `{spec}`: {attribute} is no class or function")
    factory: Callable[..., Any] = found
    return factory


def _unknown(group: str, spec: str, builtins: Mapping[str, str]) -> tuple[str]:
    known = names(group, builtins)
    suggestion = f"{_suggestion(spec.partition(':')[0], known)} ".lstrip()
    kind = group.rpartition(".")[2].rstrip("s")
    return (f"unknown {kind} `{spec}`: {suggestion}there are {', '.join(known)}, or module:Class",)


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean `{close[0]}`?" if close else ""
