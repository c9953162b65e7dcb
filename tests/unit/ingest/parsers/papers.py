"""PDFs made for tests, good and bad."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import reportlab
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


def picture_of(text: str, *, form: str = "PNG", pages: int = 1) -> bytes:
    """An image file with this text on it, large enough to be read by OCR; a TIFF may have several pages."""
    from PIL import Image, ImageDraw, ImageFont

    def page(number: int) -> Image.Image:
        image = Image.new("L", (1200, 200), 255)
        font = ImageFont.load_default(size=48)
        ImageDraw.Draw(image).text((40, 60), text.format(number), fill=0, font=font)
        return image

    images = [page(number) for number in range(1, pages + 1)]
    buffer = io.BytesIO()
    images[0].save(buffer, form, **({"save_all": True, "append_images": images[1:]} if pages > 1 else {}))
    return buffer.getvalue()


def scan_of(*texts: str) -> bytes:
    """Pages that are one image each, with this text on the image."""
    from PIL import Image

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(600, 400))
    for text in texts:
        image = Image.new("L", (1200, 800), 255)
        image.paste(Image.open(io.BytesIO(picture_of(text))), (0, 300))
        canvas.drawImage(ImageReader(image), 0, 0, 600, 400)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def with_attachment(content: bytes, name: str, attached: bytes) -> bytes:
    """The same file with another one attached."""
    writer = writer_of(content)
    writer.add_attachment(name, attached)
    return written(writer)


def form(**fields: str) -> bytes:
    """A page with a form that is filled in, and a box that is not ticked."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, HEIGHT, "Please fill in.")
    for number, (name, value) in enumerate(fields.items(), start=1):
        canvas.acroForm.textfield(name=name, value=value, x=72, y=HEIGHT - 40 * number, width=200)
    canvas.acroForm.checkbox(name="insured", checked=False, x=400, y=HEIGHT)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def noted(content: bytes, note: str) -> bytes:
    """The same file with a note on its first page."""
    from pypdf.annotations import FreeText

    writer = writer_of(content)
    writer.add_annotation(0, FreeText(text=note, rect=(50, 50, 200, 100)))
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


def with_font(*lines: str, start: int, unicode_map: bool = True, vertical: bool = False) -> bytes:
    """A page in an embedded font of two-byte glyph numbers, which count from `start`.

    Lines stand below each other, vertical ones beside each other, the first on the right. Without a map nobody can tell
    which letters the numbers mean; what they look like does not matter here.
    """
    letters = sorted(set("".join(lines)))
    codes = {letter: start + number for number, letter in enumerate(letters)}
    places = [(500 - 20 * n, 700) if vertical else (72, 700 - 20 * n) for n in range(len(lines))]
    shown = ["".join(f"{codes[letter]:04x}" for letter in line) for line in lines]
    stream = "".join(
        f"BT /F 12 Tf {x} {y} Td <{line}> Tj ET\n" for (x, y), line in zip(places, shown, strict=True)
    ).encode()
    font = (Path(reportlab.__file__).parent / "fonts" / "Vera.ttf").read_bytes()
    pairs = "\n".join(f"<{code:04x}> <{ord(letter):04x}>" for letter, code in codes.items())
    cmap = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap 1 begincodespacerange <0000> <ffff>\n"
        f"endcodespacerange {len(codes)} beginbfchar\n{pairs}\nendbfchar endcmap end end"
    ).encode()
    to_unicode = b"/ToUnicode 7 0 R" if unicode_map else b""
    way = b"V" if vertical else b"H"
    values = (len(stream), stream, way, to_unicode, len(cmap), cmap, len(font), font)
    return (
        b"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type0/BaseFont/Odd/Encoding/Identity-%s/DescendantFonts[6 0 R]%s>>endobj\n"
        b"6 0 obj<</Type/Font/Subtype/CIDFontType2/BaseFont/Odd/DW 600"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor 8 0 R>>endobj\n"
        b"7 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"
        b"8 0 obj<</Type/FontDescriptor/FontName/Odd/Flags 4/FontBBox[0 -200 1000 900]/Ascent 900/Descent -200"
        b"/FontFile2 9 0 R>>endobj\n9 0 obj<</Length %d>>stream\n%s\nendstream endobj\n"
        b"trailer<</Root 1 0 R>>\n%%%%EOF" % values
    )


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
