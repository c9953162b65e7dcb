"""The settings and the mapping of an index on a server: two kinds of rows, analysers by language, typed metadata.

A *unit* is a page, or a part of about a page: what a search finds. A *vector* row is a chunk with its vector, found by
meaning, and belongs to a unit. Both lie on the shard of their document (routing by its id). The first unit of a
document is its head: it also carries what belongs to the document as a whole, and says which *edition* of it counts.
All other rows bear the edition in their ids, so that a new one is written beside the old one.

Text is read by the server, in the field of its language, as the embedded engine reads it: the same way of cutting it
into words, the same stemmers (Snowball's, whatever the server's default is), accents folded, words of letters and
digits found by their parts, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from retrievers.errors import ConfigError
from retrievers.servers.dialect import Dialect, Json
from retrievers.types import FieldType

FORMAT: Final = 2
"""Version of the layout; a reader refuses any other one."""

LANGUAGES: Final = ("en", "de", "fr", "es", "cjk", "plain")
"""Analysers, as `retrievers.embedded.analysis` names them."""

MOST_METADATA: Final = 300
"""Metadata fields that have fields of their own on the server; of those beyond, values are found by their text."""

MOST_FIELDS: Final = 2_000
"""Fields of an index in all, as the server counts them."""

TYPES: Final[Mapping[FieldType, str]] = {"keyword": "k", "number": "n", "date": "d"}
"""Where a metadata value is indexed, read as a type: `k.company`, `n.year`; each by its text as well."""

_STEMMERS: Final = {"en": "English", "de": "German", "fr": "French", "es": "Spanish"}
_END: Final = r"(?![\p{L}\p{N}_])"
_BEFORE: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "de": {"rlm_ue": ("(?<![aeiouq])ue", "u")},
    "es": {
        "rlm_spanish_plural": (f"(?<=[aeiouáéíóú][dlrnj])es{_END}", ""),
        "rlm_spanish_z": (f"(?<=[aeiouáéíóú])z{_END}", "c"),
    },
    "fr": {
        "rlm_french_verb": (f"(?<=[nr]d)(?:res?|ues?|us?){_END}", ""),
        "rlm_french_plural": (rf"(?:(?<=[dtnçrv]u)|(?<=(?<![\p{{L}}\p{{N}}_])[lr]oi))s{_END}", ""),
    },
}
"""What is done to a text before it is cut into words, as `retrievers.embedded.analysis` does it."""

_ACCENTS_FIRST: Final = ("en", "de")
"""Languages whose stemmers want accents gone; the others need them."""


def settings_of(dialect: Dialect, *, shards: int, replicas: int, refresh: str = "1s") -> Json:
    """The settings of a new index."""
    index: Json = {"number_of_shards": shards, "mapping.total_fields.limit": MOST_FIELDS}
    index |= {"auto_expand_replicas": "0-1"} if replicas < 0 else {"number_of_replicas": replicas}
    index |= {"max_result_window": 10_000, "refresh_interval": refresh}
    index["mapping.ignore_malformed"] = True
    return {"index": {**index, **dialect.index_settings()}, "analysis": _analysis()}


def chosen(ways: Mapping[str, Json], kind: str, server: str) -> Json:
    """The way to keep vectors that the settings name.

    Raises:
        ConfigError: this server knows no such way.
    """
    if kind not in ways:
        raise ConfigError(
            f"{server} does not keep vectors as `{kind}`", hint=f"vectors in the table [server]: {', '.join(ways)}"
        )
    return ways[kind]


def mapping_of(dialect: Dialect, *, embedder: str, dimensions: int, vectors: str = "") -> Json:
    """The mapping of a new index; what it was built with is told in `_meta`.

    Args:
        dialect: the server.
        embedder: whose vectors it holds, "" for none.
        dimensions: length of a vector, 0 for none.
        vectors: how they are kept; "" is the server's default.

    Raises:
        ConfigError: this server does not keep vectors in such a way.
    """
    properties: dict[str, Any] = {
        "kind": {"type": "keyword"},
        "doc_id": {"type": "keyword"},
        "head": {"type": "boolean"},
        "unit": {"type": "integer"},
        "ordinal": {"type": "integer"},
        "start": {"type": "integer"},
        "end": {"type": "integer"},
        "language": {"type": "keyword"},
        "analyser": {"type": "keyword"},
        "hash": {"type": "keyword"},
        "edition": {"type": "keyword"},
        "has_vectors": {"type": "boolean"},
        "chunks": {"type": "integer"},
        "hit": {"type": "object", "enabled": False},
        "summary": {"type": "object", "enabled": False},
        "record": {"type": "binary"},
        "forms": {"type": "keyword"},
        "wide": {"type": "keyword"},
    }
    for language in LANGUAGES:
        properties |= _text_fields(language)
    if dimensions:
        properties["vector"] = dialect.vector_field(dimensions, vectors)
    return {
        "dynamic": False,
        "_meta": {"rlm_search": {"format": FORMAT, "embedder": embedder, "dimensions": dimensions}},
        "_routing": {"required": True},
        "properties": {**properties, **{path: {"type": "object", "dynamic": True} for path in TYPES.values()}},
        "dynamic_templates": [_template(path, kind) for kind, path in TYPES.items()],
    }


def _template(path: str, kind: str) -> Json:
    mapped: dict[str, Json] = {
        "keyword": {"type": "keyword"},
        "number": {"type": "double"},
        "date": {"type": "double"},  # seconds since 1970: a server's own dates end at milliseconds
    }
    return {f"{path}_values": {"path_match": f"{path}.*", "mapping": mapped[kind]}}


def _text_fields(language: str) -> Json:
    text = {"type": "text", "analyzer": f"rlm_{language}", "search_analyzer": f"rlm_{language}_query"}
    return {f"{name}_{language}": text for name in ("text", "title", "headings", "name")}


def _analysis() -> Json:
    stemmers = {f"rlm_stems_{name}": {"type": "snowball", "language": stem} for name, stem in _STEMMERS.items()}
    return {
        "tokenizer": {
            "rlm_words": {"type": "char_group", "tokenize_on_chars": ["whitespace", "punctuation", "symbol"]}
        },
        "char_filter": {
            "rlm_umlauts": {"type": "mapping", "mappings": ["ae=>a", "oe=>o", "AE=>A", "OE=>O", "Ae=>A", "Oe=>O"]},
            **{name: _replaced(*rule) for rules in _BEFORE.values() for name, rule in rules.items()},
        },
        "filter": {
            **stemmers,
            "rlm_short": {"type": "length", "max": 100},
            "rlm_parts": {
                "type": "word_delimiter_graph",
                "preserve_original": True,
                "split_on_case_change": False,
                "stem_english_possessive": False,
            },
            "rlm_pairs": {"type": "cjk_bigram"},
            "rlm_pairs_and_singles": {"type": "cjk_bigram", "output_unigrams": True},
        },
        "analyzer": {
            **{f"rlm_{name}": _analyser(name, asked=False) for name in LANGUAGES},
            **{f"rlm_{name}_query": _analyser(name, asked=True) for name in LANGUAGES},
        },
    }


def _analyser(language: str, *, asked: bool) -> Json:
    """Of a language; what is asked for is not taken apart: the parts of its words come with weights of their own."""
    if language == "cjk":
        pairs = "rlm_pairs" if asked else "rlm_pairs_and_singles"
        return {"type": "custom", "tokenizer": "standard", "filter": ["cjk_width", "lowercase", "asciifolding", pairs]}
    stem = [f"rlm_stems_{language}"] if language in _STEMMERS else []
    folded = ["asciifolding", *stem] if language in _ACCENTS_FIRST else [*stem, "asciifolding"]
    parts = [] if asked else ["rlm_parts", "flatten_graph"]
    analyser: Json = {"type": "custom", "tokenizer": "rlm_words", "filter": ["rlm_short", *parts, "lowercase", *folded]}
    if language in _BEFORE:
        analyser["char_filter"] = [*(["rlm_umlauts"] if language == "de" else []), *_BEFORE[language]]
    return analyser


def _replaced(pattern: str, replacement: str) -> Json:
    return {"type": "pattern_replace", "pattern": f"(?iu){pattern}", "replacement": replacement}
