"""Settings: where a value may come from, which source wins, and what a mistake is told."""

from pathlib import Path

import msgspec
import pytest

from retrievers.errors import ConfigError
from retrievers.settings import EmbedderSettings, IndexSettings, SearchSettings, load, secret


class Sample(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    include: list[str] = []
    workers: int = 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_a_flag_beats_the_environment_beats_the_project_beats_the_user(tmp_path: Path, home: Path) -> None:
    (home / "config.toml").write_text(
        '[index]\nurl = "user"\n[search]\ntop_k = 1\nmode = "lexical"\n[embedder]\nspec = "a"'
    )
    project = tmp_path / "project" / "deep"
    project.mkdir(parents=True)
    (project.parent / "rlm-search.toml").write_text('[index]\nurl = "project"\n[search]\ntop_k = 2\n')
    environment = {
        "RLM_SEARCH_HOME": str(home),
        "RLM_SEARCH_INDEX__URL": "environment",
        "RLM_SEARCH_SEARCH__TOP_K": "3",
    }

    settings = load(flags={"index": {"url": "flag"}}, environment=environment, folder=project)

    assert settings.table("index", IndexSettings).url == "flag"
    assert settings.table("search", SearchSettings) == SearchSettings(mode="lexical", top_k=3)
    assert settings.table("embedder", EmbedderSettings).spec == "a"
    assert settings.origins["search", "mode"].endswith("config.toml")


def test_a_flag_not_given_hides_nothing(home: Path) -> None:
    environment = {"RLM_SEARCH_HOME": str(home), "RLM_SEARCH_INDEX__URL": "environment"}

    settings = load(flags={"index": {"url": None}}, environment=environment, folder=home)

    assert settings.table("index", IndexSettings).url == "environment"


def test_a_list_in_the_environment_is_json(home: Path) -> None:
    environment = {"RLM_SEARCH_HOME": str(home), "RLM_SEARCH_INGEST__INCLUDE": '["*.pdf", "*.md"]'}

    assert load(environment=environment, folder=home).table("ingest", Sample).include == ["*.pdf", "*.md"]


def test_a_misspelt_key_names_itself_its_origin_and_the_key_that_was_meant(tmp_path: Path, home: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[index]\nulr = "x"\n')

    with pytest.raises(ConfigError, match=r"unknown setting `index.ulr` \(from .*mine.toml\)") as caught:
        load(config_file=file, environment={"RLM_SEARCH_HOME": str(home)}).table("index", IndexSettings)

    assert caught.value.hint == "did you mean `url`?"
    assert caught.value.exit_code == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[indx]\n", r"unknown table `\[indx\]`"),
        ("index = 3\n", r"unknown table `\[index\]`"),
        ("[index\n", "is no TOML"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, home: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=message):
        load(config_file=file, environment={"RLM_SEARCH_HOME": str(home)})


def test_a_missing_config_file_is_told(tmp_path: Path, home: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*none\.toml: No such file"):
        load(config_file=tmp_path / "none.toml", environment={"RLM_SEARCH_HOME": str(home)})


def test_a_value_of_the_wrong_type_names_key_and_origin(home: Path) -> None:
    environment = {"RLM_SEARCH_HOME": str(home), "RLM_SEARCH_SEARCH__TOP_K": "many"}

    with pytest.raises(ConfigError, match=r"setting `search.top_k` is wrong \(from the environment\): Expected `int`"):
        load(environment=environment, folder=home).table("search", SearchSettings)


def test_an_unknown_table_in_the_environment_is_told(home: Path) -> None:
    with pytest.raises(ConfigError, match="unknown table `serach`"):
        load(environment={"RLM_SEARCH_HOME": str(home), "RLM_SEARCH_SERACH__MODE": "x"}, folder=home)


def test_the_user_file_is_looked_for_where_the_platform_keeps_them(home: Path) -> None:
    assert load(environment={}, folder=home).table("index", IndexSettings).url


def test_a_secret_comes_from_a_variable_or_from_the_file_it_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-file\n")

    assert secret("KEY", {"KEY": "direct"}) == "direct"
    assert secret("KEY", {"KEY_FILE": str(tmp_path / "key")}) == "from-file"
    assert secret("KEY", {}) == ""
    with pytest.raises(ConfigError, match="KEY_FILE"):
        secret("KEY", {"KEY_FILE": str(tmp_path / "none")})
