"""Prices, windows and traits as data, and what a call costs by them."""

from __future__ import annotations

import re

import pytest

from rlm_search.models.facts import FREE, UNKNOWN, ModelFacts, Price, facts_of, known_facts, prices_from, window_of
from rlm_search.models.limited import LimitedModel, Quota
from rlm_search.models.opening import open_model
from rlm_search.models.priced import PricedModel
from rlm_search.models.providers import preset_names, provider
from rlm_search.models.retrying import RetryingModel
from rlm_search.models.scripted import ScriptedModel
from rlm_search.models.settings import ModelSettings
from rlm_search.types import CallOptions, Completion, Message, Usage

_SERVICES = "OPENAI ANTHROPIC GEMINI OPENROUTER GROQ TOGETHER DEEPSEEK MISTRAL AI_GATEWAY HUGGINGFACE"
KEYS = {f"{service}_API_KEY": "x" for service in _SERVICES.split()}
ASKED = [Message("user", "What time is it?")]


def test_tokens_of_each_kind_have_their_own_price() -> None:
    price = Price(input=10, output=50, cached=1, cache_write=12.5)
    usage = Usage(input_tokens=1_000_000, cached_tokens=500_000, cache_write_tokens=100_000, output_tokens=10_000)

    assert price.of(usage) == pytest.approx(0.4 * 10 + 0.5 * 1 + 0.1 * 12.5 + 0.01 * 50)


def test_a_cache_without_a_price_costs_what_input_does() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000)

    assert Price(input=2, output=1).of(usage) == pytest.approx(2.0)


def test_a_price_is_dated_and_its_source_is_named() -> None:
    assert re.search(r"litellm .*20\d\d-\d\d-\d\d", prices_from())


@pytest.mark.parametrize(
    "name",
    [n for n in preset_names() if n in ("openai", "anthropic", "gemini", "groq", "together", "deepseek", "mistral")],
)
def test_the_default_model_of_a_provider_with_prices_has_one_and_a_window(name: str) -> None:
    facts = known_facts(name, provider(name, ModelSettings(), {}).default_model)

    assert facts.price is not None
    assert facts.price.output > 0
    assert facts.window > 100_000


def test_a_dated_or_latest_name_has_the_facts_of_its_model() -> None:
    assert known_facts("openai", "gpt-5-mini-2025-08-07").price == known_facts("openai", "gpt-5-mini").price
    assert known_facts("anthropic", "claude-sonnet-4-5-20250929").window == 200_000


def test_an_unknown_model_has_no_price_and_no_window() -> None:
    assert known_facts("openai", "my-own-finetune") == UNKNOWN
    assert known_facts("nobody", "llama") == UNKNOWN


@pytest.mark.parametrize("model", ["o3", "gpt-5-mini", "openai/gpt-5", "o4-mini"])
def test_reasoning_models_are_known_to_refuse_temperature_and_stops(model: str) -> None:
    assert set(known_facts("openrouter", model).refuses) == {"temperature", "stop"}


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-5", "anthropic/claude-opus-4.8", "claude-sonnet-5"])
def test_newer_claudes_are_known_to_refuse_temperature(model: str) -> None:
    assert known_facts("anthropic", model).refuses == ("temperature",)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-oss-120b", "claude-sonnet-4-5", "gpt-5-chat-latest", "qwen3:8b"])
def test_others_take_it(model: str) -> None:
    assert known_facts("openai", model).refuses == ()


@pytest.mark.parametrize("model", ["gpt-5-codex", "o3-pro", "gpt-5-pro", "o1-pro", "gpt-5.1-codex-max"])
def test_models_that_answer_at_responses_only_are_known(model: str) -> None:
    assert known_facts("openai", model).api == "responses"


def test_a_call_gets_its_cost_and_wrappers_pass_on_what_is_known() -> None:
    facts = ModelFacts(price=Price(input=1, output=2), window=1_000)
    said = Completion(text="noon", usage=Usage(input_tokens=1_000_000, output_tokens=500_000, calls=1))
    model = RetryingModel(LimitedModel(PricedModel(ScriptedModel([said]), facts), Quota()), 1.0)

    assert model.complete(ASKED, CallOptions()).usage.cost_usd == pytest.approx(2.0)
    assert facts_of(model) == facts
    assert facts_of(ScriptedModel([])) == UNKNOWN


def test_what_a_provider_says_a_call_cost_is_believed() -> None:
    said = Completion(text="noon", usage=Usage(input_tokens=1_000_000, calls=1, cost_usd=0.5))

    assert (
        PricedModel(ScriptedModel([said]), ModelFacts(price=FREE)).complete(ASKED, CallOptions()).usage.cost_usd == 0.5
    )


def test_the_window_of_a_model_that_others_pass_on_is_its_makers() -> None:
    assert window_of("openai/gpt-5-mini") == known_facts("openai", "gpt-5-mini").window > 0
    assert window_of("anthropic/claude-sonnet-5") == known_facts("anthropic", "claude-sonnet-5").window
    assert window_of("openai/gpt-oss-120b") == known_facts("groq", "openai/gpt-oss-120b").window
    assert [window_of(model) for model in ("gpt-5-mini", "nobody/nothing", "@openai/gpt-5-mini", "")] == [0, 0, 0, 0]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "groq", "together", "deepseek", "mistral"])
def test_the_usual_model_of_a_provider_has_a_window_and_a_price(provider: str) -> None:
    facts = facts_of(open_model(ModelSettings(spec=provider), environment=KEYS).model)
    assert facts.window
    assert facts.price


@pytest.mark.parametrize("provider", ["openrouter", "huggingface", "vercel"])
def test_the_usual_model_of_one_that_passes_on_has_a_window(provider: str) -> None:
    assert facts_of(open_model(ModelSettings(spec=provider), environment=KEYS).model).window
