"""Virtual environments for what is measured beside us and does not belong in ours: made at the first use, and kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path.home() / ".cache" / "rlm-search-bench"
OWN_NEEDS = ("numpy", "onnxruntime", "tokenizers", "msgspec", "click")
"""What our embedder needs there."""


def python_with(folder: Path, needs: Sequence[str]) -> str:
    """The interpreter of the environment in a folder, made if need be.

    Raises:
        subprocess.CalledProcessError: it does not install.
    """
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *OWN_NEEDS, *needs], check=True)
        (folder / "complete").touch()
    return str(python)
