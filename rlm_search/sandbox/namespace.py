"""The names that a cell finds: builtins, the modules it may import, the host's functions, and shims where none can be.

What is refused here is refused as a courtesy, with a sentence that helps the model. None of it is a wall: Python
cannot be confined from inside. The walls are around the process (`limits.py`).
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from rlm_search.sandbox.guest import fold, short
from rlm_search.sandbox.mapping import taking_functions
from rlm_search.sandbox.signatures import rebuild

BOUND = ("json", "re", "math", "collections", "itertools", "textwrap", "datetime", "statistics")
"""Modules that are there without an import."""

ALLOWED = frozenset(
    """
    __future__ abc array ast asyncio base64 binascii bisect calendar cmath codecs collections collections.abc colorsys
    concurrent concurrent.futures contextlib contextvars copy csv dataclasses datetime decimal difflib enum fractions
    fnmatch functools graphlib hashlib heapq hmac html html.entities html.parser inspect itertools json keyword
    linecache logging math numbers operator pprint queue random re reprlib secrets shlex statistics string struct
    textwrap
    threading time timeit token tokenize traceback types typing unicodedata urllib urllib.parse uuid warnings weakref
    zlib
    """.split()  # noqa: SIM905  # a list of sixty quoted names reads worse
)
"""Modules that may be imported, all of them loaded before the worker limits itself."""

_ALSO_LOADED = (
    *("_strptime", "pathlib", "stringprep", "concurrent.futures.thread"),
    *(f"encodings.{codec}" for codec in ("ascii", "latin_1", "cp1252", "utf_16", "utf_16_le", "utf_16_be", "utf_32")),
    *(f"encodings.{codec}" for codec in ("utf_8_sig", "unicode_escape", "raw_unicode_escape", "idna", "punycode")),
)
"""What the modules above load on first use, when no file can be opened any more."""

_NEEDED = frozenset(
    """
    abs all any bool dict enumerate float getattr hasattr int isinstance len list map max min open print range repr
    reversed round set sorted str sum tuple type zip
    """.split()  # noqa: SIM905  # likewise
)
"""Builtins that a variable of the same name does not hide for longer than its cell: later cells would break."""

_BEHIND = frozenset({"_strptime", "copyreg", "locale", "sre_compile", "_pydatetime", "_pydecimal"})
"""What C code imports in the name of the cell that called it: `datetime.strptime` needs the first."""

_FACADES: Mapping[str, tuple[str, str]] = {
    "sys": ("sys", "version version_info maxsize maxunicode float_info int_info byteorder getsizeof getrecursionlimit "
                   "setrecursionlimit intern exit exc_info implementation hexversion getrefcount "
                   "set_int_max_str_digits get_int_max_str_digits"),
    "io": ("io", "StringIO BytesIO TextIOWrapper BufferedReader BufferedWriter IOBase TextIOBase SEEK_SET SEEK_CUR "
                 "SEEK_END UnsupportedOperation"),
    "os.path": ("posixpath", "basename dirname join split splitext normpath isabs commonprefix commonpath sep"),
    "os": ("os", "sep linesep pathsep extsep fspath PathLike"),
    "pathlib": ("pathlib", "PurePath PurePosixPath PureWindowsPath"),
}  # fmt: skip
"""Modules of which only some names exist here."""


def preload() -> None:
    """Load every module that may be imported, and what they load later, while files can still be read."""
    sys.modules["ssl"] = None  # type: ignore[assignment]  # asyncio does without; it costs 10 ms and opens files
    for name in (*sorted(ALLOWED), *_ALSO_LOADED):
        importlib.import_module(name)
    del sys.modules["ssl"]


class _Streams(types.ModuleType):
    """`sys` with streams that can be put elsewhere, as programs do: `sys.stdout = io.StringIO()`."""

    stdout = property(lambda self: sys.stdout, lambda self, stream: setattr(sys, "stdout", stream))
    stderr = property(lambda self: sys.stderr, lambda self, stream: setattr(sys, "stderr", stream))


def facades() -> dict[str, types.ModuleType]:
    """The modules of which only a harmless part is shown."""
    made: dict[str, types.ModuleType] = {}
    for name, (origin, names) in _FACADES.items():
        module = made[name] = (_Streams if name == "sys" else types.ModuleType)(
            name, f"The part of {name} that exists in this sandbox."
        )
        source = importlib.import_module(origin)
        for attribute in names.split():
            if hasattr(source, attribute):
                setattr(module, attribute, getattr(source, attribute))
        module.__getattr__ = _absent(name)  # type: ignore[method-assign]  # PEP 562
    vars(made["sys"]).update(argv=[""], path=[], modules={}, platform="linux")
    vars(made["os"]).update(path=made["os.path"], environ={}, getenv=lambda key, default=None: default, name="posix")
    made["os"].cpu_count = lambda: 1  # type: ignore[attr-defined]  # a facade has the names that it is given
    vars(made["pathlib"]).update(Path=made["pathlib"].PurePosixPath)
    return made


def _absent(module: str) -> Callable[[str], NoReturn]:
    def absent(name: str) -> NoReturn:
        raise AttributeError(
            f"{module}.{name} does not exist in this sandbox: no files, processes, network or environment"
        )

    return absent


def importer(own: Mapping[str, types.ModuleType]) -> Callable[..., Any]:
    """The `__import__` of the cells: knows the allowed modules and the facades, and says which where it refuses."""
    real = builtins.__import__

    def guarded(
        name: str,
        globals: Mapping[str, Any] | None = None,  # the names that __import__ has
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> Any:
        if level == 0 and name in own:
            return own[name] if fromlist else own[name.partition(".")[0]]
        if level == 0 and (name in ALLOWED or name in _BEHIND):
            return real(name, None, None, fromlist, 0)
        raise ModuleNotFoundError(_no_module(name), name=name)

    return guarded


def _no_module(name: str) -> str:
    names = sorted({*(n for n in ALLOWED if "." not in n and not n.startswith("_")), "io"})
    return f"No module named {name!r} in this sandbox. There are: {', '.join(names)}"


def guest_builtins(own: Mapping[str, types.ModuleType]) -> dict[str, Any]:
    """The builtins of the cells: Python's, without those that have no meaning here."""
    names = dict(vars(builtins))
    names.update(
        __import__=importer(own),
        open=_refusing("open", "there are no files here; use the functions of this session to read documents"),
        input=_refusing("input", "nobody is there to answer"),
        breakpoint=_refusing("breakpoint", "there is no debugger here"),
        exit=_leave,
        quit=_leave,
        help=help_on,
    )
    return names


def _refusing(name: str, reason: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise PermissionError(f"{name}() does not work in this sandbox: {reason}")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def _leave(code: Any = None) -> NoReturn:
    raise SystemExit(code)


def help_on(thing: Any = None) -> None:
    """Print the signature and the docstring of a function, class or module."""
    if thing is None:
        print("help(f) shows the signature and the description of a function")  # noqa: T201  # to the cell's output
        return
    name = getattr(thing, "__name__", type(thing).__name__)
    try:
        signature = str(inspect.signature(thing)) if callable(thing) else ""
    except (TypeError, ValueError):
        signature = "(…)"
    text = inspect.getdoc(thing) or ""
    print(f"{name}{signature}\n{text}".rstrip())  # noqa: T201  # to the cell's output


def stub(
    described: Mapping[str, Any], call: Callable[[str, tuple[Any, ...], dict[str, Any]], Any]
) -> Callable[..., Any]:
    """A function that stands for one of the host's: its name, signature and docstring, and a call over the wire."""
    name = str(described["name"])

    asked = taking_functions(name, call)

    def function(*args: Any, **kwargs: Any) -> Any:
        return asked(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "host"
    function.__doc__ = str(described.get("doc") or "")
    function.__signature__ = rebuild(described)  # type: ignore[attr-defined]  # inspect looks for it
    return function


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{name} of {len(value):,}" if isinstance(value, str | list | tuple | dict | set) else name


def _brief(value: Any) -> str:
    try:
        return fold(short(value, 100), 100)
    except Exception as error:  # noqa: BLE001  # told to the model: the repr is its own
        return f"(its repr raises {type(error).__name__})"


class Namespace:
    """The globals of the cells, and how the names that belong to the host are put back before each of them."""

    def __init__(self, own: Mapping[str, types.ModuleType], given: Mapping[str, Any]) -> None:
        """Make a `__main__` with the bound modules; `given` are classes of ours that cells may name."""
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main  # where dataclasses and typing look a class's module up
        self.names = vars(main)
        self._pristine = guest_builtins(own)
        self._python = dict(vars(builtins))
        self._builtins: dict[str, Any] = {}
        self._functions: dict[str, Any] = dict(given)
        self.rebind()
        for name in BOUND:
            self.names[name] = importlib.import_module(name)
        self._first = set(self.names)

    def offer(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Bind host functions, now and before each cell."""
        self._functions.update(functions)
        self.rebind()

    def rebind(self) -> list[str]:
        """Put builtins and host functions back; returns the names that had been overwritten or deleted.

        The dict of builtins stays the same one: functions of earlier cells hold on to it.
        """
        overwritten = [name for name, function in self._functions.items() if self.names.get(name) is not function]
        for name in _NEEDED.intersection(self.names).difference(self._functions):
            del self.names[name]
            overwritten.append(name)
        builtins.__dict__.update(self._python)
        self._builtins.clear()
        self._builtins.update(self._pristine)
        self.names.update(self._functions)
        self.names["__builtins__"] = self._builtins
        self.names["__name__"] = "__main__"
        return overwritten

    def described(self) -> dict[str, str]:
        """What the cells and the host have assigned: each name with its type and a short repr. Modules are left out."""
        hidden = {*self._functions, *self._first, "_"}
        return {
            name: f"{_kind(value)}: {_brief(value)}"
            for name, value in list(self.names.items())
            if name not in hidden and not name.startswith("__") and not isinstance(value, types.ModuleType)
        }
