"""What is known of models: window, price, protocol, and what they refuse, as data (models.toml, prices.toml)."""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, Literal, TypeAlias

from rlm_search.types import Model, Usage

Api: TypeAlias = Literal["chat", "responses", "messages"]
"""The protocol: OpenAI's chat completions, OpenAI's responses, Anthropic's messages."""

_MILLION = 1_000_000
_DATED = re.compile(r"[-@]20\d{2}-?\d{2}-?\d{2}$|:(free|latest|nitro|floor)$|-latest$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens.

    `cached` is for what a provider's cache of prompts gave, `cache_write` for what was put there; None in either is
    the price of input.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None

    def of(self, usage: Usage) -> float:
        """What this usage costs."""
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cached = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        dollars = (
            max(plain, 0) * self.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * self.output
        )
        return dollars / _MILLION

    def of_tokens(self, input_tokens: int, output_tokens: int) -> float:
        """What a call of this size costs at most, nothing coming from a cache."""
        dearest = max(self.input, self.cache_write or 0.0)
        return (input_tokens * dearest + output_tokens * self.output) / _MILLION


FREE = Price(input=0.0, output=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of one model; the defaults say that nothing is.

    Attributes:
        window: tokens that it reads, the answer included; 0 where unknown.
        max_output: tokens that it writes at most; 0 where unknown.
        price: None where unknown.
        api: the protocol that it needs in place of its provider's; "" is the provider's.
        refuses: parameters that are never sent to it.
        takes_system: whether it takes a system message; else that is put before the first message of the user.
    """

    window: int = 0
    max_output: int = 0
    price: Price | None = None
    api: Api | Literal[""] = ""
    refuses: tuple[str, ...] = ()
    takes_system: bool = True


UNKNOWN = ModelFacts()


def facts_of(model: Model) -> ModelFacts:
    """What a model says of itself in an attribute `facts`; wrappers pass on what they are put around."""
    facts = getattr(model, "facts", UNKNOWN)
    return facts if isinstance(facts, ModelFacts) else UNKNOWN


def known_facts(provider: str, model: str) -> ModelFacts:
    """What the data that ships says of a provider's model.

    Prices are those of the provider itself; a model of somebody else's name has what its traits say, and no price.
    """
    facts = UNKNOWN
    name = model.lower().rpartition("/")[2]
    for trait in _traits():
        if re.search(trait["match"], name) and provider in trait.get("providers", (provider,)):
            facts = replace(facts, **_traits_of(trait))
    row = _row(_prices().get(provider, {}), model.lower())
    return facts if row is None else _priced(facts, row)


def window_of(model: str) -> int:
    """Tokens that a model reads which others pass on, by its name with its maker's: the maker's own, else the least.

    0 where no provider of the data has it: MAKER/MODEL alone says which model is meant.
    """
    maker, _, name = model.lower().partition("/")
    if not name:
        return 0
    own = _row(_prices().get(maker, {}), name)
    rows = [own] if own else [row for rows in _prices().values() if (row := _row(rows, model.lower()))]
    return min((int(row[0]) for row in rows), default=0)


def prices_from() -> str:
    """Where the prices come from, and of when they are."""
    about = _price_file()["about"]
    return f"{about['source']}, {about['date']}"


def _priced(facts: ModelFacts, row: Sequence[float]) -> ModelFacts:
    window, max_output, paid_input, cached, cache_write, output, *rest = row
    price = Price(
        input=paid_input,
        output=output,
        cached=None if cached < 0 else cached,
        cache_write=None if cache_write < 0 else cache_write,
    )
    api: Api | Literal[""] = "responses" if rest and rest[0] else facts.api
    return replace(facts, window=int(window), max_output=int(max_output), price=price, api=api)


def _row(rows: dict[str, list[float]], model: str) -> list[float] | None:
    """The row of a model: by its name, or by its name without a date or another mark at its end."""
    for name in (model, _DATED.sub("", model)):
        if name in rows:
            return rows[name]
    return None


def _traits_of(trait: dict[str, Any]) -> dict[str, Any]:
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in trait.items()
        if key not in ("match", "providers", "about")
    }


@functools.cache
def _traits() -> list[dict[str, Any]]:
    traits: list[dict[str, Any]] = _read("models.toml")["model"]
    return traits


@functools.cache
def _price_file() -> dict[str, Any]:
    return _read("prices.toml")


def _prices() -> dict[str, dict[str, list[float]]]:
    prices: dict[str, dict[str, list[float]]] = _price_file()["price"]
    return prices


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("rlm_search.models").joinpath(name).read_text(encoding="utf-8"))
