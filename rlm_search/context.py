"""Runs over text that is given, not searched: what `RLM.run(context=…)` takes, and how it reaches the REPL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from rlm_search.errors import ConfigError
from rlm_search.sandbox import context as shared

MAX_BYTES = 110_000_000
"""Of text, in UTF-8, that one run is given; more belongs into an index."""

PRELUDE = """\
P = CONTEXT = context = ctx.text
FILES = ctx.files
peek, tail, lenP, extract_after = ctx.peek, ctx.tail, ctx.len_chars, ctx.extract_after
"""
"""What a session begins with where there is a context."""

_NAMES_SHOWN = 20


class Context(shared.Context):
    """Text that a run works on: one text, documents, or files. The model has it as `P`, `ctx`, `CONTEXT`, `FILES`."""

    @classmethod
    def from_text(cls, text: str) -> Context:
        """One text."""
        return cls((text,), kind="string")

    @classmethod
    def from_documents(
        cls, documents: Iterable[str] | Mapping[str, str], *, separator: str = shared.SEPARATOR
    ) -> Context:
        """Several texts, or texts by name."""
        if isinstance(documents, Mapping):
            return cls(tuple(documents.values()), names=tuple(documents), separator=separator, kind="files")
        return cls(tuple(documents), separator=separator)

    @classmethod
    def from_paths(cls, *paths: str | Path, pattern: str = "**/*", separator: str = shared.SEPARATOR) -> Context:
        """Text files, and those in folders that match a pattern, each read when it is first needed.

        Raises:
            ConfigError: a path is not there, or nothing matches.
        """
        found = [file for path in paths for file in _files(Path(path), pattern)]
        if not found:
            raise ConfigError(
                "there is no file to work on", hint=f"looked for {pattern!r} in {', '.join(map(str, paths))}"
            )
        names = [str(path) for path in found]
        return cls(_Files(found), names=names, separator=separator, kind="files")

    @classmethod
    def of(cls, given: Any) -> Context:
        """What a caller gave as a context: a Context, a text, texts, texts by name, or other data as JSON.

        Raises:
            ConfigError: it is nothing of these, or too much.
        """
        if isinstance(given, Context):
            return given
        if isinstance(given, str):
            return cls.from_text(given)
        if isinstance(given, Mapping) and all(isinstance(value, str) for value in given.values()):
            return cls.from_documents(given)
        if isinstance(given, Sequence) and all(isinstance(value, str) for value in given):
            return cls.from_documents(given)
        return cls.from_text(_as_json(given))

    def sent(self) -> dict[str, Any]:
        """As it is sent to the sandbox.

        Raises:
            ConfigError: it is too much.
        """
        documents = list(self.documents)
        total = sum(len(document.encode("utf-8", "replace")) for document in documents)
        if total > MAX_BYTES:
            raise ConfigError(
                f"the context has {total:,} bytes; at most {MAX_BYTES:,} can be worked on in memory",
                hint="index it with `ingest`, and ask the index",
            )
        return {
            "__type__": "Context",
            "documents": documents,
            "names": list(self.names),
            "separator": self.separator,
            "kind": self.context_type,
        }

    def described(self) -> str:
        """What the prompt says of it; names come from outside and are shown as data."""
        lengths = self.document_lengths()
        kind = "text" if self.context_type == "string" else "documents" if not self.names else "files"
        lines = [f"{len(lengths):,} {kind}, {sum(lengths):,} characters in all."]
        if self.names:
            named = zip(self.names, lengths, strict=True)
            lines += [f"- {' '.join(name.split())[:120]}: {length:,}" for name, length in list(named)[:_NAMES_SHOWN]]
        elif len(lengths) > 1:
            lines.append(f"Their lengths: {', '.join(f'{n:,}' for n in lengths[:_NAMES_SHOWN])}")
        if len(lengths) > _NAMES_SHOWN:
            lines[-1] += f" … and {len(lengths) - _NAMES_SHOWN:,} more"
        return "\n".join(lines)


class _Files(Sequence[str]):
    """The texts of files, read when they are asked for, and then kept."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._read: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        if number not in self._read:
            self._read[number] = _text_of(self._paths[number])
        return self._read[number]


def _files(path: Path, pattern: str) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.glob(pattern) if file.is_file() and not _is_hidden(file, path))
    if not path.exists():
        raise ConfigError(f"there is no file {path}")
    return [path]


def _is_hidden(file: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(below).parts)


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    if b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path} is no text file", hint="index it with `ingest`, which reads PDFs and office files")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data).best()
        return str(best) if best is not None else data.decode("utf-8", "replace")


def _as_json(given: Any) -> str:
    import json

    try:
        return json.dumps(given, ensure_ascii=False, indent=1)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a {type(given).__name__} cannot be a context: {error}", hint="a text, a list of texts, or a Context"
        ) from None
