"""Reading pictures of text: by tesseract where it is installed, else by the library of the extra `ocr`."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal, NamedTuple

from ingest.errors import ConfigError
from ingest.heartbeat import beat
from ingest.settings import tesseract_data_folder
from ingest.types import OcrOptions

DPI = 200
_LANGUAGE = re.compile(r"[A-Za-z0-9_/]+")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad]\n(?=[a-z\u00df-\u00ff])")
_ASKING_SECONDS = 30.0
_WALL_FACTOR = 10.0  # as for the workers: a machine under load is no hang
_PR_SET_PDEATHSIG = 1
_INSTALL = "install tesseract (Debian: apt install tesseract-ocr), or the extra: pip install 'rlm-search[ocr]'"


class Picture(NamedTuple):
    """A grey picture, a byte a pixel, row by row."""

    width: int
    height: int
    pixels: bytes

    def encoded(self) -> bytes:
        """As a PGM file."""
        return b"P5\n%d %d\n255\n%b" % (self.width, self.height, self.pixels)


def options(mode: Literal["auto", "off", "always"], languages: Sequence[str], page_seconds: float) -> OcrOptions | None:
    """How pictures of text are read on this machine; None if they are not.

    Raises:
        ConfigError: there is no language data of this name; `always`, and nothing here can read pictures.
    """
    if mode == "off":
        return None
    program = shutil.which("tesseract") or ""
    if not program and not has_library():
        if mode == "always":
            raise ConfigError("nothing on this machine reads pictures of text", hint=_INSTALL)
        return None
    data = tesseract_data_folder()
    known = installed_languages(program, data) if program else frozenset(languages)
    _check_languages(languages, known)
    return OcrOptions(
        program=program,
        data_folder=data,
        turns="osd" in known,
        languages=tuple(languages),
        always=mode == "always",
        page_seconds=page_seconds,
    )


def has_library() -> bool:
    """The extra `ocr` is installed."""
    return importlib.util.find_spec("rapidocr") is not None


def _check_languages(languages: Sequence[str], known: Collection[str]) -> None:
    for language in languages:
        if language not in known or not _LANGUAGE.fullmatch(language):
            hint = f"there is {', '.join(sorted(known)) or 'none'}; Debian: apt install tesseract-ocr-{language}"
            raise ConfigError(f"tesseract has no data for the language {language}", hint=hint)


def installed_languages(program: str, data: str = "") -> frozenset[str]:
    """The language data that tesseract has."""
    try:
        found = subprocess.run(  # noqa: S603 - the program that the user has installed
            [program, "--list-langs"],
            capture_output=True,
            timeout=_ASKING_SECONDS,
            check=False,
            env=_environment(data),
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(found.stdout.decode(errors="replace").split("\n")[1:]) - {""}


def read(picture: Picture, how: OcrOptions) -> str | None:
    """The text of a picture, "" if there is none on it; None if it cannot be read."""
    beat(how.page_seconds)
    if not how.program:
        return _by_library(picture)
    return _by_tesseract(picture.encoded(), how, ["--dpi", str(DPI)])


def read_file(content: bytes, how: OcrOptions, page: int = 0) -> str | None:
    """The text of an image file, of one page of it where it has several; None if it cannot be read."""
    beat(how.page_seconds)
    if not how.program:
        from ingest.parsers.ocr_library import decoded

        picture = decoded(content, page)
        return None if picture is None else _by_library(picture)
    return _by_tesseract(content, how, ["-c", f"tessedit_page_number={page}"])


def _by_library(picture: Picture) -> str | None:
    from ingest.parsers.ocr_library import read_picture

    text = read_picture(picture)
    return None if text is None else tidied(text)


def _by_tesseract(content: bytes, how: OcrOptions, arguments: Sequence[str]) -> str | None:
    """What the program writes: it reads its standard input, so that it needs no file."""
    command = [how.program, "stdin", "stdout", "-l", "+".join(how.languages), *arguments]
    if how.turns:
        command += ["--psm", "1"]
    with subprocess.Popen(  # noqa: S603 - as above
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(how.data_folder),
        preexec_fn=partial(_limited, how.page_seconds),  # safe: a worker has one thread
    ) as process:
        try:
            found, _ = process.communicate(content, timeout=how.page_seconds * _WALL_FACTOR)
        except subprocess.TimeoutExpired:
            process.kill()
            return None
    return tidied(found.decode(errors="replace")) if process.returncode == 0 else None


def _environment(data: str) -> dict[str, str]:
    own = {"OMP_THREAD_LIMIT": "1"}  # each worker has its processor
    return own | {"TESSDATA_PREFIX": data} if data else own


def _limited(seconds: float) -> None:
    """In the new process: end with the worker, and cost no more CPU time than a page may."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    most = max(int(seconds), 1)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))


def tidied(text: str) -> str:
    """The text of a page as OCR gives it, words that were broken at the end of a line joined."""
    lines = (line.rstrip() for line in text.replace("\f", "\n").split("\n"))
    return _HYPHEN.sub("", "\n".join(lines)).strip()
