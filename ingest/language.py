"""The language of a document, from a sample of its text: by script where the script tells, else by a small model."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]  # it ships no types

_SAMPLE = 1_200  # characters; 0.15 ms on one core
_LINK_SIGNS = ("://", "www.", "@")
_ENOUGH = 16  # letters, for the model to say more than noise
_SURE = 0.6  # below, the model guesses: tables of numbers, lists of names
_LETTERS = re.compile(r"[^\W\d_]+")
_LINKS = re.compile(r"\b(?:https?://|www\.)\S+|\S+@\S+")
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),  # before zh: Japanese mixes kana with the characters that Chinese uses
    ("ko", re.compile(r"[\uac00-\ud7af\u1100-\u11ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002ffff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("el", re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
)
_SHARE = 0.3  # of the letters; a page of Japanese is a third kana at least, an English one on Japan quotes a few


def language_of(text: str) -> str:
    """ISO 639-1 code of the language that most of the text is in, "" where it cannot be told."""
    sample = _without_links(_sample(text))
    letters = "".join(_LETTERS.findall(sample))
    if not letters.isascii():
        for code, script in _SCRIPTS:
            if len(script.findall(letters)) >= _SHARE * len(letters):
                return code
    if len(letters) < _ENOUGH:
        return ""
    code, confidence = identifier().classify(sample)
    return str(code) if confidence >= _SURE else ""


def _sample(text: str) -> str:
    """Pieces from the beginning, the middle and further on: a cover page may be in another language, or none."""
    if len(text) <= _SAMPLE:
        return text
    third = _SAMPLE // 3
    return "\n".join(text[at : at + third] for at in (0, len(text) // 2, len(text) * 3 // 4))


def _without_links(text: str) -> str:
    if any(sign in text for sign in _LINK_SIGNS):  # the pattern tries every word
        return _LINKS.sub(" ", text)
    return text


@cache
def identifier() -> LanguageIdentifier:
    """The model, loaded once per process: 0.6 s of CPU."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([code for code in model.labels if len(code) == len("en")])  # the others only take from these
    model.nb_ptc = np.ascontiguousarray(model.nb_ptc)  # by columns it costs twice the time: rows are what is looked up
    return model
