"""Path templates: fields of metadata from names such as `3M_2018_10K.pdf`, by `{company}_{year:int}_{form}.pdf`."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from ingest.errors import ConfigError
from retrievers.types import MetadataValue

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_PATTERNS = {
    "str": "[^/]+?",
    "int": "[+-]?[0-9]+",
    "float": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)",
    "date": "[0-9]{4}-?[0-9]{2}-?[0-9]{2}|[0-9]{4}[-_][0-9]{2}",
}
_INT64 = 1 << 63
_EXAMPLE = "'{company}_{year:int}_{form}.pdf'"


class Template:
    """One template, matched against the name of a file, or against its path where the template holds a `/`.

    A template without an extension fits a name with any. `*` stands for anything within a name, `{}` for a part that
    is not kept.

    Raises:
        ConfigError: it cannot be understood.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._types: dict[str, str] = {}
        self._pattern = re.compile(self._translated(), re.DOTALL)
        self._is_path = "/" in text
        self._names_extension = "." in _FIELD.sub("", text.rpartition("/")[2])

    def match(self, source: str) -> dict[str, MetadataValue] | None:
        """The fields of a path under its root, None where the template does not fit."""
        path = PurePosixPath(source)
        subject = source if self._is_path else path.name
        stem = subject.removesuffix(path.suffix)
        for candidate in (subject,) if self._names_extension else dict.fromkeys((stem, subject)):
            found = self._pattern.fullmatch(candidate)
            values = self._values(found) if found else None
            if values is not None:
                return values
        return None

    def _values(self, found: re.Match[str]) -> dict[str, MetadataValue] | None:
        values: dict[str, MetadataValue] = {}
        for number, (name, type_) in enumerate(self._types.items()):
            value = _READ[type_](found[f"f{number}"])
            if value is None:
                return None
            values[name] = value
        return values

    def _translated(self) -> str:
        pieces, position = [], 0
        for field in _FIELD.finditer(self.text):
            pieces += [_literal(self.text[position : field.start()], self.text), self._group(field)]
            position = field.end()
        pieces.append(_literal(self.text[position:], self.text))
        if not self._types:
            raise _bad(self.text, "it has no field")
        return ("(?:.*/)?" if "/" in self.text else "") + "".join(pieces)

    def _group(self, field: re.Match[str]) -> str:
        name, type_ = field[1], field[2] if field[2] is not None else "str"
        if type_ not in _PATTERNS:
            raise _bad(self.text, f"{type_!r} is no type; there are {', '.join(_PATTERNS)}")
        if not name:
            return f"(?:{_PATTERNS[type_]})"
        if not _NAME.fullmatch(name):
            raise _bad(self.text, f"{name!r} cannot be the name of a field")
        if name in self._types:
            raise _bad(self.text, f"it has the field {name!r} twice")
        self._types[name] = type_
        return f"(?P<f{len(self._types) - 1}>{_PATTERNS[type_]})"


class PathFields:
    """All templates of a run; the first that fits a file gives its fields.

    Attributes:
        fitted: how many files each template has given fields to.
        unfitted: how many files no template fits.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._templates = [Template(text) for text in texts]
        self.fitted: Counter[str] = Counter({template.text: 0 for template in self._templates})
        self.unfitted = 0

    def of(self, source: str) -> Mapping[str, MetadataValue]:
        """The fields that the path of a file under its root gives."""
        for template in self._templates:
            values = template.match(source)
            if values is not None:
                self.fitted[template.text] += 1
                return values
        self.unfitted += bool(self._templates)
        return {}


def _int(text: str) -> MetadataValue | None:
    number = int(text) if len(text) < 20 else _INT64
    return number if -_INT64 <= number < _INT64 else text


def _date(text: str) -> MetadataValue | None:
    digits = re.sub("[-_]", "", text)
    try:
        if len(digits) == 6:
            return datetime.date(int(digits[:4]), int(digits[4:]), 1).isoformat()[:7]
        return datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).isoformat()
    except ValueError:
        return None


_READ: Mapping[str, Callable[[str], MetadataValue | None]] = {"str": str, "int": _int, "float": float, "date": _date}


def _literal(text: str, template: str) -> str:
    if "{" in text or "}" in text:
        raise _bad(template, "a brace is open or closed alone")
    return re.escape(text).replace(r"\*", "[^/]*?")


def _bad(template: str, why: str) -> ConfigError:
    return ConfigError(f"the path template {template!r} cannot be used: {why}", hint=f"write it like {_EXAMPLE}")
