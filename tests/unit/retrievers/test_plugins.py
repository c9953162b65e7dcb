"""Plug-ins: how a spec becomes a part, and what a wrong one is told."""

import pytest

from retrievers import plugins
from retrievers.errors import ConfigError

BUILTINS = {"counter": "collections:Counter", "broken": "no_such_module:Thing", "hollow": "collections:Nothing"}


def test_a_built_in_is_found_with_its_argument() -> None:
    factory, argument = plugins.load("rlm_search.tests", "counter:three", BUILTINS)

    assert factory.__name__ == "Counter"
    assert argument == "three"


def test_a_class_of_a_module_is_found() -> None:
    factory, argument = plugins.load("rlm_search.tests", "decimal:Decimal", BUILTINS)

    assert (factory.__name__, argument) == ("Decimal", "")


def test_an_installed_entry_point_is_found() -> None:
    factory, _ = plugins.load("console_scripts", "pytest", {})

    assert callable(factory)
    assert "ingest" in plugins.names("console_scripts", BUILTINS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("countr", "unknown test `countr`: did you mean `counter`"),
        ("zzz", "there are broken, counter, hollow"),
        ("broken", "no module named no_such_module"),
        ("hollow", "collections has no Nothing"),
        ("decimal:MAX_PREC", "is no class or function"),
    ],
)
def test_a_wrong_spec_is_one_sentence(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plugins.load("rlm_search.tests", spec, BUILTINS)


def test_a_missing_extra_is_one_sentence_that_names_it() -> None:
    with pytest.raises(ConfigError, match=r"a sky needs the extra `sky`: pip install 'rlm-search\[sky\]'"):
        plugins.require("no_such_library.part", extra="sky", purpose="a sky")


def test_an_extra_that_is_there_is_imported() -> None:
    assert plugins.require("json", extra="json", purpose="JSON").loads("1") == 1
