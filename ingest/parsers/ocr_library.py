"""Reading pictures of text with rapidocr, the extra `ocr`: it brings its models, and asks no network."""

from __future__ import annotations

import io
import logging
from functools import cache
from typing import Any

import numpy as np

from ingest.parsers.ocr import Picture

_MOST_PIXELS = 100_000_000
_LONGEST_SIDE = 1_600  # pixels that are looked at: memory grows with their square
_ROW = 0.5  # of a line's height: boxes that are nearer belong to one line


def read_picture(picture: Picture) -> str | None:
    """The lines of text on a picture, from top to bottom; None if the library fails on it."""
    grey = np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width)
    try:
        found = _engine()(np.repeat(grey[:, :, None], 3, axis=2))
    except Exception:  # noqa: BLE001 - fate: the page counts as not read; for want of memory, too
        return None
    if found.txts is None:
        return ""
    return "\n".join(_lines(found.boxes, found.txts))


def decoded(content: bytes, page: int) -> Picture | None:
    """A page of an image file in grey; None if it is broken or too large."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            image.seek(page)
            grey = image.convert("L")
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - fate: the page counts as not read; decoders raise any class on bad input
        return None
    return Picture(grey.width, grey.height, grey.tobytes())


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "Rec.rec_batch_num": 1,  # lines at once: six take 200 MB more, and no less time
            "Global.max_side_len": _LONGEST_SIDE,
            "Global.log_level": "critical",
        }
    )


def _lines(boxes: Any, texts: tuple[str, ...]) -> list[str]:
    """The pieces put together to lines: those of a row from left to right."""
    rows: list[tuple[float, list[tuple[float, str]]]] = []
    for box, text in sorted(zip(boxes, texts, strict=True), key=lambda pair: float(pair[0][:, 1].mean())):
        middle, height = float(box[:, 1].mean()), float(np.ptp(box[:, 1]))
        if rows and middle - rows[-1][0] < _ROW * height:
            rows[-1][1].append((float(box[:, 0].min()), text))
        else:
            rows.append((middle, [(float(box[:, 0].min()), text)]))
    return [" ".join(text for _, text in sorted(row)) for _, row in rows]
