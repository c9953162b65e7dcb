"""Ways to a server: keys, tokens, certificates of ours, proxies, signed requests, other nodes; each lets in who may."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from retrievers.errors import ConfigError
from retrievers.protocols import RetrieverProtocol
from retrievers.registry import open_retriever, open_writer
from retrievers.settings import Settings
from retrievers.testing import chunked, document
from retrievers.types import IndexedDocument
from tests.servers.certificates import make_certificate
from tests.servers.faulty_proxy import Fault, Handler, Proxy, asleep, proxy
from tests.servers.search_nodes import ENGINES, fresh_index, product_of, server_url

pytestmark = pytest.mark.integration

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass(frozen=True)
class Index:
    """An index with one document, and a proxy before it."""

    product: str
    name: str
    proxy: Proxy

    def open(self, scheme: str = "http", *, at: str = "", **server: object) -> RetrieverProtocol:
        url = f"{self.product}+{scheme}://{at or self.proxy.address}/{self.name}"
        return open_retriever(url, embedder="none", settings=Settings.of({"server": server}))


@pytest.fixture(scope="module", params=ENGINES)
def index(request: pytest.FixtureRequest) -> Iterator[Index]:
    engine = str(request.param)
    with fresh_index(engine) as url, proxy(server_url(engine)) as between:
        writer = open_writer(url, embedder=None)
        each = document("a", "a lighthouse")
        writer.replace([IndexedDocument(document=each, chunks=chunked(each))])
        writer.close()
        yield Index(product_of(engine), url.rpartition("/")[2], between)


@pytest.fixture(autouse=True)
def as_it_was(index: Index) -> Iterator[None]:
    yield
    index.proxy.fault = None


def wanting(authorization: str) -> Fault:
    def fault(handler: Handler) -> bool:
        if handler.headers.get("authorization") == authorization:
            return False
        handler.answer(401, b'{"error":{"type":"security_exception","reason":"who are you"},"status":401}')
        return True

    return fault


@pytest.mark.parametrize(("variable", "scheme"), [("API_KEY", "ApiKey"), ("TOKEN", "Bearer")])
@pytest.mark.parametrize("by_file", [False, True])
def test_a_key_or_a_token_lets_in(
    index: Index, variable: str, scheme: str, by_file: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.proxy.fault = wanting(f"{scheme} s3cr3t-value")
    name = f"{index.product.upper()}_{variable}"
    with pytest.raises(ConfigError, match="does not let us in"):
        index.open()

    (tmp_path / "secret").write_text("s3cr3t-value\n")
    monkeypatch.setenv(f"{name}_FILE" if by_file else name, str(tmp_path / "secret") if by_file else "s3cr3t-value")
    assert index.open().search("lighthouse")[0].doc_id == "a"


def test_a_wrong_key_never_shows(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.proxy.fault = wanting("ApiKey right")
    monkeypatch.setenv(f"{index.product.upper()}_API_KEY", "wr0ng-s3cr3t")

    with pytest.raises(ConfigError) as refused:
        index.open()
    assert index.proxy.address in refused.value.message
    assert "wr0ng" not in f"{refused.value!r} {refused.value.hint} {refused.value.__context__!r}"


def test_a_server_that_asks_for_a_certificate_gets_ours(index: Index, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, days=30)
    with proxy(index.proxy.target, certificate, asks_for_one=True) as strict:
        known = {"ca_file": str(certificate)}
        with pytest.raises(ConfigError, match=r"asks for a certificate|certificate"):
            index.open("https", at=strict.address, **known)

        ours = {"client_certificate": str(tmp_path / "cert.pem"), "client_key": str(tmp_path / "key.pem")}
        assert index.open("https", at=strict.address, **known, **ours).search("lighthouse")


def test_without_verification_any_certificate_will_do(index: Index, tmp_path: Path) -> None:
    with proxy(index.proxy.target, make_certificate(tmp_path, days=-1)) as expired:
        assert index.open("https", at=expired.address, verify=False).search("lighthouse")


def test_a_proxy_on_the_way_is_used(index: Index) -> None:
    target = urlsplit(index.proxy.target).netloc
    with forward_proxy() as (address, passed):
        reader = index.open(at=target, proxy=f"http://{address}")

        assert reader.search("lighthouse")
    assert passed
    assert all(url.startswith(f"http://{target}/") for url in passed)


def test_other_nodes_are_not_asked_for_unless_it_is_said(index: Index) -> None:
    index.proxy.seen.clear()
    index.open().search("lighthouse")

    assert not any("_nodes" in line for line in index.proxy.seen)
    index.open(sniff=True)
    assert any("_nodes" in line for line in index.proxy.seen)


def test_a_node_that_is_slow_is_left_for_another(index: Index) -> None:
    awake = threading.Event()
    with proxy(index.proxy.target) as other:
        for each in (index.proxy, other):
            each.seen.clear()
        index.proxy.fault = asleep(60, awake)
        reader = index.open(at=f"{index.proxy.address},{other.address}", timeout_seconds=1.0)

        assert [reader.search("lighthouse")[0].doc_id for _ in range(3)] == ["a"] * 3
        awake.set()
    assert any("search" in line for line in other.seen)


def test_a_node_that_is_gone_is_left_for_another(index: Index) -> None:
    gone = "localhost:9"

    assert index.open(at=f"{gone},{index.proxy.address}").search("lighthouse")


# --- signed requests ------------------------------------------------------------------------------------------------


def signature_of(handler: Handler, now: datetime, host: str) -> str:
    """What is wrong with a request's signature, by the published algorithm (AWS Signature V4); "" for nothing."""
    told = handler.headers.get("authorization", "")
    if not told.startswith("AWS4-HMAC-SHA256 "):
        return "not signed"
    parts = dict(part.split("=", 1) for part in told.removeprefix("AWS4-HMAC-SHA256 ").replace(" ", "").split(","))
    _, day, region, service, _ = parts["Credential"].split("/")
    stamp = handler.headers["x-amz-date"]
    if abs(now - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)) > timedelta(minutes=5):
        return f"Signature expired: {stamp}"
    path, _, query = handler.path.partition("?")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, True))
    names = parts["SignedHeaders"].split(";")
    values = {name.lower(): " ".join(value.split()) for name, value in handler.headers.items()} | {"host": host}
    canonical = "\n".join(
        [
            handler.command,
            quote(path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{values[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(handler.body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for each in (day, region, service, "aws4_request"):
        key = hmac.new(key, each.encode(), "sha256").digest()
    expected = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    return "" if hmac.compare_digest(expected, parts["Signature"]) else "the signature does not match"


def amazon(between: Proxy, skew: timedelta = timedelta()) -> Fault:
    """A service that takes signed requests only, whose clock is so far from ours."""

    def fault(handler: Handler) -> bool:
        wrong = signature_of(handler, datetime.now(UTC) + skew, between.address)
        if wrong:
            handler.answer(403, f'{{"message": "{wrong}"}}'.encode())
        return bool(wrong)

    return fault


@pytest.fixture
def aws(index: Index, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The credentials, and the settings of such a service."""
    if index.product != "opensearch":
        pytest.skip("Amazon's service is an OpenSearch")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    return {"aws_region": "eu-central-1"}


@pytest.mark.parametrize("service", ["es", "aoss"])
def test_requests_are_signed_as_amazon_publishes_it(index: Index, aws: dict[str, str], service: str) -> None:
    index.proxy.fault = amazon(index.proxy)

    reader = index.open(**aws, aws_service=service)
    assert reader.search("lighthouse")[0].doc_id == "a"
    assert reader.get("a").content == "a lighthouse"


def test_a_wrong_key_of_amazon_is_told_without_it(
    index: Index, aws: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    index.proxy.fault = amazon(index.proxy)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng-s3cr3t")

    with pytest.raises(ConfigError, match="does not let us in") as refused:
        index.open(**aws)
    assert "wr0ng" not in f"{refused.value.message} {refused.value.hint}"


def test_a_clock_that_is_wrong_is_told(index: Index, aws: dict[str, str]) -> None:
    index.proxy.fault = amazon(index.proxy, timedelta(hours=1))

    with pytest.raises(ConfigError, match="the clock of this machine"):
        index.open(**aws)


# --- a proxy of another kind: it is asked for whole URLs ------------------------------------------------------------


@contextmanager
def forward_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy as browsers use it; its address, and the URLs that it was asked for."""
    passed: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            passed.append(self.path)
            to = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = http.client.HTTPConnection(to.hostname or "", to.port or 80, timeout=60)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            connection.request(self.command, f"{to.path}?{to.query}", body, headers)
            response = connection.getresponse()
            answer = response.read()
            self.send_response(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            connection.close()

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", passed
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
