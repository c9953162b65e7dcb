"""Which language a file of source code is in, and how lines look that define something in it."""

from __future__ import annotations

import re

_MODIFIERS = (
    r"(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|open|override|sealed|partial"
    r"|unsafe|pub(?:\([\w:]+\))?|extern|inline|virtual|data|case|local|declare|suspend|const|constexpr|implicit|lazy|inner"
    r"|actual|expect|readonly|fileprivate|mutating|recursive|pure|elemental)[ \t]+)*"
)


def _keywords(*words: str, flags: int = 0) -> re.Pattern[str]:
    """A line that begins with one of these words, after modifiers."""
    return re.compile(rf"[ \t]*{_MODIFIERS}(?:{'|'.join(words)})\b[ \t*]*[\w$(<\"'@`\[:]", flags)


NEVER = re.compile(
    r"[ \t]*(?:if|for|foreach|while|switch|return|else|elif|catch|do|throw|new|delete|goto|using|await|yield)\b"
)
"""Lines that look like a function with its body, and are none."""
_FUNCTION = re.compile(
    r"[ \t]*(?:[\w:<>,\[\]?@.]+[ \t*&]+)+[\w:~$]+[ \t]*\([^;{}]*\)?[^;{}()=]*\{[ \t]*(?://.*|/\*.*)?\}?$"
)
_METHOD = re.compile(
    r"[ \t]+(?:(?:static|async|get|set|public|private|protected|readonly)[ \t]+)*[#\w$]+[ \t]*\([^;{}]*\)[^;{}()=]*\{"
)
_ARROW = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?:default[ \t]+)?(?:const|let|var)[ \t]+[\w$]+[^=]*=[ \t]*(?:async[ \t]*)?"
    r"(?:function\b|\([^)]*\)[^=]*=>|[\w$]+[ \t]*=>)"
)
_C = (_keywords("class", "struct", "union", "enum", "namespace", "interface", "concept"), _FUNCTION)
_JAVA = (
    _keywords("class", "interface", "enum", "record", "struct", "namespace", "@interface", "object", "trait"),
    _FUNCTION,
)
_SCRIPT = (
    _keywords("class", "interface", "enum", "namespace", "function", "function\\*", "type", "module"),
    _ARROW,
    _METHOD,
)
_TYPES = ("class", "interface", "enum", "object", "struct", "protocol", "extension", "actor", "trait", "impl", "union")
_MODERN = (
    _keywords(*_TYPES, "mod", "fn", "func", "fun", "def", "type", "typealias", "macro_rules!", "init", "companion"),
)
_SHELL = (re.compile(r"[ \t]*(?:function[ \t]+)?[\w:-]+[ \t]*\(\)"), _keywords("function"))

DEFINITIONS: dict[str, tuple[re.Pattern[str], ...]] = {
    "python": (_keywords("class", "def"),),
    "javascript": _SCRIPT,
    "typescript": _SCRIPT,
    "java": _JAVA,
    "csharp": _JAVA,
    "dart": _JAVA,
    "groovy": (*_JAVA, _keywords("def")),
    "c": _C,
    "cpp": _C,
    "objective-c": (*_C, re.compile(r"[-+][ \t]*\([^)]*\)|@(?:interface|implementation|protocol)\b")),
    "go": _MODERN,
    "rust": _MODERN,
    "kotlin": _MODERN,
    "scala": _MODERN,
    "swift": _MODERN,
    "ruby": (_keywords("class", "module", "def"),),
    "php": (_keywords("class", "interface", "trait", "enum", "function", "namespace"),),
    "perl": (_keywords("sub", "package"),),
    "lua": (_keywords("function"),),
    "r": (re.compile(r"[ \t]*[\w.`]+[ \t]*(?:<-|=)[ \t]*function\b"),),
    "julia": (_keywords("function", "struct", "mutable struct", "module", "macro", "abstract type"),),
    "shell": _SHELL,
    "powershell": (_keywords("function", "class", "enum", "filter", flags=re.IGNORECASE),),
    "sql": (
        re.compile(
            r"\s*(?:create|alter)\s+(?:or\s+replace\s+)?(?:\w+\s+)?(?:table|view|function|procedure|trigger|type)\b",
            re.I,
        ),
    ),
    "visual-basic": (_keywords("class", "module", "sub", "function", "property", "structure", flags=re.IGNORECASE),),
    "fortran": (_keywords("program", "module", "subroutine", "function", "type", flags=re.IGNORECASE),),
    "pascal": (_keywords("program", "unit", "procedure", "function", "type", flags=re.IGNORECASE),),
    "haskell": (re.compile(r"(?:[\w']+[ \t]*::|(?:data|newtype|class|instance|type|module)\b)"),),
    "ocaml": (_keywords("let", "module", "type", "class"),),
    "fsharp": (_keywords("let", "module", "type", "namespace", "member"),),
    "lisp": (re.compile(r"[ \t]*\((?:def\w*|ns)\b"),),
    "elixir": (_keywords("defmodule", "defp?", "defmacro", "defprotocol", "defimpl"),),
    "erlang": (re.compile(r"-module\(|[a-z]\w*\(.*\)[^.;]*->"),),
    "protobuf": (_keywords("message", "service", "enum", "rpc", "struct", "exception"),),
    "graphql": (_keywords("type", "interface", "enum", "input", "query", "mutation", "union", "scalar", "fragment"),),
    "terraform": (_keywords("resource", "data", "module", "variable", "output", "provider"),),
    "zig": _MODERN,
    "solidity": (_keywords("contract", "library", "interface", "function", "struct", "event", "modifier"),),
}
_EXTENSIONS = {
    "python": "py pyi pyw pyx",
    "javascript": "js mjs cjs jsx",
    "typescript": "ts tsx mts cts",
    "java": "java",
    "csharp": "cs",
    "dart": "dart",
    "groovy": "groovy gradle",
    "c": "c h",
    "cpp": "cc cpp cxx c++ hpp hh hxx cu ino",
    "objective-c": "m mm",
    "go": "go",
    "rust": "rs",
    "kotlin": "kt kts",
    "scala": "scala sc",
    "swift": "swift",
    "ruby": "rb rake",
    "php": "php",
    "perl": "pl pm",
    "lua": "lua",
    "r": "r",
    "julia": "jl",
    "shell": "sh bash zsh ksh",
    "powershell": "ps1 psm1",
    "sql": "sql",
    "visual-basic": "vb bas vbs",
    "fortran": "f f90 f95 f03 for",
    "pascal": "pas",
    "haskell": "hs",
    "ocaml": "ml mli",
    "fsharp": "fs fsx",
    "lisp": "lisp el clj cljs scm rkt",
    "elixir": "ex exs",
    "erlang": "erl hrl",
    "protobuf": "proto thrift",
    "graphql": "graphql gql",
    "terraform": "tf hcl",
    "zig": "zig",
    "solidity": "sol",
    "css": "css scss sass less",
    "vue": "vue svelte",
    "assembly": "asm s",
    "make": "mk cmake",
    "batch": "bat cmd",
}
BY_EXTENSION = {extension: language for language, names in _EXTENSIONS.items() for extension in names.split()}
