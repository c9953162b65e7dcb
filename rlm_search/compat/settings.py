"""The environment as the facades hand it on: with a credential that a program gave in its code."""

from __future__ import annotations

import os
from collections.abc import Mapping

GIVEN_KEY = "RLM_SEARCH_COMPAT_KEY"
"""Stands for the variable of a key that was given as an argument."""


def environment_with(values: Mapping[str, str]) -> dict[str, str]:
    """The process's environment, and these values."""
    return {**os.environ, **values}
