"""How text becomes terms, by language: the same for documents and for queries.

English, German, French and Spanish are stemmed; Chinese, Japanese and Korean are cut into overlapping pairs of
characters; everything else is lowercased. Accents fold everywhere, so that `Müller`, `Mueller` and `muller` meet in
German text. A word that mixes letters and digits is also found by its parts (`FY2018` by `2018`).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from retrievers.embedded.stopwords import STOPWORDS

LONGEST_TERM: Final = 100
"""UTF-8 bytes; longer tokens (encoded data) are not indexed."""

CJK_RUN: Final = re.compile(r"[\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
_UE: Final = re.compile(r"(?<![aeiouq])ue")
_SPANISH_PLURAL: Final = re.compile(r"(?<=[aeiouáéíóú][dlrnj])es\b")
_SPANISH_Z: Final = re.compile(r"(?<=[aeiouáéíóú])z\b")
_FRENCH_VERB: Final = re.compile(r"(?<=[nr]d)(?:res?|ues?|us?)\b")
_FRENCH_PLURAL: Final = re.compile(r"(?<=[dtnçrv]u)s\b|(?<=\b[lr]oi)s\b")


@dataclass(frozen=True, eq=False)
class Analyser:
    """One way to read text: its tantivy pipeline, and what is done to the text before.

    `prepare` may change lengths: it works on a copy that is indexed, never on what is stored.
    """

    name: str
    filters: Callable[[], list[Filter]]
    prepare: Callable[[str], str]
    stopwords: frozenset[str]

    @property
    def field(self) -> str:
        """The text field that holds its terms."""
        return f"text_{self.name}"

    def text_analyser(self) -> TextAnalyzer:
        """Its tantivy pipeline."""
        builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(LONGEST_TERM))
        for step in self.filters():
            builder = builder.filter(step)
        return builder.build()

    @cached_property
    def _pipeline(self) -> TextAnalyzer:
        return self.text_analyser()

    def terms(self, text: str) -> list[str]:
        """The terms of a text, in order."""
        found: list[str] = self._pipeline.analyze(self.prepare(text))
        return found

    def indexed(self, text: str, mixed: Sequence[str] | None = None) -> str:
        """What is given to the index for a text: prepared, with the parts of its mixed words behind it."""
        prepared = self.prepare(text)
        parts = mixed_parts(text) if mixed is None else mixed
        return f"{prepared}\n{' '.join(parts)}" if parts else prepared


def _as_is(text: str) -> str:
    return text


def _german(text: str) -> str:
    """Umlauts written out become the bare vowel, as folding makes of the umlaut itself; `Feuer` and `Quelle` stay."""
    return _UE.sub("u", text.lower().replace("ae", "a").replace("oe", "o"))


def _spanish(text: str) -> str:
    """Plurals become what their singulars are: the stemmer takes `ciudad` for a verb and `ciudades` for none."""
    return _SPANISH_Z.sub("c", _SPANISH_PLURAL.sub("", text.lower()))


def _french(text: str) -> str:
    """Verbs in -dre and their participles become their stem (`vendre`, `vendus`); participles lose their plural."""
    return _FRENCH_PLURAL.sub("", _FRENCH_VERB.sub("", text.lower()))


def _pairs(text: str) -> str:
    """Each run of CJK characters as overlapping pairs, its last character alone: every character starts a term."""
    return CJK_RUN.sub(_run_of_pairs, unicodedata.normalize("NFKC", text))


def _run_of_pairs(match: re.Match[str]) -> str:
    run = match[0]
    return f" {' '.join(run[i : i + 2] for i in range(len(run)))} "


def _folded_stems(language: str) -> Callable[[], list[Filter]]:
    return lambda: [Filter.lowercase(), Filter.ascii_fold(), Filter.stemmer(language)]


def _stems_folded(language: str) -> Callable[[], list[Filter]]:
    return lambda: [Filter.lowercase(), Filter.stemmer(language), Filter.ascii_fold()]  # these stemmers need accents


def _plain() -> list[Filter]:
    return [Filter.lowercase(), Filter.ascii_fold()]


def _analyser(name: str, filters: Callable[[], list[Filter]], prepare: Callable[[str], str] = _as_is) -> Analyser:
    return Analyser(name, filters, prepare, STOPWORDS.get(name, frozenset()))


ANALYSERS: Final[Mapping[str, Analyser]] = {
    analyser.name: analyser
    for analyser in (
        _analyser("en", _folded_stems("english")),
        _analyser("de", _folded_stems("german"), _german),
        _analyser("fr", _stems_folded("french"), _french),
        _analyser("es", _stems_folded("spanish"), _spanish),
        _analyser("cjk", _plain, _pairs),
        _analyser("plain", _plain),
    )
}

_CJK_LANGUAGES: Final = ("zh", "ja", "ko")


def analyser_of(language: str, text: str) -> Analyser:
    """Which analyser reads a document; one of unknown language that is mostly CJK characters is read as that."""
    language = language[:2].lower()
    if language in _CJK_LANGUAGES:
        return ANALYSERS["cjk"]
    if language in ANALYSERS:
        return ANALYSERS[language]
    return ANALYSERS["cjk" if is_cjk(text[:2000]) else "plain"]


def is_cjk(text: str) -> bool:
    """Whether at least a third of the letters are Chinese, Japanese or Korean."""
    if text.isascii():
        return False
    cjk = sum(len(run) for run in CJK_RUN.findall(text))
    return cjk > 0 and 3 * cjk >= sum(map(str.isalpha, text))


_LETTER, _DIGIT = 1, 2
_CLASSES: Final = bytes(
    _DIGIT if 48 <= code <= 57 else _LETTER if 65 <= code <= 90 or 97 <= code <= 122 else 0 for code in range(256)
)
_GROUPS: Final = re.compile(r"[^\W\d_]{2,}|\d{2,}")
"""What makes a part: two letters or digits at least."""


def mixed_parts(text: str) -> list[str]:
    """The parts of words that mix ASCII letters and digits, lowercased, each once; single characters are no parts."""
    found = (text[start:end].lower() for start, end in mixed_words(text))
    return list(dict.fromkeys(part for word in found for part in _GROUPS.findall(word)))


def parts_by_unit(text: str, starts: Sequence[int]) -> dict[int, list[str]]:
    """`mixed_parts` of each unit of a text that has any, found in one walk; `starts` are where the units begin."""
    parts: dict[int, dict[str, None]] = {}
    for start, end in mixed_words(text):
        own = parts.setdefault(bisect_right(starts, start) - 1, {})
        own.update(dict.fromkeys(_GROUPS.findall(text[start:end].lower())))
    return {unit: list(found) for unit, found in parts.items() if found}


def mixed_words(text: str) -> list[tuple[int, int]]:
    """Where the words stand that mix ASCII letters and digits."""
    classes = text.encode("ascii", "replace").translate(_CLASSES)
    codes = np.frombuffer(classes, np.uint8)
    borders = np.flatnonzero(codes[1:] ^ codes[:-1] == _LETTER ^ _DIGIT).tolist()
    words: list[tuple[int, int]] = []
    end = 0
    for border in borders:
        if border >= end:
            end = classes.find(b"\0", border) % (len(classes) + 1)  # -1, the end, becomes the length
            words.append((classes.rfind(b"\0", 0, border) + 1, end))
    return words
