# SPDX-License-Identifier: Apache-2.0
"""The client of the API server: raw requests, watches and the exec websocket, all over one access (see ``kubeconfig.py``)."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
import urllib3
import websocket
from kubernetes.client.rest import RESTClientObject  # noqa: TID251
from msgspec import Struct

from kubectl_netdoc import __version__
from kubectl_netdoc.formats import strict_json
from kubectl_netdoc.sources.live.credentials import NoCredentials
from kubectl_netdoc.sources.live.kubeconfig import Kubeconfig, access
from kubectl_netdoc.sources.live.kubeconfig import Options as Options
from kubectl_netdoc.sources.live.rate_limit import RateLimit

T = TypeVar("T")

EXEC_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
UNANSWERED = 60.0
"""Seconds after which a request without an answer is given up, unless --request-timeout sets another limit."""

CONNECTING = 10.0
"""Seconds for the TCP connection to the API server."""

LARGEST = 256 << 20
"""Most bytes of a response: a page of 500 pods has about 5 MiB, and a list without pages at most 50 times that."""

LONGEST_LINE = 16 << 20
"""Most bytes of one change in a watch. etcd keeps no object larger than 1.5 MiB."""

CHUNK = 1 << 20
"""Bytes of a body that are read at a time. An API server sends a list in chunks of some KiB, each of which would cost a call."""

GRACE = 1.0
"""Seconds that a request gets beyond its own timeouts, whose errors are more precise."""

TRIES = 3
"""Most tries of a request to a server that answers 429; with ``rate_limit.SLOWEST_RETRY`` ten seconds of waiting."""

WRONG_TIME = (9, 10)
"""OpenSSL's codes of a certificate that is not valid yet, or no longer (X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED)."""


class _Status(Struct):
    message: str = ""
    reason: str = ""


CONTENT = {"PATCH": "application/strategic-merge-patch+json"}
"""Content types of bodies that are not plain JSON."""

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
ACCEPTED = {"/apis": ", ".join((AGGREGATED.format("v2"), AGGREGATED.format("v2beta1"), "application/json"))}
"""What is wanted of paths that answer in several forms, the best first: the aggregated discovery came with Kubernetes 1.26."""


class ApiError(Exception):
    """The API server refused or failed a request. ``status``: the HTTP status, 0 if there was no response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def timed_out(self) -> bool:
        """Tell whether there was no response in time."""
        return self.status == 0 and self.message.startswith("timeout")


class Usage:
    """API calls and bytes of a run, counted."""

    def __init__(self) -> None:
        self.calls = 0
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """Count one call of ``size`` bytes."""
        with self._lock:
            self.calls += 1
            self.bytes += size


class Watch:
    """An open watch. ``lines`` blocks in one thread until ``stop`` is called in another, or the server ends it."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response

    def lines(self) -> Iterator[bytes]:
        """Yield each change as a line of JSON; returns whatever ends the watch."""
        buffer = b""
        with suppress(Exception):  # closed under its reader, http.client raises whatever its state makes of that
            for chunk in self._response.stream(None):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                yield from (line for line in lines if line)
                if len(buffer) > LONGEST_LINE:
                    return

    def stop(self) -> None:
        """End the watch."""
        _cut_off(self._response)
        with suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
            self._response.close()


class Client:
    """Talks to one API server as one user. Safe for use by several threads at once. ``kubeconfig``: where it was read before."""

    def __init__(self, options: Options, kubeconfig: Kubeconfig | None = None) -> None:
        self.options = options
        self.usage = Usage()
        self._pace = RateLimit()
        self.ahead = timedelta()
        """How far the API server's clock is ahead of this machine's."""
        self._access = access(options, kubeconfig)
        self.context, self.namespace = self._access.context, self._access.namespace
        self.host: str = self._access.configuration.host
        self.doubts = "".join(f"; {doubt}" for doubt in self._access.doubts)
        self._pools = RESTClientObject(self._access.configuration).pool_manager

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """Send a GET; raises ``ApiError``."""
        return self.request("GET", path, query)

    def request(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, timeout: float = 0
    ) -> bytes:
        """Send one request and return the body of the response; raises ``ApiError`` unless the status is 2xx."""
        response = self._send(method, path, query, body, timeout)
        data = _body(response, self._limit(timeout))
        self.usage.add(len(data))
        if not 200 <= response.status < 300:
            raise ApiError(response.status, _message(data) or response.reason or "")
        return data

    def watch(self, path: str, query: Mapping[str, Any], seconds: float) -> Watch:
        """Open a watch that the server ends after ``seconds``; raises ``ApiError``."""
        query = {**query, "watch": "true", "timeoutSeconds": max(1, int(seconds))}
        response = self._send("GET", path, query, None, seconds + 1)
        self.usage.add(0)
        if response.status != 200:
            raise ApiError(response.status, _message(_body(response, seconds)) or response.reason or "")
        return Watch(response)

    def _send(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Any, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and retry if the server answers 429 (too many requests)."""
        for _ in range(TRIES - 1):
            response = self._permitted(method, path, query, body, timeout)
            if response.status != 429:
                return response
            response.close()
            self._pace.hold(response.headers.get("Retry-After", ""))
        return self._permitted(method, path, query, body, timeout)

    def _permitted(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Any, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and once more if the credentials were refused and a plugin has new ones."""
        used = self._authorization()
        response = self._once(used, method, path, query, body, timeout)
        if response.status != 401 or not self._renewed(used):
            return response
        response.close()
        return self._once(self._authorization(), method, path, query, body, timeout)

    def _once(
        self,
        authorization: str,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        timeout: float,
    ) -> urllib3.BaseHTTPResponse:
        self._pace.wait()
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        limit = self._limit(timeout)
        content = {"Accept": ACCEPTED.get(path, "application/json"), "Content-Type": CONTENT.get(method, "application/json")}
        try:
            send = partial(
                self._pools.request,
                method,
                url,
                headers=self._headers(authorization, content),
                body=json.dumps(body) if body is not None else None,
                timeout=urllib3.Timeout(connect=min(limit, CONNECTING), total=limit),
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            response: urllib3.BaseHTTPResponse = _in_time(send, limit)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _no_answer(error) from error
        self._note_time(response.headers.get("Date", ""))
        if encoding := response.headers.get("Content-Encoding", ""):  # small bodies that are huge once decoded
            response.close()
            raise ApiError(0, f"the response is encoded ({encoding[:40]}), which netdoc did not ask for")
        return response

    def _limit(self, timeout: float) -> float:
        return timeout or self.options.request_timeout or UNANSWERED

    def _note_time(self, date: str) -> None:
        with suppress(ValueError, TypeError):
            self.ahead = parsedate_to_datetime(date) - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time by the API server's clock, from its last response: a laptop's clock may be wrong."""
        return datetime.now(UTC) + self.ahead

    def _headers(self, authorization: str, headers: Mapping[str, str]) -> urllib3.HTTPHeaderDict:
        merged = urllib3.HTTPHeaderDict({"User-Agent": f"kubectl-netdoc/{__version__}", **headers})
        if authorization:
            merged["Authorization"] = authorization
        for name, value in self._access.headers:
            merged.add(name, value)
        return merged

    def _authorization(self) -> str:
        if self._access.credentials is None:
            setting = self._access.configuration.auth_settings().get("BearerToken")
            value = str(setting["value"]) if setting else ""
        else:
            try:
                token = self._access.credentials.valid(self.now()).token
            except NoCredentials as error:
                raise ApiError(0, str(error)) from error
            value = f"Bearer {token}" if token else ""
        if not re.fullmatch(r"[\x20-\x7e]*", value):  # the library's own error would show it
            raise ApiError(
                0, "the token of the kubeconfig user can't be sent: it has characters that an HTTP header must not have"
            )
        return value

    def _renewed(self, refused: str) -> bool:
        """Tell whether a credential plugin has a new token for one that was refused."""
        try:
            return self._access.credentials is not None and self._access.credentials.refused(refused.removeprefix("Bearer "))
        except NoCredentials as error:
            raise ApiError(401, str(error)) from error

    def exec(self, namespace: str, pod: str, command: list[str], timeout: float, container: str = "") -> websocket.WebSocket:
        """Open an exec with stdin, stdout and stderr; frames are a channel byte and data. Raises ``ApiError``.

        ``container``: the name of the container, if the pod has several.
        """
        query = [("command", word) for word in command] + [(name, "true") for name in ("stdin", "stdout", "stderr")]
        query += [("container", container)] if container else []
        url = f"{self.host}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        headers = [f"{name}: {value}" for name, value in self._headers(self._authorization(), {}).iteritems()]
        self.usage.add(0)
        self._pace.wait()
        try:
            connect = partial(
                websocket.create_connection,
                "ws" + url.removeprefix("http"),
                timeout=timeout,
                header=headers,
                subprotocols=EXEC_PROTOCOLS,
                suppress_origin=True,  # kubectl sends none
                redirect_limit=0,  # the target of a redirect must not get the user's token
                socket=self._connection(timeout),
            )
            return _in_time(connect, timeout)
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            raise ApiError(error.status_code, _message(body) or str(error)) from error
        except (websocket.WebSocketException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(error) from error

    def _connection(self, timeout: float) -> Any:
        """Return a socket to the API server, made like those of all other requests: same proxy, TLS and certificates."""
        pool = self._pools.connection_from_url(self.host)
        connection: Any = pool._new_conn()
        connection.timeout = min(timeout, CONNECTING)
        if pool.proxy is not None and self.host.startswith("https:"):
            pool._prepare_proxy(connection)
        else:
            connection.connect()
        connection.sock.settimeout(timeout)
        return connection.sock


def _in_time(call: Callable[[], T], seconds: float, what: str = "the response headers") -> T:
    """Return what a call returns, or raise what it raises, within its time limit; after it raise ``TimeoutError``.

    A socket's timeout starts again with each byte, so what trickles would never end: such a call is abandoned in its thread,
    which ends with the program.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    wait([done], seconds + GRACE)
    if not done.done():
        raise TimeoutError(f"{what} did not end within {seconds:.0f} s")
    return done.result()


def _body(response: urllib3.BaseHTTPResponse, seconds: float) -> bytes:
    """Return the body; raises ``ApiError`` if it does not end in time or is too large."""
    try:
        return _in_time(partial(_whole, response), seconds, "the response")
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            _cut_off(response)
        raise _no_answer(error) from error
    except ApiError:
        response.close()
        raise


def _whole(response: urllib3.BaseHTTPResponse) -> bytes:
    data = bytearray()
    while part := response.read(CHUNK):
        data += part
        if len(data) > LARGEST:
            raise ApiError(0, f"the response is larger than {LARGEST >> 20} MiB")
    return bytes(data)


def _cut_off(response: urllib3.BaseHTTPResponse) -> None:
    """End a response that another thread may be reading."""
    inner = getattr(getattr(response.connection, "sock", None), "socket", None)
    if inner is not None:  # TLS within a proxy's TLS, which urllib3 can't shut down under its reader
        with suppress(OSError):
            inner.shutdown(socket.SHUT_RDWR)
    with suppress(urllib3.exceptions.HTTPError, OSError, ValueError, RuntimeError):
        response.shutdown()


def _no_answer(error: Exception) -> ApiError:
    text = " ".join(str(error).split())
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # one of urllib3's timeouts, by its class
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError, websocket.WebSocketTimeoutException)) and not refused:
        return ApiError(0, f"timeout: {text}")
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLError):
        text = f"TLS: {cause}"
        if getattr(cause, "verify_code", 0) in WRONG_TIME:
            text += f"; this machine's clock says {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    elif isinstance(cause, OSError) and cause.strerror:
        text = cause.strerror
    return ApiError(0, text or type(error).__name__)


def _message(body: bytes) -> str:
    """Return the message of a Status object, or a short plain text as it is (an old server, a proxy's page)."""
    try:
        return strict_json.decode(body, _Status).message
    except msgspec.MsgspecError:
        return " ".join(body[:200].decode("utf-8", "replace").split())
