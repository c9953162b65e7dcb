"""Text is analysed as its readers expect, in documents and in queries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from retrievers.embedded import EmbeddedRetriever
from retrievers.embedded.analysis import ANALYSERS, analyser_of, mixed_parts
from retrievers.testing import document

Make = Callable[..., EmbeddedRetriever]


def found(reader: EmbeddedRetriever, query: str) -> set[str]:
    return {hit.doc_id for hit in reader.search(query)}


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("en", "The companies were running studies.", "company study"),
        ("en", "Zoë ate a crème brûlée.", "zoe creme brulee"),
        ("de", "Herr Müller kaufte Häuser in der Größe.", "Mueller"),
        ("de", "Herr Mueller kaufte ein Haus.", "Müller Häuser"),
        ("de", "Herr Müller kaufte ein Haus.", "muller"),
        ("de", "Die Straße ist lang.", "STRASSE"),
        ("de", "Das Feuer der Quelle", "feuer"),
        ("fr", "Les élections présidentielles françaises", "élection présidentielle"),
        ("fr", "L'État et l'école", "etat ecole"),
        ("es", "Las informaciones económicas", "información económica"),
        ("zh", "上海市是中国的经济中心。", "上海"),
        ("zh", "上海市是中国的经济中心。", "海"),
        ("zh", "我买了一部iPhone手机", "iphone"),
        ("ja", "東京タワーは高い。", "タワー"),
        ("ko", "서울은 대한민국의 수도이다", "대한민국"),
        ("", "Ἀθῆναι Москва", "москва"),
        ("sv", "Flickan läste boken", "laste"),
    ],
)
def test_a_reader_of_the_language_finds_it(index: Make, language: str, text: str, query: str) -> None:
    other = document("other", "Nothing of that kind is written here.")
    reader = index(replace(document("it", text), language=language), other)
    assert found(reader, query) == {"it"}


def test_fire_in_german_is_not_a_preposition(index: Make) -> None:
    reader = index(document("for", "Das ist für dich.", language="de"))
    assert found(reader, "Feuer") == set()


def test_text_of_unknown_language_in_chinese_is_read_as_such() -> None:
    assert analyser_of("", "上海市是中国的经济中心 (2018)").name == "cjk"
    assert analyser_of("", "mostly English with 上海").name == "plain"
    assert analyser_of("de-AT", "").name == "de"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("FY2018 and 3M", ["fy", "2018"]),
        ("covid19x", ["covid", "19"]),
        ("10-K, plain words, 2018", []),
        ("éa2019", ["2019"]),
        ("", []),
        ("a1", []),
        ("end2019", ["end", "2019"]),
    ],
)
def test_words_of_letters_and_digits_have_parts(text: str, parts: list[str]) -> None:
    assert mixed_parts(text) == parts


def test_a_year_is_found_in_a_word(index: Make) -> None:
    reader = index(document("a", "Sales grew in FY2018."), document("b", "Sales grew in 2017."))
    assert found(reader, "2018") == {"a"}
    assert next(iter(reader.search("sales FY2018"))).doc_id == "a"


def test_a_short_name_stays_whole(index: Make) -> None:
    reader = index(document("a", "3M makes tape."), document("b", "3 men make m."))
    assert found(reader, "3M") == {"a"}


def test_documents_of_a_rare_language_compete_fairly(index: Make) -> None:
    english = [document(f"en{i}", f"protein studies number {i} of the laboratory") for i in range(30)]
    stray = replace(document("stray", "one protein among many other words of a text"), language="fr")
    reader = index(*english, stray)
    assert next(iter(reader.search("protein laboratory studies"))).doc_id.startswith("en")


def test_question_words_do_not_count(index: Make) -> None:
    reader = index(
        document("chatter", "What is the? What is the what of the is it."),
        document("answer", "Revenue came to nine million."),
    )
    assert reader.search("what is the revenue of it")[0].doc_id == "answer"
    assert found(reader, "what is the") == {"chatter"}


def test_analysers_read_documents_and_queries_alike() -> None:
    for analyser in ANALYSERS.values():
        assert analyser.terms("running") == analyser.terms("Running")


@pytest.mark.parametrize(
    ("language", "forms"),
    [
        ("es", "ciudad ciudades CIUDADES"),
        ("es", "mujer mujeres"),
        ("es", "lugar lugares"),
        ("es", "luz luces"),
        ("es", "enlace enlaces"),
        ("es", "índice índices"),
        ("es", "canción canciones"),
        ("es", "orden órdenes"),
        ("es", "hombre hombres"),
        ("es", "tiene tienen"),
        ("fr", "vendre vendu vendus vendue vendues vend"),
        ("fr", "perdre perdus"),
        ("fr", "ordre ordres"),
        ("fr", "loi lois"),
        ("fr", "reçu reçus"),
        ("fr", "confus confuse"),
        ("fr", "chinois chinoise"),
    ],
)
def test_forms_of_a_word_meet(language: str, forms: str) -> None:
    analyser = ANALYSERS[language]
    assert len({tuple(analyser.terms(form)) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    ("language", "words"), [("es", "ciudad ciudadano"), ("es", "red real"), ("fr", "vendre vente"), ("fr", "loi loin")]
)
def test_other_words_stay_apart(language: str, words: str) -> None:
    analyser = ANALYSERS[language]
    assert len({tuple(analyser.terms(word)) for word in words.split()}) == 2
