"""Render the PDF and docx documents of the example archive from their sources.

``examples/source/REST.pdf.md`` becomes ``examples/archive/REST.pdf``, and likewise for docx. The sources are a small
markdown: a ``key: value`` head, ``#`` headings, paragraphs, ``-`` and ``1.`` lists, pipe tables (columns
that end in a number are aligned right), ``:::`` around a part in two columns, and ``\\newpage``. ``*emphasis*`` and
``**strong**`` work inside text.

Rendering is deterministic: the date in a document's metadata is the date in its head, and a file whose content would
not change is left alone. So a second run changes nothing.

    python scripts/make_example_archive.py [SOURCE_FOLDER ARCHIVE_FOLDER]
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Literal

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

BlockKind = Literal["heading", "paragraph", "list", "table", "columns", "newpage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One piece of a document: what it is, and its text, rows or children."""

    kind: BlockKind
    text: str = ""
    level: int = 0
    rows: tuple[tuple[str, ...], ...] = ()
    items: tuple[str, ...] = ()
    children: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A parsed source: its head and its blocks."""

    head: dict[str, str]
    blocks: tuple[Block, ...] = field(default=())

    @property
    def date(self) -> datetime:
        """Midnight UTC of the day that the head names."""
        return datetime.fromisoformat(self.head["date"]).replace(tzinfo=UTC)


def parse(text: str) -> Source:
    """Read a source; raises ValueError for one without a head."""
    match = re.match(r"---\n(.*?)\n---\n(.*)", text, flags=re.DOTALL)
    if match is None:
        raise ValueError("a source begins with a head between --- lines")
    head = dict(line.split(": ", 1) for line in match[1].splitlines())
    return Source(head=head, blocks=tuple(_blocks(match[2])))


def _blocks(body: str) -> Iterator[Block]:
    for index, part in enumerate(re.split(r"^:::\s*$", body, flags=re.MULTILINE)):
        inside = (_block(piece) for piece in re.split(r"\n\s*\n", part.strip()) if piece.strip())
        if index % 2:
            yield Block(kind="columns", children=tuple(inside))
        else:
            yield from inside


def _block(piece: str) -> Block:
    piece = piece.strip()
    if piece == "\\newpage":
        return Block(kind="newpage")
    if match := re.match(r"(#{1,3}) (.*)", piece):
        return Block(kind="heading", level=len(match[1]), text=match[2])
    if piece.startswith("|"):
        lines = [line for line in piece.splitlines() if not re.fullmatch(r"[|\s:-]+", line)]
        return Block(kind="table", rows=tuple(tuple(c.strip() for c in line.strip("|").split("|")) for line in lines))
    if re.match(r"(-|\d+\.) ", piece):
        entries = re.split(r"\n(?=(?:-|\d+\.) )", piece)
        return Block(kind="list", items=tuple(" ".join(entry.split()) for entry in entries))
    return Block(kind="paragraph", text=" ".join(piece.split()))


# --- PDF -------------------------------------------------------------------------------------------------------------


def pdf_bytes(source: Source) -> bytes:
    """Render a source as a PDF with metadata, an outline of its headings and page numbers."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    class Template(BaseDocTemplate):  # type: ignore[misc] # reportlab has no types
        def afterFlowable(self, flowable: Any) -> None:  # noqa: N802 # the name is reportlab's
            level = getattr(flowable, "outline_level", None)
            if level is not None:
                key = f"h{self.seq.nextf('heading')}"
                self.canv.bookmarkPage(key)
                self.canv.addOutlineEntry(flowable.getPlainText(), key, level=level)

    def footer(canvas: Any, document: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(22 * mm, 12 * mm, source.head.get("footer", source.head["title"]))
        canvas.drawRightString(A4[0] - 22 * mm, 12 * mm, f"Page {document.page}")

    buffer = io.BytesIO()
    template = Template(
        buffer,
        pagesize=A4,
        invariant=1,  # no clock and no random document id
        pageCompression=0,  # the bytes do not hang on the build of zlib, and differences can be read
        title=source.head["title"],
        author=source.head["author"],
        subject=source.head.get("subject", ""),
    )
    frame = Frame(22 * mm, 20 * mm, A4[0] - 44 * mm, A4[1] - 40 * mm, id="body")
    template.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=footer))
    template.build(_flowables(source.blocks, width=A4[0] - 44 * mm), canvasmaker=_dated_canvas(source.date))
    return buffer.getvalue()


def _dated_canvas(date: datetime) -> type:
    """A canvas whose document says that it was made on this date; reportlab's own fixed date is in the year 2000."""
    from reportlab.pdfgen.canvas import Canvas

    class DatedCanvas(Canvas):  # type: ignore[misc] # reportlab has no types
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            stamp = self._doc._timeStamp
            stamp.t = date.timestamp()
            stamp.lt = date.timetuple()
            stamp.YMDhms = tuple(date.timetuple())[:6]

    return DatedCanvas


def _flowables(blocks: Sequence[Block], *, width: float) -> list[object]:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import BalancedColumns, PageBreak, Paragraph, Spacer

    body = ParagraphStyle("body", fontName="Times-Roman", fontSize=10.5, leading=13.5, spaceAfter=6)
    item = ParagraphStyle("item", parent=body, leftIndent=14, bulletIndent=2, spaceAfter=3)
    headings = [
        ParagraphStyle(
            f"h{n}", fontName="Helvetica-Bold", fontSize=size, leading=size * 1.25, spaceBefore=8, spaceAfter=5
        )
        for n, size in enumerate((17, 12.5, 10.5))
    ]
    flowables: list[object] = []
    for block in blocks:
        match block.kind:
            case "heading":
                heading = Paragraph(_inline(block.text), headings[block.level - 1])
                heading.keepWithNext = True
                heading.outline_level = min(block.level - 1, 1)
                flowables.append(heading)
            case "paragraph":
                flowables.append(Paragraph(_inline(block.text), body))
            case "list":
                for entry in block.items:
                    bullet, text = entry.split(" ", 1)
                    flowables.append(Paragraph(_inline(text), item, bulletText="\u2022" if bullet == "-" else bullet))
            case "table":
                flowables += [_pdf_table(block.rows, width=width), Spacer(1, 8)]
            case "columns":
                inner = _flowables(block.children, width=width / 2 - 8)
                flowables.append(BalancedColumns(inner, nCols=2, innerPadding=16, leftPadding=0, rightPadding=0))
            case "newpage":
                flowables.append(PageBreak())
    return flowables


def _pdf_table(rows: Sequence[Sequence[str]], *, width: float) -> object:
    from reportlab.lib import colors
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, Table

    left = ParagraphStyle("cell", fontName="Helvetica", fontSize=9, leading=11)
    right = ParagraphStyle("number", parent=left, alignment=2)
    numeric = [_is_number(text) for text in rows[-1]]
    cells = [
        [
            Paragraph(_inline(f"**{c}**" if r == 0 else c), right if n else left)
            for c, n in zip(row, numeric, strict=True)
        ]
        for r, row in enumerate(rows)
    ]
    longest = [max(8, *(min(len(row[n]), 40) for row in rows)) for n in range(len(rows[0]))]
    table = Table(cells, colWidths=[width * share / sum(longest) for share in longest], repeatRows=1, hAlign="LEFT")
    table.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
            ("LINEBELOW", (0, 1), (-1, -1), 0.25, colors.grey),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ]
    )
    return table


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(text, quote=False))
    return re.sub(r"\*(.+?)\*", r"<i>\1</i>", text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[\d.,]+( %)?", text.strip("*")) is not None


# --- docx ------------------------------------------------------------------------------------------------------------


def docx_bytes(source: Source) -> bytes:
    """Render a source as a docx with heading styles, lists, tables and core properties."""
    import docx

    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author = source.head["title"], source.head["author"]
    properties.last_modified_by = source.head["author"]
    properties.comments = source.head.get("subject", "")
    properties.language = source.head.get("language", "en")
    properties.created = properties.modified = source.date.replace(tzinfo=None)
    for block in source.blocks:
        _add_to_docx(document, block)
    buffer = io.BytesIO()
    document.save(buffer)
    return _undated_zip(buffer.getvalue())


def _add_to_docx(document: Any, block: Block) -> None:
    from docx.enum.text import WD_BREAK

    match block.kind:
        case "heading":
            document.add_heading(_plain(block.text), level=block.level)
        case "paragraph":
            document.add_paragraph(_plain(block.text))
        case "list":
            for entry in block.items:
                bullet, text = entry.split(" ", 1)
                document.add_paragraph(_plain(text), style="List Bullet" if bullet == "-" else "List Number")
        case "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
            for row in block.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = _plain(text)
        case "newpage":
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        case "columns":
            raise ValueError("a docx source has no columns")


def _plain(text: str) -> str:
    return re.sub(r"\*+(.+?)\*+", r"\1", text)


def _undated_zip(content: bytes) -> bytes:
    """The same members with one fixed timestamp, without the picture of python-docx's template."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != "docProps/thumbnail.jpeg":
                member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                member.compress_type = zipfile.ZIP_DEFLATED
                new.writestr(member, _without_thumbnail(old.read(name), name))
    return buffer.getvalue()


def _without_thumbnail(content: bytes, name: str) -> bytes:
    return re.sub(rb"<Relationship [^>]*thumbnail[^>]*/>", b"", content) if name == "_rels/.rels" else content


def same_content(left: bytes, right: bytes) -> bool:
    """Whether two files say the same: equal bytes, or zip members that are equal once unpacked."""
    if left == right or not (left.startswith(b"PK") and right.startswith(b"PK")):
        return left == right  # zlib builds differ in how they compress, so packed bytes are no measure
    return _members(left) == _members(right)


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- the archive -----------------------------------------------------------------------------------------------------


def render(path: Path) -> bytes:
    """The document that a source stands for."""
    source = parse(path.read_text(encoding="utf-8"))
    return pdf_bytes(source) if path.stem.endswith(".pdf") else docx_bytes(source)


def main(arguments: Sequence[str]) -> None:
    """Render every source; say what changed."""
    sources, archive = (Path(a) for a in arguments) if arguments else (EXAMPLES / "source", EXAMPLES / "archive")
    for path in sorted(sources.rglob("*.md")):
        target = archive / path.relative_to(sources).with_suffix("")
        content = render(path)
        if not target.exists() or not same_content(target.read_bytes(), content):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            print(target)


if __name__ == "__main__":
    main(sys.argv[1:])
