"""An answer for its readers: as text, JSON, Markdown or HTML, of an `Answer` or of one that was read from JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from rlm_search.types import Answer

__all__ = ["FORMATS", "Format", "render"]

Format: TypeAlias = Literal["text", "json", "markdown", "html"]
FORMATS: tuple[str, ...] = get_args(Format)


def render(answer: Answer | Mapping[str, Any], form: Format = "text", *, question: str = "", note: str = "") -> str:
    """The answer in one of the formats, with what its markers stand for, and with what nothing stands for marked.

    Args:
        answer: what a run came to, or the same as its trace or `--json` holds it.
        form: text, json, markdown or html.
        question: is put above it where it is given; in JSON a key of its own.
        note: what has to be said with it, at its end; in JSON a key of its own.

    Raises:
        ValueError: there is no such format.
    """
    plain = answer if isinstance(answer, Mapping) else _as_data(answer)
    match form:
        case "text":
            from rlm_search.rendering.plain import text

            return text(plain, question=question, note=note)
        case "markdown":
            from rlm_search.rendering.markdown import markdown

            return markdown(plain, question=question, note=note)
        case "html":
            from rlm_search.rendering.webpage import webpage

            return webpage(plain, question=question, note=note)
        case "json":
            about = {key: value for key, value in (("question", question), ("note", note)) if value}
            return json.dumps({**about, **plain}, ensure_ascii=False, indent=2, default=str)
    raise ValueError(f"no format {form!r}: there are {', '.join(FORMATS)}")


def _as_data(answer: Answer) -> Mapping[str, Any]:
    from rlm_search.answers import as_data  # with all that a run needs

    return as_data(answer)
