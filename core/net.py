"""Fetching from addresses that people type: feeds, webhooks, model endpoints. Knows nothing of what is fetched.

An address is resolved once, every address behind the name is checked, and the connection goes to the checked address,
so that a name cannot point elsewhere a moment later (DNS rebinding). A redirect is an address like the first one. One
deadline bounds everything: looking up the name, connecting, a server that sends a byte now and then.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerError
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore

from core.errors import InputError, OfflineError, RefusedError

MOST_BYTES = 10 * 2**20
TOTAL_SECONDS = 20.0
MOST_REDIRECTS = 5
LONGEST_URL = 2000
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_resolvers = ThreadPoolExecutor(4, thread_name_prefix="resolve")


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    url: str
    """Address of the answer, after redirects."""
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""


def check_url(url: str) -> str:
    """The address without white space at its ends. Raises InputError unless it is http(s) with a host and no login."""
    cleaned = url.strip()
    try:
        parts = urlsplit(cleaned)
        port = parts.port
    except ValueError as error:
        raise InputError("This is not a web address.", "Type one that begins with https://.") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or len(cleaned) > LONGEST_URL:
        raise InputError("Only web addresses that begin with http:// or https:// are asked.", "Correct the address.")
    if not cleaned.isascii() or any(c.isspace() or not c.isprintable() for c in cleaned):
        raise InputError("The web address holds characters that need encoding.", "Copy it from the browser's bar.")
    if parts.username is not None or parts.password is not None:
        raise InputError("A web address with a name and password in it is not asked.", "Leave them out.")
    return cleaned


def fetch(
    url: str,
    allow_private: bool = False,
    most_bytes: int = MOST_BYTES,
    seconds: float = TOTAL_SECONDS,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET an address, following redirects.

    Raises InputError (no web address, too much data), RefusedError (private address, status from 400 on), OfflineError
    (no answer in time).
    """
    deadline = time.monotonic() + seconds
    for _ in range(MOST_REDIRECTS + 1):
        with _asked("GET", url, b"", headers or {}, allow_private, deadline) as answer:
            target = _header(answer, b"location")
            if answer.status not in _REDIRECTS or not target:
                return _read(answer, url, most_bytes)
        url = urljoin(url, target)
    raise RefusedError(f"{host_of(url)} redirects more than {MOST_REDIRECTS} times.", "Give the final address.")


def post_json(
    url: str,
    value: Any,
    allow_private: bool = False,
    most_bytes: int = MOST_BYTES,
    seconds: float = TOTAL_SECONDS,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """POST a JSON value; a redirect is refused, what was sent stays with the host it was meant for.

    Raises as ``fetch`` does.
    """
    with posted(url, value, allow_private, seconds, headers) as answer:
        return _read(answer, url, most_bytes)


@contextmanager
def posted(
    url: str,
    value: Any,
    allow_private: bool = False,
    seconds: float = TOTAL_SECONDS,
    headers: Mapping[str, str] | None = None,
) -> Iterator[httpcore.Response]:
    """POST a JSON value and hand out the answer while it arrives (``iter_stream``). Raises as ``fetch`` does."""
    body = json.dumps(value, ensure_ascii=False).encode()
    given = {"Content-Type": "application/json", **(headers or {})}
    with _asked("POST", url, body, given, allow_private, time.monotonic() + seconds) as answer:
        if answer.status in _REDIRECTS:
            raise RefusedError(f"{host_of(url)} redirects what is sent to it.", "Give the final address.")
        yield answer


def host_of(url: str) -> str:
    """Host of an address for messages: the rest may hold a secret."""
    return urlsplit(url).hostname or "the address"


@contextmanager
def _asked(
    method: str, url: str, body: bytes, headers: Mapping[str, str], allow_private: bool, deadline: float
) -> Iterator[httpcore.Response]:
    """Send one request; errors of the network become ours, in the block too."""
    url = check_url(url)
    given: dict[bytes | str, bytes | str] = {"User-Agent": "Whetstone", "Accept-Encoding": "identity"}
    given.update(headers.items())
    backend = _CheckedBackend(deadline, allow_private)
    try:
        with (
            httpcore.ConnectionPool(network_backend=backend, max_keepalive_connections=0) as pool,
            pool.stream(method, url, headers=given, content=body) as answer,
        ):
            yield answer
    except httpcore.TimeoutException as error:
        raise OfflineError(f"{host_of(url)} did not answer in time.", "Try again later.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        raise OfflineError(f"{host_of(url)} cannot be reached: {str(error)[:120]}.", "Check the address.") from error


def _read(answer: httpcore.Response, url: str, most_bytes: int) -> Answer:
    """The whole body, at most ``most_bytes`` of it after unpacking."""
    if answer.status >= 400:
        raise RefusedError(f"{host_of(url)} answered with the status {answer.status}.", "Check the address.")
    content = bytearray()
    for chunk in _unpacked(answer.iter_stream(), _header(answer, b"content-encoding"), most_bytes):
        content += chunk
        if len(content) > most_bytes:
            raise InputError(f"{host_of(url)} sends more than {most_bytes:,} bytes.", "Give another address.")
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Answer(answer.status, url, bytes(content), found)


def _unpacked(chunks: Iterable[bytes], encoding: str, most_bytes: int) -> Iterator[bytes]:
    """Body as it was before compression, which some servers apply without being asked."""
    if encoding not in ("gzip", "deflate", "x-gzip"):
        yield from chunks
        return
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        for chunk in chunks:
            yield unpack.decompress(chunk, most_bytes + 1)
    except zlib.error as error:
        raise OfflineError("The answer is damaged: it cannot be unpacked.", "Try again later.") from error


def _header(answer: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1").strip() for key, value in answer.headers if key.lower() == name), "")


# ---------------------------------------------------------------- connections to checked addresses


class _CheckedBackend(httpcore.NetworkBackend):
    """Connects to addresses that were checked, within one deadline."""

    def __init__(self, deadline: float, allow_private: bool) -> None:
        self._plain = httpcore.SyncBackend()
        self._deadline = deadline
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that answers. Raises RefusedError for a private one."""
        last: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses_of(host, port, self._allow_private, _left(self._deadline)):
            try:
                stream = self._plain.connect_tcp(
                    address, port, _left(self._deadline), local_address, socket_options or []
                )
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never: a web address names no socket of this machine."""
        raise httpcore.ConnectError("sockets of this machine are not asked")


def addresses_of(host: str, port: int, allow_private: bool, seconds: float) -> list[str]:
    """Addresses behind a name, looked up once and checked. Raises RefusedError when one of them is private.

    Raises httpcore.ConnectError or httpcore.ConnectTimeout for a name without an answer.
    """
    looked_up = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = looked_up.result(timeout=seconds)
    except NoAnswerError as error:
        raise httpcore.ConnectTimeout("the name was not resolved in time") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError("the name is unknown") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not allow_private and not all(is_public(address) for address in addresses):
        raise RefusedError(
            f"{host} is on this machine or in a private network, which is not asked.",
            "Set WHETSTONE_ALLOW_PRIVATE_ADDRESSES=1 if it shall be.",
        )
    return addresses


def checked_host(host: str, port: int, allow_private: bool, seconds: float) -> str:
    """One address behind a name, for what speaks no HTTP. Raises InputError, RefusedError, OfflineError."""
    if not host.strip():
        raise InputError("The name of the server is missing.", "Type it.")
    try:
        return addresses_of(host.strip(), port, allow_private, seconds)[0]
    except (httpcore.TimeoutException, httpcore.NetworkError) as error:
        raise OfflineError(f"{host[:100]} cannot be reached: {error}.", "Check the name.") from error


class _TimedStream(httpcore.NetworkStream):
    """A connection on which every wait ends at the deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Next bytes."""
        return self._stream.read(max_bytes, _left(self._deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of ``buffer``."""
        self._stream.write(buffer, _left(self._deadline, httpcore.WriteTimeout))

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Encrypt; the certificate must be that of the name, not of the address."""
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What the plain connection knows about itself."""
        return self._stream.get_extra_info(info)


def _left(deadline: float, error: type[httpcore.TimeoutException] = httpcore.ConnectTimeout) -> float:
    """Seconds until the deadline; raises when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise error("the time is up")
    return left


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; those that only wrap another one count as that one."""
    try:
        ip = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour or ip.teredo:
            return False
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip.ipv4_mapped:
            ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast
