"""PDFs made for tests, good and bad."""

from __future__ import annotations

import io
from collections.abc import Sequence

from pypdf import PdfReader, PdfWriter
from pypdf.constants import PageLabelStyle
from pypdf.generic import ArrayObject, DictionaryObject, NameObject
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

HEIGHT = 800
LINE = 14


def paper(*pages: Sequence[str], title: str = "", author: str = "") -> bytes:
    """A PDF of these pages, each a list of lines."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    for lines in pages:
        for number, line in enumerate(lines):
            canvas.drawString(72, HEIGHT - LINE * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def scan(pages: int = 1, *, text: str = "") -> bytes:
    """Pages that are one image each, with a little text on top."""
    from PIL import Image

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(600, 800))
    for _ in range(pages):
        canvas.drawImage(ImageReader(Image.new("L", (60, 80), 200)), 0, 0, 600, 800)
        canvas.drawString(72, 72, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def writer_of(content: bytes) -> PdfWriter:
    writer = PdfWriter()
    writer.append(PdfReader(io.BytesIO(content)))
    return writer


def written(writer: PdfWriter) -> bytes:
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def encrypted(content: bytes, *, user: str = "", owner: str = "owner", algorithm: str = "RC4-128") -> bytes:
    """The same file behind passwords; an empty `user` password opens it for everybody."""
    writer = writer_of(content)
    writer.encrypt(user, owner, algorithm=algorithm)
    return written(writer)


def outlined(content: bytes) -> bytes:
    """The same file with an outline of three entries, two deep."""
    writer = writer_of(content)
    part = writer.add_outline_item(title="Part One", page_number=0)
    writer.add_outline_item(title="First   Things", page_number=1, parent=part)
    writer.add_outline_item(title="Not on its page", page_number=1)
    return written(writer)


def cyclic(content: bytes) -> bytes:
    """The same file with an outline whose entries follow each other for ever."""
    writer = writer_of(content)
    one = writer.add_outline_item(title="One", page_number=0)
    two = writer.add_outline_item(title="Two", page_number=0)
    first, second = one.get_object(), two.get_object()
    assert isinstance(first, DictionaryObject)
    assert isinstance(second, DictionaryObject)
    second[NameObject("/Next")] = one
    second[NameObject("/First")] = one
    second[NameObject("/Last")] = two
    return written(writer)


def labelled(content: bytes) -> bytes:
    """The same file with its first two pages numbered i and ii."""
    writer = writer_of(content)
    writer.set_page_label(0, 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    return written(writer)


def with_a_bad_page(content: bytes, number: int) -> bytes:
    """The same file with one page that is no page."""
    writer = writer_of(content)
    pages = writer.root_object["/Pages"].get_object()
    assert isinstance(pages, DictionaryObject)
    kids = pages["/Kids"]
    assert isinstance(kids, ArrayObject)
    kids[number] = DictionaryObject()
    return written(writer)


def raw(stream: bytes) -> bytes:
    """A one-page PDF with this content stream, its cross-reference table left out."""
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%%%EOF" % (len(stream), stream)
    )
