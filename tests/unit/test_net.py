"""Addresses that people type: only public ones, only in time, only so much."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core import net
from core.errors import InputError, OfflineError, RefusedError


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest")
            self.end_headers()
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(200):
                self.wfile.write(b".")
                time.sleep(0.05)
        elif self.path == "/slow-header":
            for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 500:
                self.wfile.write(bytes([letter]))
                self.wfile.flush()
                time.sleep(0.05)
        elif self.path == "/bomb":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(gzip.compress(b"0" * 5_000_000))
        elif self.path == "/missing":
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(307 if self.path == "/away" else 200)
        self.send_header("Location", "/other")
        self.end_headers()
        self.wfile.write(body)

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def home() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_allowed_address_is_fetched(home: str) -> None:
    assert net.fetch(home, allow_private=True).content == b"hello"
    assert net.post_json(home, {"a": "ü"}, allow_private=True).content == '{"a": "ü"}'.encode()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.9", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1",
     "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "no address"],
)  # fmt: skip
def test_private_addresses_are_told_from_public_ones(address: str) -> None:
    assert not net.is_public(address)
    assert net.is_public("93.184.216.34") and net.is_public("2606:2800:220:1::1")


def test_this_machine_is_not_asked_by_any_name(home: str) -> None:
    for host in ("127.0.0.1", "localhost", "0177.0.0.1", "2130706433", "[::1]"):
        with pytest.raises((RefusedError, OfflineError)):
            net.fetch(home.replace("127.0.0.1", host), seconds=3)


def test_a_redirect_to_a_private_address_is_refused(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "is_public", lambda address: address == "127.0.0.1")
    with pytest.raises(RefusedError, match=r"169\.254"):
        net.fetch(f"{home}/away")


def test_a_name_is_resolved_once_and_that_address_is_asked(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = int(home.rsplit(":", 1)[1])
    real = net.socket.getaddrinfo
    names: list[str] = []

    def answer(host: str, *rest: object, **named: object) -> object:
        if host == "rebinding.test":
            names.append(host)
            return [(2, 1, 6, "", ("127.0.0.1" if len(names) == 1 else "10.0.0.1", port))]
        return real(host, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(net, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(net.socket, "getaddrinfo", answer)
    assert net.fetch(f"http://rebinding.test:{port}", seconds=5).content == b"hello"
    assert names == ["rebinding.test"]


@pytest.mark.parametrize("path", ["/drip", "/slow-header"])
def test_a_server_that_drips_is_left_after_the_deadline(home: str, path: str) -> None:
    started = time.monotonic()
    with pytest.raises(OfflineError):
        net.fetch(home + path, allow_private=True, seconds=0.5)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("path", "error"), [("/loop", RefusedError), ("/bomb", InputError), ("/missing", RefusedError)]
)
def test_endless_huge_and_missing_answers_are_errors(home: str, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        net.fetch(home + path, allow_private=True, most_bytes=100_000)


def test_what_is_posted_does_not_follow_a_redirect(home: str) -> None:
    with pytest.raises(RefusedError):
        net.post_json(f"{home}/away", {}, allow_private=True)


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "file:///etc/passwd", "ftp://example.com", "http://", "http://a b.com", "https://u:p@host/",
     "http://host:99999/", "javascript:alert(1)", "http://host/\r\nX: y", "http://" + "a" * 3000],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InputError):
        net.check_url(url)
