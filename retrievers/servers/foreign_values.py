"""Values in the fields of an index that was made by something else: counted in documents, with their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from retrievers.servers.dialect import Json
from retrievers.servers.foreign_fields import MappedField
from retrievers.types import Facet, FieldInfo

PRECISION: Final = 40_000
"""Documents that are counted exactly; beyond, a server estimates within a few percent."""


def documents_in(path: str) -> Json:
    """Counts the documents of rows, told apart by the field at a path; "" takes each row for one."""
    return {"documents": {"cardinality": {"field": path, "precision_threshold": PRECISION}}} if path else {}


def counted(bucket: Mapping[str, Any]) -> int:
    """The documents in a bucket with `documents_in` in it."""
    return int(bucket["documents"]["value"] if "documents" in bucket else bucket["doc_count"])


def aggregations(name: str, field: MappedField, documents: str, most: int) -> Json:
    """What is asked of a field: its most frequent values, how many have one and, where there is an order, the ends."""
    order = [{"documents" if documents else "_count": "desc"}, {"_key": "asc"}]
    values = {"terms": {"field": field.path, "size": most, "order": order}, "aggs": documents_in(documents)}
    having = {"filter": {"exists": {"field": field.path}}, "aggs": documents_in(documents)}
    asked: Json = {f"values {name}": values, f"having {name}": having}
    if field.type in ("number", "date"):
        asked |= {f"least {name}": {"min": {"field": field.path}}, f"most {name}": {"max": {"field": field.path}}}
    return asked


def facets_of(answer: Mapping[str, Any], name: str, field: MappedField) -> list[Facet]:
    """The values, most frequent first, ties by value."""
    facets = [
        Facet(value=_value(bucket, field.type), count=counted(bucket)) for bucket in answer[f"values {name}"]["buckets"]
    ]
    return sorted(facets, key=lambda facet: (-facet.count, facet.value))


def info_of(answer: Mapping[str, Any], name: str, field: MappedField, examples: int) -> FieldInfo:
    """All that is told of a field."""
    facets = facets_of(answer, name, field)
    return FieldInfo(
        name=name,
        type=field.type,
        documents=counted(answer[f"having {name}"]),
        examples=tuple(facet.value for facet in facets[:examples]),
        distinct=len(facets) if len(facets) <= examples else None,
        lowest=_end(answer.get(f"least {name}")),
        highest=_end(answer.get(f"most {name}")),
    )


def _value(bucket: Mapping[str, Any], kind: str) -> Any:
    if kind == "boolean":
        return bool(bucket["key"])
    return str(bucket.get("key_as_string", bucket["key"])) if kind == "date" else bucket["key"]


def _end(found: Mapping[str, Any] | None) -> str | float | None:
    if found is None or found["value"] is None:
        return None
    value = found.get("value_as_string", found["value"])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def all_aggregations(fields: Mapping[str, MappedField], names: Sequence[str], documents: str, most: int) -> Json:
    """What is asked of several fields."""
    return {key: asked for name in names for key, asked in aggregations(name, fields[name], documents, most).items()}
