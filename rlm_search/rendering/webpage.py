"""An answer as a page of HTML: everything in it is escaped, it runs no script and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from rlm_search.rendering.pieces import (
    Piece,
    Source,
    doubt_of,
    dropped_of,
    pieces,
    searches_of,
    sources_of,
    status_of,
)
from rlm_search.rendering.words import printable

_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
body {{ max-width: 44rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }}
.text {{ white-space: pre-wrap; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; padding: .5rem; background: #8881 }}
blockquote {{ margin: .3rem 0 1rem; padding-left: .8rem; border-left: 3px solid #8886 }}
mark {{ background: #fd08; color: inherit }}
.note, .source {{ font-size: .85rem; color: #777 }}
</style>
</head>
<body>
{body}
</body>
</html>"""


def webpage(answer: Mapping[str, Any], *, question: str = "", note: str = "") -> str:
    """The whole answer as a page of its own."""
    sources = "\n".join(_source(source) for source in sources_of(answer))
    searches = "\n".join(f"<li>{_safe(line)}</li>" for line in searches_of(answer))
    parts = [
        f"<h1>{_safe(question)}</h1>" if question.strip() else "",
        f'<p class="status"><strong>{_safe(status_of(answer))}</strong></p>' if status_of(answer) else "",
        f'<div class="text">{said}</div>' if (said := _said(answer)) else "",
        f"<h2>Searched</h2>\n<ul>\n{searches}\n</ul>" if searches else "",
        *(f'<p class="note">citation dropped: {_safe(marker)}</p>' for marker in dropped_of(answer)),
        f'<h2>Sources</h2>\n<ul class="sources">\n{sources}\n</ul>' if sources else "",
        f'<p class="note">{_safe(note)}</p>' if note.strip() else "",
    ]
    title = _safe(question.strip() or "Answer")
    return _PAGE.format(title=title, body="\n".join(part for part in parts if part))


def _said(answer: Mapping[str, Any]) -> str:
    doubts = {int(doubt["start"]): doubt for doubt in answer.get("doubts") or ()}
    said, open_doubt = "", None
    for piece in pieces(answer):
        if open_doubt is None and piece.start in doubts:
            open_doubt = doubts[piece.start]
            said += f'<mark title="{_safe(doubt_of(open_doubt))}">'
        said += _shown(piece)
        if open_doubt is not None and piece.end >= int(open_doubt["end"]):
            said += f'</mark><span class="note"> ({_safe(doubt_of(open_doubt))})</span>'
            open_doubt = None
    return said.strip()


def _shown(piece: Piece) -> str:
    if piece.kind == "marker":
        return f'<a href="#citation-{piece.text[1:-1]}">{piece.text}</a>'
    if piece.kind == "code":
        return f"<pre><code>{_safe(_unfenced(piece.text))}</code></pre>"
    return _safe(piece.text)


def _unfenced(code: str) -> str:
    """What stands between the fences."""
    return re.sub(r"\A[^\n]*\n|\n?[ ]{0,3}(?:`{3,}|~{3,})[ \t]*\n?\Z", "", code)


def _source(source: Source) -> str:
    also = f'<span class="source">{_safe(source.also)}</span>' if source.also else ""
    number = source.marker[1:-1] if source.marker[1:-1].isdigit() else ""
    return (
        f'<li id="citation-{number}">{_safe(source.marker)} <cite>{_safe(source.where)}</cite> '
        f'<span class="source">{_safe(source.source)}</span><blockquote>{_safe(source.quote)}</blockquote>'
        f"{also}</li>"
    )


def _safe(text: str) -> str:
    return escape(printable(text), quote=True)
