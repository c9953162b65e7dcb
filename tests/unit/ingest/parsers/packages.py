"""Small Office, OpenDocument and epub files, written by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def packed(parts: Mapping[str, str]) -> bytes:
    """A zip file of these parts; `mimetype` goes first and unpacked, as epub and OpenDocument ask."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def relations(**targets: tuple[str, str]) -> str:
    """What a part refers to: kind and target by id."""
    items = (f'<Relationship Id="{id_}" Type="{OFFICE}/{kind}" Target="{to}"/>' for id_, (kind, to) in targets.items())
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{"".join(items)}</Relationships>'


def core(title: str = "", author: str = "", created: str = "") -> str:
    """The properties of an Office file."""
    return (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        f' xmlns:dcterms="http://purl.org/dc/terms/"><dc:title>{escape(title)}</dc:title>'
        f"<dc:creator>{escape(author)}</dc:creator><dcterms:created>{created}</dcterms:created></cp:coreProperties>"
    )


def a_workbook(sheets: Mapping[str, Sequence[Sequence[object]]], merged: str = "", **more: str) -> bytes:
    """An xlsx with these rows: strings in place, numbers, and formulas as `(formula, value)`."""
    names = list(sheets)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    listed = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="s{i}"/>' for i, n in enumerate(names, start=1))
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(main=("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations(
            **{f"s{i}": ("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1)}
        ),
    }
    for number, rows in enumerate(sheets.values(), start=1):
        body = "".join(_row(at, row) for at, row in enumerate(rows, start=1))
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData>{merged}</worksheet>'
        )
    return packed(parts | more)


def _row(at: int, row: Sequence[object]) -> str:
    cells = "".join(_cell(f"{chr(65 + column)}{at}", value) for column, value in enumerate(row) if value is not None)
    return f'<row r="{at}">{cells}</row>'


def _cell(place: str, value: object) -> str:
    match value:
        case (formula, result):
            return f'<c r="{place}"><f>{formula}</f><v>{result}</v></c>'
        case int() | float():
            return f'<c r="{place}"><v>{value}</v></c>'
        case _:
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def an_opendocument(kind: str, body: str, meta: str = "", **more: str) -> bytes:
    """An odt, ods or odp of this body."""
    spaces = "".join(
        f' xmlns:{"draw" if name == "drawing" else name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table", "drawing", "presentation", "meta")
    )
    spaces += ' xmlns:dc="http://purl.org/dc/elements/1.1/"'
    inner = {"presentation": "presentation", "spreadsheet": "spreadsheet"}.get(kind, "text")
    return packed(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "META-INF/manifest.xml": "<manifest/>",
            "content.xml": f"<office:document-content{spaces}><office:body><office:{inner}>{body}</office:{inner}>"
            "</office:body></office:document-content>",
            "meta.xml": f"<office:document-meta{spaces}><office:meta>{meta}</office:meta></office:document-meta>",
        }
        | more
    )


def a_presentation(slides: Sequence[str], more: Mapping[str, str] | None = None) -> bytes:
    """A pptx of these shape trees."""
    a, p = (f"http://schemas.openxmlformats.org/{kind}/2006/main" for kind in ("drawingml", "presentationml"))
    spaces = f'xmlns:a="{a}" xmlns:p="{p}" xmlns:r="{OFFICE}"'
    listed = "".join(f'<p:sldId id="{i}" r:id="s{i}"/>' for i in range(len(slides), 0, -1))  # shown last to first
    parts = {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": relations(main=("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {spaces}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
        "ppt/_rels/presentation.xml.rels": relations(
            **{f"s{i}": ("slide", f"slides/slide{i}.xml") for i in range(1, len(slides) + 1)}
        ),
    }
    for number, shapes in enumerate(slides, start=1):
        parts[f"ppt/slides/slide{number}.xml"] = (
            f"<p:sld {spaces}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    for name, inner in (more or {}).items():
        parts[name] = inner.replace("SPACES", spaces)
    return packed(parts)


def a_shape(*paragraphs: str, kind: str = "") -> str:
    """A shape of a slide; `kind` is what it holds the place of."""
    place = f'<p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>' if kind else ""
    text = "".join(f"<a:p><a:r><a:t>{escape(paragraph)}</a:t></a:r></a:p>" for paragraph in paragraphs)
    return f"<p:sp>{place}<p:txBody>{text}</p:txBody></p:sp>"
