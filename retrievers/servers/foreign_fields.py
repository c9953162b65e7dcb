"""What the fields of an index that was made by something else mean: named by the user, the rest told by its mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from retrievers.errors import ConfigError
from retrievers.filters import And, Eq, Exists, Filter, In, Leaf, Not, Or, Prefix, Range
from retrievers.servers.asking import bounds_of
from retrievers.servers.dialect import Json
from retrievers.types import FieldType, MetadataValue

PRESETS: Final[Mapping[str, Mapping[str, str]]] = {
    "pyrlm-runtime": {"text": "content", "vector": "embedding", "document": "doc_id", "page": "page_num"},
}
"""Layouts of other tools by name."""

MEANINGS: Final = ("text", "title", "vector", "document", "page", "source")

_TYPES: Final[Mapping[str, FieldType]] = {
    **dict.fromkeys(("keyword", "constant_keyword", "wildcard", "ip", "version"), "keyword"),
    **dict.fromkeys(("byte", "short", "integer", "long", "unsigned_long", "half_float", "float", "double"), "number"),
    "scaled_float": "number",
    "date": "date",
    "date_nanos": "date",
    "boolean": "boolean",
}
_VECTORS: Final = ("dense_vector", "knn_vector")
_DEEPEST: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFields:
    """The fields by what they mean; "" for what an index does not have.

    Attributes:
        text: what is searched by words, and shown.
        title: of the document, searched as well.
        vector: searched by meaning.
        document: tells which document a row belongs to; "" takes each row for one.
        page: its number, which orders the rows of a document.
        source: where the document came from.
    """

    text: str
    title: str = ""
    vector: str = ""
    document: str = ""
    page: str = ""
    source: str = ""

    @classmethod
    def of(cls, named: Mapping[str, str], preset: str = "") -> ForeignFields:
        """From the settings.

        Raises:
            ConfigError: an unknown preset or meaning, or no text.
        """
        if preset and preset not in PRESETS:
            raise ConfigError(f"no preset `{preset}`", hint=f"there are {', '.join(PRESETS)}")
        fields = {**PRESETS.get(preset, {}), **named}
        for meaning in fields:
            if meaning not in MEANINGS:
                raise ConfigError(
                    f"`{meaning}` in [retriever.fields] means nothing", hint=f"there are {', '.join(MEANINGS)}"
                )
        if not fields.get("text"):
            raise ConfigError("[retriever.fields] does not say which field is the text", hint='text = "content"')
        return cls(**fields)

    def text_of(self, source: Json) -> str:
        """The text of a row; of several values, one after the other."""
        value = value_at(source, self.text)
        return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "")

    def title_of(self, source: Json) -> str:
        """The title that a row names."""
        return str(value_at(source, self.title) or "") if self.title else ""

    def source_of(self, source: Json) -> str:
        """Where a row says it came from."""
        return str(value_at(source, self.source) or "") if self.source else ""

    def document_of(self, row_id: str, source: Json) -> str:
        """The id of the document that a row belongs to."""
        return str(value_at(source, self.document) or row_id) if self.document else row_id

    def page_of(self, source: Json) -> int:
        """The page of a row, 0 without one."""
        value = value_at(source, self.page) if self.page else None
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        return int(value) if isinstance(value, int | float) and value > 0 else 0


@dataclass(frozen=True, slots=True)
class MappedField:
    """A field that can be filtered: its type, and where its values are indexed."""

    type: FieldType
    path: str


def types_in_mapping(mapping: Json, fields: ForeignFields, place: str) -> dict[str, MappedField]:
    """Every field that can be filtered by.

    Raises:
        ConfigError: a field that was named is not there, or is no vector.
    """
    properties = dict(_leaves(mapping.get("properties", {}), ""))
    for meaning in MEANINGS:
        name = getattr(fields, meaning)
        if name and name not in properties:
            raise ConfigError(
                f"the index {place} has no field `{name}` ({meaning} in [retriever.fields])",
                hint=f"it has {', '.join(sorted(properties)[:30])}",
            )
    if fields.vector and properties[fields.vector].get("type") not in _VECTORS:
        raise ConfigError(f"the field `{fields.vector}` of {place} is no vector")
    found = {name: field for name, mapped in properties.items() if (field := _filterable(name, mapped))}
    if fields.document and fields.document not in found:
        raise ConfigError(
            f"the field `{fields.document}` of {place} cannot be filtered by", hint="it has to be a keyword"
        )
    return found


def _leaves(properties: Json, prefix: str, depth: int = 0) -> Iterator[tuple[str, Json]]:
    for name, mapped in properties.items():
        if "properties" in mapped and depth < _DEEPEST:
            yield from _leaves(mapped["properties"], f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", mapped


def _filterable(name: str, mapped: Json) -> MappedField | None:
    kind = _TYPES.get(mapped.get("type", ""))
    if kind is not None:
        return None if mapped.get("index") is False else MappedField(kind, name)
    for sub, each in mapped.get("fields", {}).items():
        if each.get("type") == "keyword":
            return MappedField("keyword", f"{name}.{sub}")
    return None


def value_at(source: Mapping[str, Any], path: str) -> Any:
    """The value at a path such as `metadata.year`, None where there is none."""
    if path in source:
        return source[path]
    head, _, rest = path.partition(".")
    inner = source.get(head)
    return value_at(inner, rest) if rest and isinstance(inner, Mapping) else None


def row_metadata(source: Json, fields: ForeignFields) -> dict[str, MetadataValue]:
    """What a row says beside its text: scalars and lists of texts, objects by their paths."""
    known = {fields.text, fields.vector, fields.title}
    return {name: value for name, value in _scalars(source, "") if name not in known}


def _scalars(source: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, MetadataValue]]:
    for name, value in source.items():
        if isinstance(value, Mapping):
            yield from _scalars(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{prefix}{name}", value
        elif isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            yield f"{prefix}{name}", tuple(value)


def condition(resolved: Filter, fields: Mapping[str, MappedField]) -> Json:
    """The rows that pass a filter, as `retrievers.filters.resolve` gives it."""
    match resolved:
        case And(parts):
            return {"bool": {"filter": [condition(part, fields) for part in parts]}}
        case Or(parts):
            clauses = [condition(part, fields) for part in parts]
            return {"bool": {"should": clauses, "minimum_should_match": 1}} if clauses else {"match_none": {}}
        case Not(inner):
            return {"bool": {"must_not": [condition(inner, fields)]}}
        case _:
            return _leaf(resolved, fields[resolved.field])


def _leaf(leaf: Leaf, field: MappedField) -> Json:
    path = field.path
    match leaf:
        case Eq(_, value):
            return {"term": {path: value}}
        case In(_, values):
            return {"terms": {path: list(values)}} if values else {"match_none": {}}
        case Range(type="date"):
            bounds = {name: _milliseconds(value) for name, value in bounds_of(leaf).items()}
            return {"range": {path: {**bounds, "format": "epoch_millis"}}}
        case Range():
            return {"range": {path: bounds_of(leaf)}}
        case Exists():
            return {"exists": {"field": path}}
        case Prefix(_, prefix):
            return {"prefix": {path: prefix}}
        case _ as unreachable:
            assert_never(unreachable)


def _milliseconds(seconds: Any) -> int:
    return int(float(seconds) * 1000)
