"""The table of formats that are read: how their files are told, and which parser reads them."""

from __future__ import annotations

from typing import NamedTuple

from ingest.parsers.code_languages import BY_EXTENSION as SOURCE_EXTENSIONS

_XPS = ("FixedDocSeq.fdseq", "FixedDocumentSequence.fdseq", "Documents/1/")
_BIFF = ("Workbook", "Book")
_TEXTS = ("txt", "text", "log", "yaml", "yml", "toml", "ini", "cfg", "conf", "properties", "vtt", "srt")
_ODF = "application/vnd.oasis.opendocument"
_OOXML = "application/vnd.openxmlformats-officedocument"


class Format(NamedTuple):
    """A format that is read.

    Attributes:
        name: as in tests, reports and settings.
        media_type: of its documents; a zip file that has a member `mimetype` is told by it.
        extensions: how its files are named, lower case, without the dot; the first is shown to people.
        parser: `module:function`, imported on use.
        parts: members that make a zip file one of these; a folder, which ends with `/`, if it is an Office file.
        streams: streams that make an OLE file (Office 97-2003, Outlook) one of these.
        detected: what `puremagic` calls such files: extensions with their dot.
        version: changes whenever the parser reads the same file differently; then files of this format are read again.
    """

    name: str
    media_type: str
    extensions: tuple[str, ...]
    parser: str
    parts: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    detected: tuple[str, ...] = ()
    version: str = "1"

    @property
    def is_binary(self) -> bool:
        """Its files cannot be mistaken for text."""
        is_told_by_type = self.media_type.startswith(("application/pdf", "application/vnd."))
        return is_told_by_type or bool(self.parts or self.streams or self.detected)


FORMATS = (
    Format("pdf", "application/pdf", ("pdf",), "ingest.parsers.pdf:parse"),
    Format(
        "docx",
        f"{_OOXML}.wordprocessingml.document",
        ("docx", "docm", "dotx", "dotm"),
        "ingest.parsers.docx:parse",
        parts=("word/document.xml", "word/"),
    ),
    Format("wordml", "application/msword+xml", ("wordml",), "ingest.parsers.docx:parse_flat"),
    Format(
        "pptx",
        f"{_OOXML}.presentationml.presentation",
        ("pptx", "pptm", "ppsx", "ppsm", "potx", "potm"),
        "ingest.parsers.pptx:parse",
        parts=("ppt/presentation.xml", "ppt/"),
    ),
    Format(
        "xlsx",
        f"{_OOXML}.spreadsheetml.sheet",
        ("xlsx", "xlsm", "xlsb", "xltx", "xltm"),
        "ingest.parsers.sheets:parse_xlsx",
        parts=("xl/workbook.xml", "xl/workbook.bin", "xl/"),
    ),
    Format(
        "xls", "application/vnd.ms-excel", ("xls",), "ingest.parsers.sheets:parse_xls", streams=("Workbook", "Book")
    ),
    Format("doc", "application/msword", ("doc", "dot"), "ingest.parsers.doc:parse", streams=("WordDocument",)),
    Format(
        "ppt",
        "application/vnd.ms-powerpoint",
        ("ppt", "pps", "pot"),
        "ingest.parsers.ppt:parse",
        streams=("PowerPoint Document",),
    ),
    Format("odt", f"{_ODF}.text", ("odt", "ott"), "ingest.parsers.odf:parse_odt", parts=("content.xml",)),
    Format("ods", f"{_ODF}.spreadsheet", ("ods", "ots"), "ingest.parsers.sheets:parse_ods"),
    Format("odp", f"{_ODF}.presentation", ("odp", "otp"), "ingest.parsers.odf:parse_odp"),
    Format("xps", "application/oxps", ("xps", "oxps"), "ingest.parsers.xps:parse", parts=_XPS),
    Format("html", "text/html", ("html", "htm", "xhtml"), "ingest.parsers.html:parse"),
    Format("markdown", "text/markdown", ("md", "markdown"), "ingest.parsers.markdown:parse"),
    Format("rtf", "application/rtf", ("rtf",), "ingest.parsers.rtf:parse", detected=(".rtf",)),
    Format("epub", "application/epub+zip", ("epub",), "ingest.parsers.epub:parse", parts=("META-INF/container.xml",)),
    Format("xml", "application/xml", ("xml", "nxml", "jats", "rss", "atom", "svg"), "ingest.parsers.xml:parse"),
    Format("rst", "text/prs.fallenstein.rst", ("rst", "rest"), "ingest.parsers.markup:parse_rst"),
    Format("org", "text/org", ("org",), "ingest.parsers.markup:parse_org"),
    Format("asciidoc", "text/asciidoc", ("adoc", "asciidoc"), "ingest.parsers.markup:parse_asciidoc"),
    Format("latex", "application/x-latex", ("tex", "latex", "ltx"), "ingest.parsers.markup:parse_latex"),
    Format("text", "text/plain", _TEXTS, "ingest.parsers.text:parse"),
    Format("code", "text/x-source", tuple(SOURCE_EXTENSIONS), "ingest.parsers.code:parse"),
    Format("notebook", "application/x-ipynb+json", ("ipynb",), "ingest.parsers.notebook:parse"),
    Format("csv", "text/csv", ("csv",), "ingest.parsers.tabular:parse_csv"),
    Format("tsv", "text/tab-separated-values", ("tsv", "tab"), "ingest.parsers.tabular:parse_tsv"),
    Format("json", "application/json", ("json",), "ingest.parsers.json:parse"),
    Format("jsonl", "application/x-ndjson", ("jsonl", "ndjson"), "ingest.parsers.jsonl:parse"),
    Format("zip", "application/zip", ("zip",), "ingest.parsers.zip:parse", detected=(".zip",)),
    Format("tar", "application/x-tar", ("tar",), "ingest.parsers.tar:parse", detected=(".tar",)),
    Format("gz", "application/gzip", ("gz", "tgz"), "ingest.parsers.tar:parse_gz", detected=(".gz",)),
    Format("bz2", "application/x-bzip2", ("bz2", "tbz2", "tbz"), "ingest.parsers.tar:parse_bz2", detected=(".bz2",)),
    Format("xz", "application/x-xz", ("xz", "txz"), "ingest.parsers.tar:parse_xz", detected=(".xz",)),
    Format("zst", "application/zstd", ("zst", "tzst"), "ingest.parsers.tar:parse_zst", detected=(".zst",)),
    Format("7z", "application/x-7z-compressed", ("7z",), "ingest.parsers.sevenzip:parse", detected=(".7z",)),
    Format("mbox", "application/mbox", ("mbox", "mbx"), "ingest.parsers.mbox:parse"),
    Format("eml", "message/rfc822", ("eml",), "ingest.parsers.email:parse"),
    Format(
        "msg",
        "application/vnd.ms-outlook",
        ("msg",),
        "ingest.parsers.msg:parse",
        streams=("__properties_version1.0",),
    ),
    Format("png", "image/png", ("png",), "ingest.parsers.image:parse", detected=(".png",)),
    Format(
        "jpeg", "image/jpeg", ("jpg", "jpeg"), "ingest.parsers.image:parse", detected=(".jpg", ".jpeg", ".jpe", ".jfif")
    ),
    Format("tiff", "image/tiff", ("tif", "tiff"), "ingest.parsers.image:parse", detected=(".tif", ".tiff")),
    Format("webp", "image/webp", ("webp",), "ingest.parsers.image:parse", detected=(".webp",)),
    Format("gif", "image/gif", ("gif",), "ingest.parsers.image:parse", detected=(".gif",)),
    Format("bmp", "image/bmp", ("bmp",), "ingest.parsers.image:parse", detected=(".bmp",)),
)

BY_NAME = {format_.name: format_ for format_ in FORMATS}
BY_EXTENSION = {extension: format_ for format_ in FORMATS for extension in format_.extensions}
