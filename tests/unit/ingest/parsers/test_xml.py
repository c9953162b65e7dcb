"""XML reads as text; what it could do to a reader it does not do."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import ParseError
from ingest.parsers import parser_for, xml
from ingest.types import DEFAULT_OPTIONS, Parsed


def parsed_of(folder: Path, content: str | bytes, name: str = "a.xml") -> Parsed:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    (parsed,) = parser_for(path)(path, DEFAULT_OPTIONS)
    assert isinstance(parsed, Parsed)
    return parsed


def test_records_are_lines_with_the_names_of_their_elements(tmp_path: Path) -> None:
    one, other = "<name>Oslo</name><tons>12</tons>", "<name>Bergen</name>"
    content = f'<ports><port code="OSL">{one}</port><port code="BGO">{other}</port></ports>'
    assert parsed_of(tmp_path, content).text == "port: code=OSL\nname: Oslo\ntons: 12\n\nport: code=BGO\nname: Bergen"


def test_prose_reads_on_and_titles_are_headings(tmp_path: Path) -> None:
    content = (
        '<?xml version="1.0"?><article xmlns="urn:x"><front><article-title>On <i>Harbours</i></article-title>'
        "<author>A. Hale</author></front>"
        "<sec><title>Fares</title><p>A <b>foot</b> passenger<!-- x --> pays.</p></sec></article>"
    )
    parsed = parsed_of(tmp_path, content, "unnamed")
    assert parsed.text == "On Harbours\n\nauthor: A. Hale\n\nFares\n\nA foot passenger pays."
    assert [heading.title for heading in parsed.headings] == ["On Harbours", "Fares"]
    assert (parsed.title, parsed.metadata) == ("On Harbours", {"author": "A. Hale"})


def test_tables_are_rows_with_their_header(tmp_path: Path) -> None:
    rows = "".join(f"<tr><td>{a}</td><td>{b}</td></tr>" for a, b in (("Class", "Price"), ("Foot", "3")))
    assert parsed_of(tmp_path, f"<a><table>{rows}</table></a>").text == "Class | Price\nClass: Foot | Price: 3"


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-16", "koi8-r", "shift_jis", "gb18030"])
def test_the_encoding_that_it_declares_is_used(tmp_path: Path, encoding: str) -> None:
    word = {"iso-8859-1": "Grüße", "koi8-r": "Порт", "shift_jis": "港", "gb18030": "港口"}.get(encoding, "Ünï")
    content = f'<?xml version="1.0" encoding="{encoding}"?><a>{word}</a>'.encode(encoding)
    assert parsed_of(tmp_path, content).text == f"a: {word}"


def test_a_file_that_it_names_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    content = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><a><b>before &x; after</b></a>'
    parsed = parsed_of(tmp_path, content)
    assert "hunter2" not in parsed.text
    assert "before" in parsed.text


def test_a_billion_laughs_stay_unheard(tmp_path: Path) -> None:
    entities = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    try:
        text = parsed_of(tmp_path, f"<!DOCTYPE a [{entities}]><a><b>quiet &l9;</b></a>").text
    except ParseError:  # the parser's own guard, in some of its versions
        return
    assert text == "b: quiet"


def test_a_word_that_it_defines_is_put_in_its_place(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, '<!DOCTYPE a [<!ENTITY firm "Acme">]><a><b>to &firm; only</b></a>')
    assert parsed.text == "b: to Acme only"


def test_a_large_file_is_read_child_by_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = "<ports>" + "".join(f"<port><name>P{n}</name><tons>{n}</tons></port>" for n in range(500)) + "</ports>"
    whole = parsed_of(tmp_path, content)
    monkeypatch.setattr(xml, "_WHOLE_BYTES", 100)
    assert parsed_of(tmp_path, content).text == whole.text


def test_what_is_good_of_a_damaged_file_is_kept(tmp_path: Path) -> None:
    parsed = parsed_of(tmp_path, "<a><b>one</b><c>two</a>")
    assert parsed.text == "b: one\nc: two"
    assert parsed.warnings == ("repaired",)


@pytest.mark.parametrize("content", ["<a>" * 100_000, "no markup at all", "<?xml version='1.0'?>"])
def test_what_is_no_xml_is_broken(tmp_path: Path, content: str) -> None:
    with pytest.raises(ParseError):
        parsed_of(tmp_path, content)


def test_a_page_and_a_word_document_that_are_called_xml_are_read_as_such(tmp_path: Path) -> None:
    page = parsed_of(tmp_path, '<?xml version="1.0"?><!DOCTYPE html><html><body><p>A page</p></body></html>')
    assert (page.media_type, page.text) == ("text/html", "A page")
    space = "http://schemas.microsoft.com/office/word/2003/wordml"
    word = parsed_of(
        tmp_path,
        f'<?xml version="1.0"?><?mso-application progid="Word.Document"?><w:wordDocument xmlns:w="{space}"><w:body>'
        "<w:p><w:r><w:t>A let</w:t></w:r><w:r><w:t>ter</w:t></w:r></w:p></w:body></w:wordDocument>",
    )
    assert word.text == "A letter"
