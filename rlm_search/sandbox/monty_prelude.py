"""What a session in monty begins with. Read as text, run by monty, never imported: so it is written in its dialect.

No inheritance, generators, `del`, method decorators; `len`, `bool` and `<` know nothing of classes of one's own.
`_call` is the host's one function, which the session is given.
"""
# ruff: noqa: B905, BLE001, D101, D102, D103, F401, F821, RUF005, T201
# mypy: ignore-errors

import collections
import datetime
import itertools
import json
import math
import re

ToolError = RuntimeError
_SHOWN = 4000
_docs = []


def _fold(text, limit):
    line = " ".join(str(text)[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


class Record:
    def __init__(self, kind, fields):
        self._kind = kind
        self._names = list(fields)
        for name in fields:
            setattr(self, name, fields[name])
        if kind in ("Document", "Page"):
            text = fields.get("content", fields.get("text", ""))
            self.text = text
            self.content = text

    def __getitem__(self, key):
        if isinstance(key, str):
            if key not in self._names:
                raise KeyError(key)
            return getattr(self, key)
        return self.text[key]

    def __setitem__(self, key, value):
        if key not in self._names:
            self._names.append(key)
        setattr(self, key, value)

    def __contains__(self, key):
        return key in self._names

    def __iter__(self):
        return iter(self._names)

    def get(self, key, otherwise=None):
        return getattr(self, key) if key in self._names else otherwise

    def keys(self):
        return list(self._names)

    def values(self):
        return [getattr(self, name) for name in self._names]

    def items(self):
        return [(name, getattr(self, name)) for name in self._names]

    def __repr__(self):
        if self._kind == "Hit":
            return _headline(self) + "\n    " + _fold(self.get("preview", ""), 200) + "\n"
        shown = [name + "=" + _fold(repr(getattr(self, name)), 240) for name in self._names if not _is_text(self, name)]
        if self._kind in ("Document", "Page"):
            shown.append(f".text of {len(self.text):,} characters: {_fold(self.text, 200)!r}")
        return self._kind + "(" + ", ".join(shown) + ")"


def _is_text(record, name):
    return record._kind in ("Document", "Page") and name in ("content", "text")


def _headline(hit):
    pages = hit.get("pages")
    where = "" if not pages else f"p.{pages[0]}" if len(pages) == 1 else f"p.{pages[0]}-{pages[-1]}"
    score = hit.get("score")
    names = [_fold(hit.get("title") or "", 60), str(hit.get("source") or "")[-50:]]
    told = [str(hit.get("doc_id", "?")), where, f"{score:.3f}" if isinstance(score, float) else ""]
    return "  ".join([word for word in told + [" | ".join([n for n in names if n])] if word])


class Context:
    def __init__(self, given):
        self._kind = "Context"
        self.documents = given["documents"]
        self.names = given["names"]
        self.separator = given["separator"]
        self.context_type = given["kind"]
        self.text = self.documents[0] if len(self.documents) == 1 else self.separator.join(self.documents)
        self.files = dict(zip(self.names, self.documents))

    def __repr__(self):
        return f"Context({len(self.documents):,} documents, {len(self.text):,} characters)"

    def __getitem__(self, key):
        return self.text[key]

    def len_chars(self):
        return len(self.text)

    def num_documents(self):
        return len(self.documents)

    def get_document(self, index):
        return self.documents[index] if 0 <= index < len(self.documents) else None

    def document_lengths(self):
        return [len(document) for document in self.documents]

    def slice(self, start, end):
        return self.text[max(start, 0) : max(end, 0)]

    def peek(self, n=2000):
        return self.text[: max(n, 0)]

    def tail(self, n=2000):
        return self.text[max(len(self.text) - max(n, 0), 0) :]

    def find(self, pattern, *, regex=False, max_matches=20, case_sensitive=True, flags=None):
        if not pattern or max_matches < 1:
            return []
        expression = pattern if regex or flags is not None else re.escape(pattern)
        chosen = flags if flags is not None else 0 if case_sensitive else re.IGNORECASE
        found = []
        for match in re.finditer(expression, self.text, chosen):
            found.append((match.start(), match.end(), match.group(0)))
            if len(found) == max_matches:
                break
        return found

    def chunk(self, size, overlap=0):
        if size < 1 or not 0 <= overlap < size:
            raise ValueError(f"size must be at least 1 and overlap from 0 to below it, not {size} and {overlap}")
        pieces = []
        start = 0
        while start < len(self.text):
            end = min(start + size, len(self.text))
            pieces.append((start, end, self.text[start:end]))
            if end == len(self.text):
                break
            start = end - overlap
        return pieces

    def extract_after(self, marker, *, max_len=128):
        at = self.text.find(marker)
        words = self.text[at + len(marker) : at + len(marker) + max_len].split() if at >= 0 else []
        return (words[0].strip(" \t\r\n.,;:\"'()[]{}") or None) if words else None


def _revive(value):
    if isinstance(value, list):
        return [_revive(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("__type__")
    if kind is None:
        return {key: _revive(value[key]) for key in value}
    if kind == "Context":
        return Context(value)
    if kind == "Failed":
        print("note: a call failed, and gave None:", value.get("reason", ""))
        return None
    fields = {key: _revive(value[key]) for key in value if key not in ("__type__", "items")}
    if kind in ("Hits", "Pages", "Table"):
        for key in fields:
            if fields[key] not in ("", None, [], {}):
                print(f"note: {key} of what was returned: {_fold(repr(fields[key]), 400)}")
        return [_as_record({"Hits": "Hit", "Pages": "Page"}.get(kind, "Record"), item) for item in value["items"]]
    if kind in ("Record", "Hit", "Document", "Page"):
        return Record(kind, fields)
    return {key: _revive(value[key]) for key in value}


def _as_record(kind, item):
    item = _revive(item)
    return Record(kind, item) if isinstance(item, dict) else item


def _show(value):
    if value is None:
        return
    text = repr(value)
    if len(text) > _SHOWN:
        half = _SHOWN // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half:,} of {len(text):,} characters left out …\n{text[-half:]}"
    print(text)


def _about(value):
    name = type(value).__name__
    kind = f"{name} of {len(value):,}" if isinstance(value, (str, list, tuple, dict, set)) else name
    return f"{kind}: {_fold(repr(value), 100)}"


def _is_function(value):
    return type(value).__name__ == "function"


def _mapped(function, items, rows, failed):
    for item in items:
        try:
            value = function(item)
        except Exception as error:
            failed.append({"doc_id": item["doc_id"], "reason": f"{type(error).__name__}: {error}"[:300]})
            continue
        fields = value if isinstance(value, dict) else {"answer": value}
        row = {key: item[key] for key in ("title", "source", "pages", "start", "end") if key in item}
        rows.append(Record("Record", {**row, **fields, "doc_id": item["doc_id"]}))


def _map_documents(function, filters=None, schema=None, query="", model=None):
    rows = []
    failed = []
    after = ""
    while True:
        batch = _call("documents_to_map", [filters, query, after], {})
        _mapped(function, [_as_record("Document", item) for item in batch["items"]], rows, failed)
        after = batch["next"]
        if not after:
            return _told(rows, failed, "documents")


def _map_hits(function, hits, filters=None, schema=None, top_k=200, model=None):
    rows = []
    failed = []
    if isinstance(hits, str):
        hits = _revive(_call("es_hybrid_search", [hits, top_k, filters], {}))
    _mapped(function, hits, rows, failed)
    return _told(rows, failed, "hits")


def _told(rows, failed, what):
    seen = len(rows) + len(failed)
    print(
        f"note: coverage: {seen:,} of {seen:,} {what}, {len(failed):,} failed{': ' if failed else ''}{failed[:3] or ''}"
    )
    return rows


def _asked(name, args, kwargs):
    if name in ("map_documents", "map_hits") and args and _is_function(args[0]):
        return (_map_documents if name == "map_documents" else _map_hits)(*args, **kwargs)
    return _revive(_call(name, list(args), kwargs))


def help(thing=None):
    for function, doc in _docs:
        if thing is function:
            print(doc)
            return
    print("help(f) shows what a function of this session does")
