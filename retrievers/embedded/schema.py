"""The tantivy schema: one row for each unit (a page or a chunk), and one row for the state of the index.

The unit with number 0 is the head of its document: it also carries what belongs to the document as a whole.
"""

from __future__ import annotations

from typing import Final

from tantivy import Filter, Index, Schema, SchemaBuilder, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from retrievers.embedded.analysis import ANALYSERS

NUMBER_SLOTS: Final = 128
"""Number and date fields that an index can have: range queries need a column each, made with the index."""

UNIT_BITS: Final = 20
"""A unit's key is `doc_no << UNIT_BITS | unit_no`."""

HEAD_TAG: Final = "#head"
STATE_TAG: Final = "#state"


def unit_key(doc_no: int, unit_no: int) -> int:
    """The key of a unit: unique in the index, ascending within a document."""
    return doc_no << UNIT_BITS | unit_no


def analyser_tag(name: str) -> str:
    """The tag of rows whose text this analyser read."""
    return f"@{name}"


def build_schema() -> Schema:
    """The schema of every index of this format version."""
    builder = SchemaBuilder()
    builder.add_text_field("body", stored=True, tokenizer_name="nothing", index_option="basic")
    for analyser in ANALYSERS.values():
        builder.add_text_field(analyser.field, tokenizer_name=analyser.name)
    for field in ("title", "headings", "name"):  # analysed before: space-separated terms in the document's language
        builder.add_text_field(field, tokenizer_name="spaces")
    builder.add_text_field("tag", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("doc_id", tokenizer_name="raw", index_option="basic", fast=True)
    builder.add_unsigned_field("key", indexed=True, fast=True)
    builder.add_unsigned_field("lang", fast=True)
    builder.add_unsigned_field("chunks", fast=True)
    for slot in range(NUMBER_SLOTS):
        builder.add_float_field(f"n{slot}", fast=True)
    for field in ("unit", "head", "state"):
        builder.add_bytes_field(field, stored=True)
    return builder.build()


def register_tokenizers(index: Index) -> None:
    """Tell an index how to read its text fields; needed each time it is opened for writing."""
    for analyser in ANALYSERS.values():
        index.register_tokenizer(analyser.name, analyser.text_analyser())
    index.register_tokenizer("spaces", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    index.register_tokenizer("nothing", _nothing())


def _nothing() -> TextAnalyzer:
    """No tokens at all: for text that is only stored."""
    return TextAnalyzerBuilder(Tokenizer.raw()).filter(Filter.remove_long(1)).build()
