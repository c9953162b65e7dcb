"""Reading a reply: the cells to run, or the finish that was written as text. What parses decides, not the look.

A cell is a fenced block (python, py, repl, bare if it parses as code, unclosed), the body of a `<python>` or
`<code>` element or of a tool call, in XML or in JSON, or a whole reply that is Python. A finish is `FINAL(…)`,
`FINAL: …`, `FINAL_VAR(name)`, `FINAL_VAR: name`, `SUBMIT(…)` or `NOT_FOUND: reason` at the beginning of a line of
prose, or of a fence without code; all that follows it, code and fences too, is the answer. Finishes inside cells are
calls and run with them. What a model wrote as if it were the output of its code is left out, with all that it made of
it.
"""

from __future__ import annotations

import ast
import html
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rlm_search.fences import Block, blocks
from rlm_search.json_replies import JsonReader, JsonReply

FinishKind: TypeAlias = Literal["text", "variable", "not_found", "expression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFinish:
    """A finish written as text.

    `value` is the answer, the reason, the name of a variable, or a call that has to run. What stands in the brackets
    may be words or Python: then `call` is the whole finish as code and `names` are those that it uses, and the caller
    looks whether there are such. `is_word`: it is nothing but one of them.
    """

    kind: FinishKind
    value: str
    call: str = ""
    names: tuple[str, ...] = ()

    @property
    def is_word(self) -> bool:
        """Whether it is a bare word, such as `yes` or the name of a variable."""
        return self.names == (self.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a reply asks for. Where there are cells, a finish beside them is to be ignored and the model told.

    `invents`: it went on with output of its own, which was left out.
    """

    cells: tuple[str, ...] = ()
    finish: TextFinish | None = None
    is_cut: bool = False
    invents: bool = False


_LANGUAGES = frozenset({"python", "py", "python3", "repl", "ipython", "pycon", "tool_code", "execute", "interpreter"})
_WORDS_IN_FENCES = frozenset({"", "text", "txt", "plaintext", "markdown", "md"})
_ELEMENT = re.compile(
    r"<(?P<tag>python|code|repl|execute|tool_code)>\s*(?P<body>.*?)\s*(?:</(?P=tag)>|\Z)", re.DOTALL | re.IGNORECASE
)
_PARAMETER = re.compile(
    r"<parameter(?:\s+name)?=[\"']?(?:code|python|source)[\"']?>(.*?)(?:</parameter>|\Z)", re.DOTALL
)
_CALL = re.compile(r"<(?:tool_call|function_call)>\s*(\{.*?\})\s*(?:</(?:tool_call|function_call)>|\Z)", re.DOTALL)
_WORDS = ("FINAL_VAR", "FINAL", "SUBMIT", "NOT_FOUND")
_FINISH = re.compile(
    rf"^[ \t]*(?:(?P<bold>\*\*)|#+[ \t]+)?(?P<word>{'|'.join(_WORDS)})(?:\*\*)?[ \t]*(?P<form>:\*\*|[:(])",
    re.MULTILINE,
)
_OUTPUT = re.compile(r"^[ \t]*<(?:output|error)>", re.MULTILINE)
_PROMPT = re.compile(r"^(?:>>>|\.\.\.) ?", re.MULTILINE)


def read(reply: str, *, is_cut: bool = False) -> Reply:
    """Read a reply of the root model.

    Args:
        reply: its whole text.
        is_cut: whether it ended for want of tokens; then an unclosed block that does not parse is not run.
    """
    thought = _without_thoughts(reply)
    text = _without_inventions(thought)
    found = _read(text, is_cut=is_cut and text == thought)
    return replace(found, invents=bool(found.cells) and text != thought)


def _read(text: str, *, is_cut: bool) -> Reply:
    if (given := JsonReader(_is_program, calls_functions=True).read(text)) is not None:
        return _of_json(given)
    if _is_program(text) and not _only_finishes(text):
        return Reply(cells=(_as_cell(text),))
    pieces = list(blocks(text))
    finish = _first_finish(text, pieces)
    if finish is None and (given := _fenced_json(pieces)) is not None:
        return _of_json(given)
    before = text if finish is None else text[: finish[0]]
    after = "" if finish is None else text[finish[1] :]
    cells, cut = _cells([*blocks(before), *blocks(after)], is_cut=is_cut)
    said = finish[2] if finish else None if cells else _fenced_finish(pieces)
    if said and said.kind == "expression" and not cells:
        return Reply(cells=(said.value,))
    return Reply(cells=tuple(cells), finish=said, is_cut=cut)


def _fenced_json(pieces: list[Block]) -> JsonReply | None:
    """What the only fence of a reply asks for, where that is JSON."""
    fences = [piece for piece in pieces if piece.language is not None]
    if len(fences) != 1 or fences[0].language not in ("json", ""):
        return None
    return JsonReader(_is_program, calls_functions=False).read(fences[0].body)


def _of_json(given: JsonReply) -> Reply:
    finish = None if given.answer is None else TextFinish(kind="text", value=given.answer)
    return Reply(cells=tuple(map(_as_cell, given.cells)), finish=finish)


def _without_thoughts(reply: str) -> str:
    """Without what a reasoning model thought aloud."""
    return re.sub(r"\A\s*<(think|thinking|reasoning)>.*?</\1>", "", reply, flags=re.DOTALL).strip("\n")


def _without_inventions(text: str) -> str:
    """Up to where a reply goes on with the frame that only we write output in; inside a block it is text of its own."""
    pieces = list(blocks(text))
    for number, piece in enumerate(pieces):
        match = _OUTPUT.search(piece.body) if piece.language is None else None
        if match and _cells(pieces[:number], is_cut=False)[0]:
            return text[: piece.start + match.start()]
    return text


# --- cells -----------------------------------------------------------------------------------------------------------


def _cells(pieces: list[Block], *, is_cut: bool) -> tuple[list[str], bool]:
    cells: list[str] = []
    cut = False
    for piece in pieces:
        if piece.language is None:
            cells += [_as_cell(code) for code in _elements(piece.body) if code.strip()]
        elif _is_cell(piece):
            code = _as_cell(piece.body)
            cut = is_cut and not piece.is_closed and _parsed(code) is None
            if code.strip() and not cut:
                cells.append(code)
    return cells, cut


def _is_cell(block: Block) -> bool:
    return block.language in _LANGUAGES or (block.language == "" and _is_program(block.body))


def _elements(prose: str) -> Iterator[str]:
    """Code in XML elements and tool calls, as some models write it whatever they are told."""
    for match in _CALL.finditer(prose):
        call = JsonReader(_is_program, calls_functions=True).read(match[1])
        yield from call.cells if call else ()
    for match in _PARAMETER.finditer(prose):
        yield html.unescape(match[1]).strip("\n")
    if not _PARAMETER.search(prose):
        for match in _ELEMENT.finditer(prose):
            inner = next((b.body for b in blocks(match["body"]) if b.language is not None), match["body"])
            if match["tag"].lower() != "code" or _is_program(inner):
                yield inner


def _as_cell(code: str) -> str:
    """Code ready to run: dedented, without REPL prompts, a finish written as text inside it turned into a call."""
    code = textwrap.dedent(code).strip("\n")
    if code.startswith(">>>"):
        code = _PROMPT.sub("", code)
    tree = _parsed(code)
    if tree is not None:
        return _annotation_called(_named(code, tree), tree)
    for match in _FINISH.finditer(code):
        head = code[: match.start()]
        if match["form"] != "(" and not match[0][0].isspace() and _parsed(head) is not None:
            return f"{head}{_as_call(match['word'], code[match.end() :].strip())}"
    return code


def _named(code: str, tree: ast.Module) -> str:
    """`FINAL_VAR(answer)` with the name in quotes: a value of one word would be looked up as the name of a variable."""
    lines = code.split("\n")
    for statement in [] if "\r" in code else reversed(tree.body):
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "FINAL_VAR":
            name = call.args[0] if len(call.args) == 1 and not call.keywords else None
            if isinstance(name, ast.Name):
                line = lines[name.lineno - 1].encode()  # columns count bytes
                quoted = line[: name.col_offset] + repr(name.id).encode() + line[name.end_col_offset :]
                lines[name.lineno - 1] = quoted.decode()
    return "\n".join(lines)


def _annotation_called(code: str, tree: ast.Module) -> str:
    """`FINAL_VAR: name` is an annotation, which does nothing; make it the call that was meant."""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.AnnAssign) or last.value is not None or not isinstance(last.target, ast.Name):
        return code
    if last.target.id not in _WORDS:
        return code
    lines = code.splitlines(keepends=True)
    said = ast.get_source_segment(code, last.annotation) or ""
    return f"{''.join(lines[: last.lineno - 1])}{_as_call(last.target.id, said)}"


def _as_call(word: str, said: str) -> str:
    if word == "FINAL_VAR":
        name = said.strip("`\"' ")
        return f"FINAL_VAR({name!r})"
    return f"FINAL({said!r}, found=False)" if word == "NOT_FOUND" else f"FINAL({said!r})"


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # null bytes and deep nesting are no code either
        return None


def _is_program(text: str) -> bool:
    """Whether a text without a python fence is code: it parses, and it does something beside naming things."""
    if not text.strip():
        return False
    tree = _parsed(textwrap.dedent(text).strip("\n"))
    return tree is not None and any(_does_something(statement) for statement in tree.body)


def _only_finishes(text: str) -> bool:
    """Whether a whole reply is one `FINAL(…)`: what is in its brackets may be words that only look like Python."""
    tree = _parsed(text.strip())
    called = tree.body[0].value if tree and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr) else None
    return isinstance(called, ast.Call) and isinstance(called.func, ast.Name) and called.func.id in _WORDS


def _does_something(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    if isinstance(statement, ast.Expr):
        return any(isinstance(node, ast.Call | ast.Await) for node in ast.walk(statement))
    return not isinstance(statement, ast.Pass)


# --- finishes --------------------------------------------------------------------------------------------------------


def _first_finish(text: str, pieces: list[Block]) -> tuple[int, int, TextFinish] | None:
    """Where the first finish in prose begins, where it ends, and what it says."""
    for piece in pieces:
        match = _FINISH.search(piece.body) if piece.language is None else None
        if match:
            end, finish = _finish_at(match, text, piece.start)
            return piece.start + match.start(), end, finish
    return None


def _fenced_finish(pieces: list[Block]) -> TextFinish | None:
    """The finish in words that begins a fence without code, where a reply holds nothing else to do."""
    for piece in pieces:
        match = _FINISH.match(piece.body.lstrip("\n")) if piece.language in _WORDS_IN_FENCES else None
        if match:
            return _finish_at(match, match.string, 0)[1]
    return None


def _finish_at(match: re.Match[str], text: str, offset: int) -> tuple[int, TextFinish]:
    """Where a finish ends in a text, and what it says; the match is of what begins there at `offset`."""
    said_from = offset + match.end()
    if match["form"] == "(":
        return _called(match["word"], text, offset + match.start("word"), said_from)
    said = text[said_from:].strip()
    if match["bold"] and match[0].count("**") == 1:
        said = said.replace("**", "", 1)  # the end of what the word began: **FINAL: yes**
    return len(text), _said(match["word"], said)


def _said(word: str, said: str) -> TextFinish:
    if word == "FINAL_VAR":
        return TextFinish(kind="variable", value=(said.split() or [""])[0].strip("`\"'.,;()"))
    return TextFinish(kind="not_found" if word == "NOT_FOUND" else "text", value=said)


def _called(word: str, text: str, start: int, said_from: int) -> tuple[int, TextFinish]:
    """A finish in call form: a Python call if it parses as one, else everything up to its closing bracket."""
    for end in _closings(text, said_from):
        source = text[start : end + 1]
        tree = _parsed(source)
        if tree is not None and len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            call = tree.body[0].value
            if isinstance(call, ast.Call) and (finish := _of_call(word, call, source)):
                return end + 1, finish
    end = _balanced(text, said_from)
    return end + 1, _said(word, text[said_from:end].strip())


def _of_call(word: str, call: ast.Call, source: str) -> TextFinish | None:
    if word == "SUBMIT" and call.keywords and not call.args:
        return TextFinish(kind="expression", value=source)
    if len(call.args) != 1:
        return None
    argument = call.args[0]
    found = next((k.value for k in call.keywords if k.arg == "found"), None)
    is_found = not (isinstance(found, ast.Constant) and found.value is False) and word != "NOT_FOUND"
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        if word == "FINAL_VAR":
            return TextFinish(kind="variable", value=argument.value)
        return TextFinish(kind="text" if is_found else "not_found", value=argument.value)
    if isinstance(argument, ast.Name) and word == "FINAL_VAR":
        return TextFinish(kind="variable", value=argument.id)
    if isinstance(argument, ast.JoinedStr | ast.Subscript | ast.Dict | ast.List):
        return TextFinish(kind="expression", value=source)
    names = tuple(dict.fromkeys(node.id for node in ast.walk(argument) if isinstance(node, ast.Name)))
    if not names:
        return None
    said = ast.get_source_segment(source, argument) or ""
    return TextFinish(kind="text" if is_found else "not_found", value=said, call=source, names=names)


def _closings(text: str, start: int, limit: int = 40) -> Iterator[int]:
    """The positions of the first closing brackets behind `start`."""
    position = text.find(")", start)
    while position >= 0 and limit:
        yield position
        limit -= 1
        position = text.find(")", position + 1)


def _balanced(text: str, start: int) -> int:
    """The bracket that closes the one before `start`; the last one of the text if they do not balance."""
    depth = 1
    for match in re.finditer(r"[()]", text[start:]):
        depth += 1 if match[0] == "(" else -1
        if depth == 0:
            return start + match.start()
    last = text.rfind(")", start)
    return last if last >= 0 else len(text)
