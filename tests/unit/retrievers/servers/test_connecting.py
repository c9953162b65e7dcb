"""Where a server is, who is let in, and what a refusal means to the user: never with a credential."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from retrievers.errors import ConfigError, EngineRejected, EngineUnavailable
from retrievers.servers.connecting import parse_url, reason_of, refusal, unreachable
from retrievers.servers.opening import address_of
from retrievers.settings import ServerSettings


@pytest.mark.parametrize(
    ("url", "hosts", "tls"),
    [
        ("opensearch://localhost:9200/papers", (("localhost", 9200),), False),
        ("opensearch://127.0.0.1/papers", (("127.0.0.1", 0),), False),
        ("opensearch://[::1]:9201/papers", (("::1", 9201),), False),
        ("opensearch+https://localhost/papers", (("localhost", 0),), True),
        ("elasticsearch://search.example.org/papers", (("search.example.org", 0),), True),
        ("elasticsearch+http://search.example.org:80/papers", (("search.example.org", 80),), False),
        ("opensearch://a:1,b:2,c:3/papers", (("a", 1), ("b", 2), ("c", 3)), True),
    ],
)
def test_a_url_is_tls_except_on_loopback(url: str, hosts: tuple[tuple[str, int], ...], tls: bool) -> None:
    address = parse_url(url)

    assert (address.hosts, address.tls, address.index) == (hosts, tls, "papers")
    assert address.engine == url.partition(":")[0].partition("+")[0]


@pytest.mark.parametrize(
    "url",
    [
        "opensearch://",
        "opensearch:///papers",
        "opensearch://host/Papers",
        "opensearch://host/_all",
        "opensearch://h/a,b",
    ],
)
def test_a_url_that_names_no_index_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_url("opensearch://admin:hunter2@host/papers")

    assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"


def test_credentials_come_from_the_environment_or_a_file_and_never_show(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2\n")
    environment = {"OPENSEARCH_USER": "admin", "OPENSEARCH_PASSWORD_FILE": str(tmp_path / "password")}
    by_password = address_of("opensearch://host/papers", ServerSettings(), environment)
    by_key = address_of("elasticsearch://host/papers", ServerSettings(), {"ELASTICSEARCH_API_KEY": "k3y"})
    by_token = address_of("elasticsearch://host/papers", ServerSettings(), {"ELASTICSEARCH_TOKEN": "t0ken"})

    assert by_password.basic == ("admin", "hunter2")
    assert by_key.headers == {"authorization": "ApiKey k3y"}
    assert by_token.headers == {"authorization": "Bearer t0ken"}
    assert "hunter2" not in repr(by_password)
    assert "k3y" not in repr(by_key)
    assert address_of("elasticsearch://host/papers", ServerSettings(), environment).basic is None


@pytest.mark.parametrize(
    ("status", "info", "kind", "message"),
    [
        (
            401,
            {"error": {"reason": "missing authentication"}},
            ConfigError,
            "does not let us in: missing authentication",
        ),
        (403, {"error": "no permissions"}, ConfigError, "does not let us in: no permissions"),
        (404, {"error": {"reason": "no such index"}}, ConfigError, "there is no index"),
        (429, {"error": {"reason": "too many"}}, EngineUnavailable, "too busy"),
        (503, None, EngineUnavailable, "too busy"),
        (
            400,
            {"error": {"root_cause": [{"reason": "bad field"}], "reason": "all shards failed"}},
            EngineRejected,
            "bad field",
        ),
        (200, "<html>", EngineRejected, "is no search server"),
    ],
)
def test_a_refusal_says_what_it_means(status: int, info: object, kind: type[Exception], message: str) -> None:
    error = refusal("host:9200/papers", status, info)

    assert isinstance(error, kind)
    assert message in error.message


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (TimeoutError("timed out"), EngineUnavailable, "takes too long"),
        (ConnectionRefusedError("refused"), EngineUnavailable, "does not answer"),
        (OSError("certificate verify failed: certificate has expired"), ConfigError, "expired"),
        (OSError("SSL: self-signed certificate in chain"), ConfigError, "self-signed"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_apart(error: Exception, kind: type[Exception], message: str) -> None:
    told = unreachable("host:9200/papers", error)

    assert isinstance(told, kind)
    assert message in told.message


def test_the_cause_of_a_refusal_is_one_line() -> None:
    info = {"error": {"root_cause": [{"reason": "a\n  b"}], "caused_by": {"reason": "c"}}}

    assert reason_of(info) == "a b: c"
    assert reason_of("nonsense") == ""


CLOUD_ID = "mine:" + base64.b64encode(b"eu-west-1.aws.example.org:9243$0abc$0def").decode()


def test_a_cloud_id_says_where_a_url_without_a_host_leads() -> None:
    settings = ServerSettings(cloud_id=CLOUD_ID)
    address = address_of("elasticsearch:///papers", settings, {})

    assert (address.hosts, address.tls) == ((("0abc.eu-west-1.aws.example.org", 9243),), True)
    assert address_of("elasticsearch://localhost/papers", settings, {}).hosts == (("localhost", 0),)
    assert address_of("elasticsearch:///papers", ServerSettings(cloud_id=without_port()), {}).hosts[0][1] == 443
    with pytest.raises(ConfigError, match="cloud id"):
        address_of("elasticsearch:///papers", ServerSettings(cloud_id="mine:no base64!"), {})


def without_port() -> str:
    return base64.b64encode(b"example.org$0abc$").decode()


@pytest.mark.parametrize("index", ["archive", "reports-2024"])
def test_an_index_on_the_list_is_opened_and_no_other(index: str) -> None:
    settings = ServerSettings(allowed=("archive", "reports-*"))

    assert address_of(f"opensearch://host/{index}", settings, {}).index == index
    for other in ("archives", "secrets", "my-reports-2024"):
        with pytest.raises(ConfigError, match="may not be opened"):
            address_of(f"opensearch://host/{other}", settings, {})


def test_a_key_goes_before_a_password_and_neither_shows() -> None:
    environment = {"OPENSEARCH_USER": "a", "OPENSEARCH_PASSWORD": "hunter2", "OPENSEARCH_API_KEY": "k3yk3y"}
    address = address_of("opensearch://host/x", ServerSettings(proxy="http://me:hunter3@proxy:3128"), environment)

    assert (address.basic, address.headers) == (None, {"authorization": "ApiKey k3yk3y"})
    assert not any(secret in repr(address) for secret in ("hunter2", "hunter3", "k3yk3y"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("certificate verify failed: certificate is not yet valid", "clock"),
        ("certificate verify failed: certificate has expired", "clock"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "+http"),
        ("sslv13 alert certificate required", "client_certificate"),
    ],
)
def test_what_tls_says_comes_with_a_way_out(said: str, told: str) -> None:
    assert told in unreachable("host:9200/x", OSError(said)).hint


def test_clocks_that_differ_are_told() -> None:
    error = refusal("host:443/x", 403, {"message": "Signature expired: 20260101T000000Z is now earlier than …"})

    assert "clock" in error.message


def test_a_server_that_is_older_than_the_client_says_so() -> None:
    info = {"error": {"type": "media_type_header_exception", "reason": "Invalid media-type value on headers"}}

    assert "too old" in refusal("host:9200/x", 400, info).message
