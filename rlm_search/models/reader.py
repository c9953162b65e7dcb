"""The program that the extractive reader runs in the REPL: search, weigh sentences, quote the best. No model in it.

It is sent as the first cell, so it uses nothing but the standard library and the tools that it is given, and of Python
what monty knows as well (`prompts/monty.md`).
"""
# ruff: noqa: RUF001 -- quotation marks and dashes of several languages

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FUNCTION_WORDS = """
a about after all also although am an and any are as at be because been before being between both but by can could
did do does doing during each for from had has have having he her him his how i if in into is it its itself just
let made make many me more most much must my no nor not now of off on once only or other our out over own per
please same say says shall she should since so some such tell than that the their them then there these they this
those through to too under until up upon us very was we were what when where which while who whom whose why will
with would you your yet
aber als am an auch auf aus bei bis das dass dem den der des die doch durch ein eine einem einen einer eines er es
für hat hatte hatten ich ihr im in ist ja kann mit nach nicht noch nur oder sich sie sind so und unter vom von vor
war waren was weil welche welchem welchen welcher welches wenn wer wie wird wo wurde wurden zu zum zur über
au aux avec ce ces cette comment dans de des du elle en est et il ils je la le les leur mais ne nous on ou par pas
pour pourquoi quand que quel quelle quelles quels qui sa se ses son sont sur un une vous été était
al como con cual cuál cuando cuándo de del el ella en entre es esta este fue ha la las lo los más no o para pero
por porque qué que quién se según ser si sin su sus un una y ya
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())
_WORD = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SUFFIXES = (
    "ations",
    "ation",
    "ments",
    "ment",
    "ings",
    "ing",
    "ies",
    "ied",
    "ed",
    "es",
    "en",
    "er",
    "ly",
    "s",
    "e",
    "n",
)
ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|No|Nr|Art|Fig|pp?|vs|etc|approx|ca|bzw|e\.g|i\.e|z\.B)|\b[A-Z])\.$"
)
_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？]")
_MARK = re.compile(r"[ \t]*(?:[-*•#|]|\d{1,3}(?:\.\d+)*[.)]?\s)")
_MONTHS = "jan feb mar mär apr may mai jun jul aug sep oct okt nov dec dez"
_DATE = re.compile(rf"\b(?:1[5-9]|20)\d\d\b|\b\d{{1,2}}\.? (?:{'|'.join(_MONTHS.split())})", re.IGNORECASE)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|zwei|drei|vier|fünf)\b", re.I
)
_NAME = re.compile(r"\b[A-ZÄÖÜ][a-zäöüß]+(?:[ -][A-ZÄÖÜ][\w.]*)+")
_REASON = re.compile(
    r"\b(?:because|caused?|due to|so that|therefore|since|reason|weil|wegen|car|porque)\b", re.IGNORECASE
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_OF = re.compile(r"^(?:what|which) (?:is|are|was|were) the (\w+) of\b", re.IGNORECASE)
_JOINTS = re.compile(r"\?\s+|;\s+|,? (?:and|und|et|y) (?=(?:for )?(?:who|what|when|where|which|why|how|wer|was|wie)\b)")
_KINDS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (re.compile(r"\b(?:when|date|which day|what day|since when|until|wann|quand|cuándo)\b", re.I), _DATE),
    (re.compile(r"\b(?:who|whom|whose|wer|wem|wen|quién)\b", re.I), _NAME),
    (re.compile(r"\b(?:why|caused?|reason|warum|weshalb|pourquoi)\b", re.I), _REASON),
    (
        re.compile(
            r"\bhow (?:many|much|long|far|old|often|high|strong|fast|deep|big|large)\b|\b(?:rate|price|cost|costs|limit"
            r"|sum|amount|capacity|number|percentage|total|revenue|wie ?viele?|combien|cuántos?|cuánto)\b",
            re.I,
        ),
        _NUMBER,
    ),
)
"""What asks for a kind of fact, and what a sentence with such a fact looks like."""

AROUND, ENOUGH = 1_200, 0.45
"""Characters before and after a passage that are read; share of the question's weight that makes a quote."""
MOST_TERMS, USUAL_TERMS = 24, 8
"""Words of a question that are looked at; and above how many less is enough, since no sentence holds them all."""
ELSEWHERE = 0.65
"""What is left of that where a name of the question, or what is asked of it, is nowhere near."""
NEAR, ABOUT = 0.2, 0.7
"""What a word is worth that stands in the neighbouring sentences, or in the title."""
PRIOR, FITS = 0.4, 0.1
"""What the rank of the hit, and the kind of fact that was asked for, add."""
PIECE, CLOSE = 0.05, 0.8
"""What it costs to be a heading or a row and no sentence; what of the best score a further sentence must have."""


class Sentence:
    """A sentence that may be quoted: where it is, what it says, and how well it fits."""

    def __init__(self, doc_id: str, start: int, text: str, near: str, about: str, prior: float) -> None:
        self.doc_id, self.start, self.end = doc_id, start, start + len(text)
        self.text, self.near, self.about, self.prior = text, near, about, prior
        self.coverage = self.score = 0.0
        self.is_about = True

    def __repr__(self) -> str:
        return f"{self.score:.2f} {self.doc_id} {' '.join(self.text.split())[:160]}"


def stem(word: str) -> str:
    """A word without its ending, roughly, for English and its neighbours."""
    word = word.casefold().replace("’", "'").removesuffix("'s")
    if not word.isalpha():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def terms(text: str) -> list[str]:
    """The content words of a text as stems, in order; Chinese and its like as pairs of characters."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match.group()
        if _CJK.search(word):
            found += [word[i : i + 2] for i in range(max(len(word) - 1, 1))]
        elif word.casefold() not in STOPWORDS:
            found += [stem(part) for part in ([word] if word[0].isdigit() else re.split(r"-", word)) if len(part) > 1]
    return found


def sentences(text: str) -> list[tuple[int, int]]:
    """The spans of the sentences of a text; headings and lines of tables, lists and logs each on their own."""
    spans: list[tuple[int, int]] = []
    for start, end in _blocks(text):
        position = start
        for match in _END.finditer(text[start:end]):
            at = start + match.start()
            if match.group()[0] == "." and ABBREVIATION.search(text[max(position, at - 8) : at + 1]):
                continue
            position, before = start + match.end(), position
            spans.append((before, position))
        spans.append((position, end))
    trimmed = (_trimmed(text, a, b) for a, b in spans)
    return [(a, b) for a, b in trimmed if b - a >= (6 if _CJK.search(text[a:b]) else 12)]


def _blocks(text: str) -> list[tuple[int, int]]:
    """Paragraphs, put together from wrapped lines; rows and headings are blocks of their own."""
    lines = text.splitlines(keepends=True)
    widest = max((len(line) for line in lines if not _is_row(line)), default=0)
    blocks: list[tuple[int, int]] = []
    position = 0
    before = ""
    for line in lines:
        if blocks and before.strip() and line.strip() and _goes_on(before, line, widest):
            blocks[-1] = (blocks[-1][0], position + len(line))
        else:
            blocks.append((position, position + len(line)))
        position += len(line)
        before = line
    return blocks


def _goes_on(before: str, line: str, widest: int) -> bool:
    """Whether a line goes on with the sentence of the one before: it was wrapped, and neither stands for itself."""
    if widest > 140 or _is_row(before) or _is_row(line) or _MARK.match(line):
        return False
    is_short = len(before) < 0.75 * widest
    return not (is_short and (before.rstrip()[-1:] in ".!?:;" or not line.lstrip()[:1].islower()))


def _is_row(line: str) -> bool:
    """Whether a line stands for itself: a row of a table, of a CSV file or of a log."""
    if "|" in line or "\t" in line or "   " in line.strip() or line.count(",") >= 5:
        return True
    words = line.split()
    return sum(word[:1].isdigit() for word in words) >= max(2, 0.4 * len(words))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip(" \t\n\r\f#*-•|>"))
    return start + left, start + len(piece.rstrip(" \t\n\r\f|"))


def names_of(question: str) -> set[str]:
    """Stems of the names and numbers in a question: what an answer has to be about."""
    words = [m.group() for m in _WORD.finditer(question)][1:]
    content = [w for w in words if w.casefold() not in STOPWORDS]
    names = [w for w in content if w[0].isupper()]
    if len(names) > 0.6 * len(content):  # German, or a headline: capitals say nothing
        names = []
    numbers = [w for w in content if w[0].isdigit()]
    return {stem(part) for word in (*names, *numbers) for part in ([word] if word[0].isdigit() else word.split("-"))}


def parts_of(question: str) -> list[str]:
    """The questions in a question: the whole first, then those joined by `?`, `;`, or `and what`."""
    pieces = [piece.strip() for piece in _JOINTS.split(question)]
    return [question, *(piece for piece in pieces if len(terms(piece)) >= 2 and piece != question.strip())][:4]


class Reader:
    """Searches for a question and weighs what it finds.

    Args:
        question: as asked.
        search: `es_hybrid_search`, or what there is.
        read: `es_read`.
        count: `es_count`, or None where there is none.
    """

    def __init__(
        self,
        question: str,
        search: Callable[..., Any],
        read: Callable[..., Any],
        count: Callable[..., int] | None = None,
    ) -> None:
        self.question = question
        self.names = names_of(question)
        self._names = {name for name in self.names if name.isalpha() and name[:3] not in _MONTHS.split()}
        self.wanted = {stem(m[1]) for m in _OF.finditer(question)}
        self._search, self._read, self._count = search, read, count
        self.weights: dict[str, float] = {}
        self.unknown: list[str] = []
        self.is_hopeless = False  # what is asked of, a name or a year is in no document
        self.hits: Any = []
        self.unread: set[str] = set()

    def look(self) -> Any:
        """Search; the hits are returned."""
        self.hits = self._search(self.question, top_k=20)
        self._weigh_words()
        return self.hits

    def weigh(self) -> list[Sentence]:
        """Every sentence around the hits, best first; hits that cannot be read are left out, and noted in `unread`."""
        found: dict[tuple[str, int], Sentence] = {}
        for doc_id, piece, prior, about in self._pieces():
            spans = sentences(piece["text"])[piece["start"] > 0 :]  # the beginning of the first may not have been read
            window = set(terms(f"{about} {piece['text']}"))
            for n, (a, b) in enumerate(spans):
                near = piece["text"][spans[max(n - 1, 0)][0] : spans[min(n + 1, len(spans) - 1)][1]]
                sentence = Sentence(doc_id, piece["start"] + a, piece["text"][a:b], near, about, prior)
                sentence.is_about = self._names | self.wanted <= window
                known = found.get((doc_id, sentence.start))
                if len(sentence.text) <= 900 and (known is None or known.prior < prior):
                    found[doc_id, sentence.start] = sentence
        for sentence in found.values():
            self._score(sentence)
        return sorted(found.values(), key=lambda s: (-s.score, s.doc_id, s.start))

    def _pieces(self) -> list[tuple[str, Any, float, str]]:
        """What could be read of the passages."""
        pieces: list[tuple[str, Any, float, str]] = []
        for doc_id, start, end, prior, about in self._passages():
            try:
                piece = self._read(doc_id, start, end)
            except Exception:  # noqa: BLE001 - one hit that cannot be read does not cost the others; the host counts
                self.unread.add(doc_id)
                continue
            pieces.append((doc_id, piece, prior, about))
        return pieces

    def choose(self, ranked: Sequence[Sentence], most: int = 3) -> list[Sentence]:
        """The best sentences that are good enough, and close to the very best, without those that say the same."""
        best: list[Sentence] = []
        enough = ENOUGH * min(1.0, USUAL_TERMS / max(len(self.weights), 1)) ** 0.5
        for sentence in ranked:
            if self.is_hopeless or len(best) == most or sentence.score < CLOSE * ranked[0].score:
                break
            coverage = sentence.coverage * (1.0 if sentence.is_about else ELSEWHERE)
            if coverage >= enough and not any(_same(sentence, other) for other in best):
                best.append(sentence)
        return best

    def _weigh_words(self) -> None:
        """How much each word of the question says: the rarer in the documents, the more; little if it is in none."""
        asked = list(dict.fromkeys(terms(self.question)))[:MOST_TERMS]
        words = {part: m.group() for m in _WORD.finditer(self.question) for part in terms(m.group())}
        total, counts = self._counted({t: words.get(t, t) for t in asked})
        for term in asked:
            number = counts.get(term, 0)
            self.weights[term] = math.log(1 + (total - number + 0.5) / (number + 0.5)) + 0.3
            if number == 0 and self._count is not None:
                self.unknown.append(words.get(term, term))
                self.is_hopeless |= term in self.wanted or term in self._names or bool(_YEAR.fullmatch(term))
                if term not in self.names:
                    self.weights[term] = 0.8  # another word may say it: what a stranger's word is worth
        self.is_hopeless |= 2 * len(self.unknown) >= max(len(asked), 1)

    def _counted(self, words: dict[str, str]) -> tuple[int, dict[str, int]]:
        if self._count is not None:
            return self._count(), {term: self._count(word) for term, word in words.items()}
        texts = [set(terms(str(hit["preview"]))) for hit in self.hits]
        return len(texts), {term: sum(term in text for text in texts) for term in words}

    def _passages(self) -> list[tuple[str, int, int, float, str]]:
        """What to read: around each hit, with how good the hit was and what its document is called."""
        passages: list[tuple[str, int, int, float, str]] = []
        seen: dict[tuple[str, int], None] = {}
        for rank, hit in enumerate(self.hits):
            key = (hit["doc_id"], hit["start"] // AROUND)
            if key in seen or len(seen) >= 24:
                continue
            seen[key] = None
            about = f"{hit['title']} {re.sub(r'[_/.-]', ' ', hit['source'])}"
            start, end = max(hit["start"] - AROUND, 0), hit["end"] + AROUND
            passages.append((hit["doc_id"], start, end, 1 / (1 + 0.25 * rank), about))
        return passages

    def _score(self, sentence: Sentence) -> None:
        total = sum(self.weights.values()) or 1.0
        inside, near, about = set(terms(sentence.text)), set(terms(sentence.near)), set(terms(sentence.about))
        covered = 0.0
        for term, weight in self.weights.items():
            share = 1.0 if term in inside else ABOUT if term in about else NEAR if term in near else 0.0
            covered += share * weight
        sentence.coverage = covered / total
        sentence.score = sentence.coverage + PRIOR * sentence.prior + self._fit(sentence)
        sentence.score -= 0.15 if sentence.text.rstrip().endswith("?") else 0.0
        sentence.score -= PIECE if sentence.text.rstrip("\"'”’)]")[-1:] not in ".!?。！？" else 0.0
        sentence.score -= 0.1 if len(sentence.text) < 30 or not re.search(r"[a-zß-ÿ]", sentence.text) else 0.0

    def _fit(self, sentence: Sentence) -> float:
        """A bonus for holding what was asked for: a number, a date, a name, a reason, not those of the question."""
        kinds = [looks for asks, looks in _KINDS if asks.search(self.question)]
        if not kinds:
            return 0.0
        looks = kinds[0]
        asked = set(self.question.casefold().split())
        new = [m.group() for m in looks.finditer(sentence.text) if m.group().casefold() not in asked]
        if looks is _NUMBER:
            new = [word for word in _WORD.findall(sentence.text) if _NUMBER.match(word) and word not in self.question]
        return FITS if new else 0.0


def chosen(readers: Sequence[Reader], ranked: Sequence[Sequence[Sentence]], most: int = 4) -> list[Sentence]:
    """The sentences to quote: for the whole question, then for each part what is not there yet."""
    best: list[Sentence] = []
    for number, (reader, sentences_of_part) in enumerate(zip(readers, ranked, strict=True)):
        for sentence in reader.choose(sentences_of_part, most=3 if number == 0 else 1):
            if len(best) < most and not any(_same(sentence, other) for other in best):
                best.append(sentence)
    return best


def _same(one: Sentence, other: Sentence) -> bool:
    """Whether two sentences say the same in nearly the same words."""
    a, b = set(terms(one.text)), set(terms(other.text))
    numbers = [{term for term in side if term[0].isdigit()} for side in (a, b)]
    return numbers[0] == numbers[1] and len(a & b) > 0.8 * max(min(len(a), len(b)), 1)


def asks_to_count(question: str) -> bool:
    """Whether a number of things is asked for, which may have to be counted."""
    return bool(re.search(r"\b(?:how many|wie ?viele|combien de|cuántos|cuántas)\b", question, re.IGNORECASE))


def quoted(text: str) -> str:
    """A sentence as it is quoted in an answer: on one line, with brackets that cannot pass for our markers."""
    return "“" + re.sub(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]", r"(\1)", " ".join(text.split())) + "”"
