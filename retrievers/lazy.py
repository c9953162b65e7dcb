"""Public names of a package that are imported when they are first asked for, so that importing it costs nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, public: Mapping[str, str]) -> Callable[[str], Any]:
    """What a package binds to `__getattr__` (PEP 562).

    Args:
        package: its `__name__`.
        public: by name, the module below the package that has it.
    """

    def attribute(name: str) -> Any:
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"{package}.{public[name]}"), name)
        setattr(sys.modules[package], name, value)  # the next time it is simply there
        return value

    return attribute
