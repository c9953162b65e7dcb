"""Whether what a document calls itself is a title, or what a program put in its place."""

# ruff: noqa: RUF001 - these are words of many languages, in their own letters
from __future__ import annotations

import re

from ingest.types import Parsed

_SOURCE = "text/x-"
_LONGEST = 300
_NEAR = 2_000  # characters from the beginning: a heading that comes later is of a part
_SPACES = re.compile(r"\s+")
_PROGRAM = re.compile(r"^(?:microsoft\s+)?(?:office\s+)?(?:word|excel|powerpoint|outlook|publisher|visio)\s+-\s+", re.I)
_EXTENSIONS = (
    "docx?|docm|dotx?|pdf|xlsx?|xlsm|pptx?|ppsx?|od[tsp]|rtf|txt|x?html?|indd|qxd|qxp|tex|dvi|e?ps|md|csv|tsv|json|xml|wpd"
    "|pub|pages|key|numbers|wps|sxw|lwp|pmd|fm|ai|psd|cdr|dwg|vsdx?|tiff?|jpe?g|png|gif|bmp|eml|msg|zip|prn|tmp|log"
)
_FILE_NAME = re.compile(rf"^\S*[\\/]\S*$|^[a-z]:\\|^.{{0,200}}\.(?:{_EXTENSIONS})$", re.IGNORECASE)
_CODE = re.compile(  # a GUID, a hash, what a scanner or a camera counts
    r"^\{?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}?$|^[0-9a-f]{16,}$"
    r"|^(?:scan|scn|img|image|dsc[nf]?|doc|fax|file|pic|(?:xerox|scanned)[ _](?:document|image|scan))"
    r"[\s_\-]*\d*[\s_\-\d]*$",
    re.IGNORECASE,
)
_UNTITLED = (
    "untitled(?: document| presentation| spreadsheet)?|unbenannt|ohne titel|unbenanntes dokument|sans titre"
    "|document sans titre|sin título|documento sin título|senza titolo|documento senza titolo|sem título|zonder titel"
    "|naamloos|uden titel|uten tittel|namnlös|utan titel|nimetön|bez tytułu|bez názvu|névtelen|fără titlu|başlıksız"
    "|без названия|без имени|无标题|無標題|未命名|無題|名称未設定|제목 없음|בלי שם|بدون عنوان|no title|none|null|n/a"
)
_THINGS = (
    "document|dokument(?:um)?|documento|documentação|doc|документ|文档|文件|文書|문서|presentation|präsentation|présentation"
    "|presentación|presentazione|apresentação|презентация|演示文稿|簡報|プレゼンテーション|프레젠테이션|book|workbook|mappe"
    "|arbeitsmappe|classeur|libro|cartel|pasta|книга|工作簿|ブック|sheet|tabelle|feuil|feuille|hoja|foglio|planilha|лист"
    "|slide|folie|diapositive|diapositiva|dia|слайд|幻灯片|投影片|スライド|슬라이드|page|seite|página|pagina|страница|title"
    "|titel|titre|título|titolo|заголовок|标题|標題|タイトル|제목|template|vorlage|layout|new document|neues dokument"
    "|nouveau document|nuevo documento|my document|cover|cover page|title page|deckblatt|header|heading|text|file|print"
)
_LISTS = (
    "contents|table of contents|inhalt|inhaltsverzeichnis|sommaire|table des matières|índice|indice|содержание"
    "|目录|目次|목차|index|home|toc|main menu|about:blank|\\(anonymous\\)|\\(unspecified\\)|proteus pdf document"
)
_POWERPOINT = (
    "powerpoint[ -](?:presentation|präsentation)|présentation powerpoint|presentación de powerpoint"
    "|presentazione(?: di)? powerpoint|apresentação do powerpoint|презентация powerpoint|powerpoint[ -]?演示文稿"
    "|powerpoint[ -]?簡報|powerpoint[ -]?プレゼンテーション|powerpoint[ -]?프레젠테이션|powerpoint-presentatie"
)
_NO_TITLE = re.compile(rf"^(?:{_UNTITLED}|{_THINGS}|{_LISTS}|{_POWERPOINT})[\s\-_.()]*\d*\)?$", re.IGNORECASE)
_SECTION = re.compile(  # the heading of a part, not of the whole
    r"^(?:\d{1,2}(?:\.\d+)*[.)]?|[ivx]+[.)])\s+\S|(?:(?:introduction|einleitung|einführung|abstract|zusammenfassung|résumé"
    r"|resumen|summary|preface|vorwort|foreword|acknowledge?ments?|background|overview|imprint|impressum|copyright)\W*$)",
    re.IGNORECASE,
)


def title_of(parsed: Parsed, file_title: str, name: str) -> str:
    """What the content calls itself, else its first heading, else `file_title`: the words of the file's name.

    Args:
        parsed: with the title and the headings that were read.
        file_title: what it is called where neither is a title.
        name: of the file; source code is called by it, and not by the first of its functions.
    """
    if parsed.media_type.startswith(_SOURCE):
        return name
    title = _clean(parsed.title)
    if is_title(title):
        return title
    is_near = bool(parsed.headings) and parsed.headings[0].start < _NEAR
    heading = _clean(parsed.headings[0].title) if is_near else ""
    return heading if is_title(heading) and not _SECTION.match(heading) else file_title


def is_title(text: str) -> bool:
    """Whether a person would have called it so."""
    has_words = sum(map(str.isalpha, text)) > 1 and "\ufffd" not in text
    return has_words and not any(pattern.match(text) for pattern in (_FILE_NAME, _NO_TITLE, _CODE))


def _clean(text: str) -> str:
    return _SPACES.sub(" ", _PROGRAM.sub("", text)).strip()[:_LONGEST]
