"""The prompts as data, and the few functions that fill them in from the tools and the index themselves."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from importlib import resources
from string import Template
from typing import Any

from retrievers.protocols import Describes, RetrieverProtocol
from retrievers.types import CorpusDescription, FieldInfo
from rlm_search.context import Context
from rlm_search.gates import Gates

_FIELDS_SHOWN = 20
_EXAMPLES_SHOWN = 3
_SEEN_IN_HITS = ("doc_id", "source", "title", "name")
"""Fields whose examples would only be names: hits show them."""
_FILTERS = (
    'filters: {"year": 2019}, {"year": {"gte": 2018, "lt": 2021}}, {"form": ["10-K", "10-Q"]}, '
    '{"x": {"exists": True}}, {"x": {"prefix": "A"}}, {"x": {"not": 1}}, '
    '{"or": [{…}, {…}]}; several fields must all hold.'
)


def system(
    retriever: RetrieverProtocol | None, functions: Mapping[str, Callable[..., Any]], *, compact: bool = False
) -> str:
    """The system prompt of a run: its tools, the corpus it may ask, and the rules; `compact`: in fewer words."""
    name = f"{'plain' if retriever is None else 'system'}{'_compact' if compact else ''}.md"
    template = Template(resources.files("rlm_search.prompts").joinpath(name).read_text(encoding="utf-8"))
    told = functions.values()
    return template.substitute(
        tools=", ".join(map(_call, told)) if compact else "\n".join(map(signature, told)),
        corpus=corpus(retriever) if retriever is not None else "",
        filters=_FILTERS,
    )


def given(context: Context | None) -> str:
    """What the system prompt says of a context."""
    if context is None:
        return ""
    template = Template(resources.files("rlm_search.prompts").joinpath("context.md").read_text(encoding="utf-8"))
    return template.substitute(about=context.described())


def finishing(gates: Gates, schema: Mapping[str, Any] | None) -> str:
    """What the system prompt says of finishing beyond the usual: a variable that does it, the type of the answer."""
    said = ""
    if gates.auto_finalize_var:
        said += f"\nThe run ends as soon as you have put the answer into the variable `{gates.auto_finalize_var}`.\n"
    if schema is not None:
        said += (
            "\nThe answer must be data that fits this JSON schema: give FINAL the data itself, a dict or a list, "
            f"not a sentence about it.\n{json.dumps(schema, ensure_ascii=False)}\n"
        )
    return said


def signature(function: Callable[..., Any]) -> str:
    """A function as the model is told of it: its name, arguments and first line of documentation."""
    return f"- {_call(function)}: {(inspect.getdoc(function) or '').splitlines()[0]}"


def corpus(retriever: RetrieverProtocol) -> str:
    """What the index holds, in a few lines; names and values come from documents and are shown as data."""
    if not isinstance(retriever, Describes):
        return "(it does not tell what it holds)"
    about = retriever.describe()
    lines = [_counts(about)]
    if about.fields:
        lines.append("Fields for filters (type, documents that have it, range, examples):")
        told = [field for field in about.fields if field.name not in _SEEN_IN_HITS]
        lines += [_field(field) for field in told[:_FIELDS_SHOWN]]
        rest = [*(name for name in _SEEN_IN_HITS if any(f.name == name for f in about.fields))]
        rest += [f"{len(told) - _FIELDS_SHOWN} more: es_schema().fields"] if len(told) > _FIELDS_SHOWN else []
        lines += [f"- also {', '.join(rest)}"] if rest else []
    return "\n".join(lines)


def _call(function: Callable[..., Any]) -> str:
    arguments = ", ".join(map(_argument, inspect.signature(function).parameters.values()))
    return f"{function.__name__}({arguments})"


def _argument(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation if isinstance(parameter.annotation, str) else ""
    kind = "" if annotation in ("Any", "") else f": {re.sub(r' ?[|] ?None', '', annotation)}"
    kind = kind.replace("dict[str, Any]", "dict")
    if parameter.default is inspect.Parameter.empty:
        return f"{parameter.name}{kind}"
    return f"{parameter.name}={parameter.default!r}"


def _counts(about: CorpusDescription) -> str:
    languages = ", ".join(f"{_data(f.value)} {f.count:,}" for f in about.languages[:8] if f.value)
    words = f"{about.documents:,} documents{f' ({languages})' if languages else ''}."
    if about.vectors < about.chunks:
        words += f" {about.vectors:,} of {about.chunks:,} passages can be found by meaning yet; all by words."
    return words


def _field(field: FieldInfo) -> str:
    examples = ", ".join(_data(example) for example in field.examples[:_EXAMPLES_SHOWN])
    told = [field.type, f"{field.documents:,}"]
    if field.lowest != field.highest:
        told.append(f"{_data(field.lowest)} to {_data(field.highest)}")
    if field.conflicts:
        told.append(f"{field.conflicts:,} of another type")
    return f"- {_data(field.name)} ({', '.join(told)}): {examples}"


def _data(value: object) -> str:
    """A name or value out of documents: on one line, and short, so that it cannot pass for a part of the prompt."""
    line = " ".join(str(value).split())
    return line if len(line) <= 32 else f"{line[:31]}…"
