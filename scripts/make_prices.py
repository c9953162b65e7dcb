"""Write rlm_search/models/prices.toml again from LiteLLM's list of prices and windows.

    python scripts/make_prices.py model_prices_and_context_window.json "litellm 1.110.2" 2026-11-28

The list is part of the package `litellm` (MIT): facts that providers publish, gathered by its maintainers.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "rlm_search" / "models" / "prices.toml"
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "groq": "groq",
    "together_ai": "together",
    "deepseek": "deepseek",
    "mistral": "mistral",
}
"""Theirs to ours: those that publish prices of their own. Routers and gateways report the cost of a call instead."""
NO_TEXT = re.compile(
    r"audio|image|tts|transcribe|embed|moderation|realtime|live|ocr|voxtral|robotics|search|banana|omni"
)
HEAD = """\
# US dollars for a million tokens, and windows, by provider. Written by scripts/make_prices.py; do not edit.
# A row: window, longest answer, input, input from the provider's cache (-1: as input), written to it (-1: as input),
# output, 1 where only the responses API serves it.
"""


def rows(listed: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    found: dict[str, dict[str, list[float]]] = {ours: {} for ours in PROVIDERS.values()}
    for name, entry in listed.items():
        provider = PROVIDERS.get(entry.get("litellm_provider", ""))
        model = name.removeprefix(f"{entry.get('litellm_provider')}/").lower()
        if provider and entry.get("mode") in ("chat", "responses") and is_text(model) and is_priced(entry):
            found[provider][model] = row(entry)
    return {provider: without_dates(models) for provider, models in found.items()}


def is_text(model: str) -> bool:
    return not NO_TEXT.search(model) and not model.startswith("ft:")


def is_priced(entry: dict[str, Any]) -> bool:
    return bool(entry.get("max_input_tokens")) and bool(entry.get("output_cost_per_token"))


def row(entry: dict[str, Any]) -> list[float]:
    def dollars(key: str) -> float:
        value = entry.get(key)
        return -1 if value is None else round(float(value) * 1e6, 6)

    return [
        int(entry["max_input_tokens"]),
        int(entry.get("max_output_tokens") or 0),
        dollars("input_cost_per_token"),
        dollars("cache_read_input_token_cost"),
        dollars("cache_creation_input_token_cost") or -1,
        dollars("output_cost_per_token"),
        int(entry["mode"] == "responses"),
    ]


def without_dates(models: dict[str, list[float]]) -> dict[str, list[float]]:
    """Without the dated names of models that are listed undated with the same figures."""
    dated = {name: re.sub(r"-20\d{2}-?\d{2}-?\d{2}$", "", name) for name in models}
    return {
        name: figures for name, figures in models.items() if dated[name] == name or models.get(dated[name]) != figures
    }


def main(file: str, source: str, date: str) -> None:
    lines = [HEAD, "[about]", f'source = "{source}"', f'date = "{date}"', ""]
    for provider, models in rows(json.loads(Path(file).read_text(encoding="utf-8"))).items():
        lines.append(f"[price.{provider}]")
        for name, figures in sorted(models.items()):
            lines.append(
                f'"{name}" = [{", ".join(f"{figure:g}" if figure < 1000 else str(int(figure)) for figure in figures)}]'
            )
        lines.append("")
    TARGET.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
