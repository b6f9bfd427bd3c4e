"""The only file that imports ``kubernetes``: kubeconfig, authentication, raw requests and the exec websocket."""

from __future__ import annotations

import json
import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi
import msgspec
import urllib3
import websocket
import yaml
from kubernetes.client import Configuration  # noqa: TID251
from kubernetes.client.rest import RESTClientObject  # noqa: TID251
from kubernetes.config.config_exception import ConfigException  # noqa: TID251
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # noqa: TID251
from msgspec import Struct

from kubectl_netdoc import __version__, typed
from kubectl_netdoc.sources import SourceError

EXEC_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
UNANSWERED = 60.0
"""Seconds after which a request without an answer is given up where --request-timeout sets no limit."""

CONNECTING = 10.0
"""Seconds for the TCP connection to the API server."""

SLOWEST_RETRY = 5.0
"""Longest wait in seconds that a 429's Retry-After is honoured for, so that a run stays bounded."""


class Options(Struct, frozen=True, kw_only=True):
    """kubectl's own flags, with kubectl's meaning. ``request_timeout`` in seconds; 0 means none, as in kubectl."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float = 0.0


class _Status(Struct):
    message: str = ""
    reason: str = ""


CONTENT = {"PATCH": "application/strategic-merge-patch+json"}
"""Content types of bodies that are not plain JSON."""


class ApiError(Exception):
    """The API server refused or failed a request. ``status`` is the HTTP status, 0 where no answer came."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def timed_out(self) -> bool:
        """Whether no answer came in time."""
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
        """Yield each change as a line of JSON; ends quietly whatever ends the watch."""
        buffer = b""
        with suppress(Exception):  # closed under its reader, http.client raises whatever its state makes of that
            for chunk in self._response.stream(None):
                buffer += chunk
                *lines, buffer = buffer.split(b"\n")
                yield from (line for line in lines if line)

    def stop(self) -> None:
        """End it: no watch of ours stays open."""
        with suppress(urllib3.exceptions.HTTPError, OSError, ValueError, RuntimeError):
            self._response.shutdown()
        with suppress(urllib3.exceptions.HTTPError, OSError, ValueError):
            self._response.close()


class Client:
    """Talks to one API server as one user. Safe for use by several threads at once."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.usage = Usage()
        self._ahead = timedelta()
        self.context, self.namespace, self._configuration = _configure(options)
        self._rest = RESTClientObject(self._configuration)
        self.host: str = self._configuration.host

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> bytes:
        """GET; raises ``ApiError``."""
        return self.request("GET", path, query)

    def request(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, timeout: float = 0
    ) -> bytes:
        """Send one request and return the body of the answer; raises ``ApiError`` for any but a 2xx."""
        response = self._send(method, path, query, body, timeout)
        if response.status == 429:
            time.sleep(_retry_after(response.headers.get("Retry-After", "")))
            response = self._send(method, path, query, body, timeout)
        self.usage.add(len(response.data))
        if not 200 <= response.status < 300:
            raise ApiError(response.status, _message(response.data) or response.reason or "")
        return bytes(response.data)

    def watch(self, path: str, query: Mapping[str, Any], seconds: float) -> Watch:
        """Open a watch that the server ends after ``seconds``; raises ``ApiError``."""
        query = {**query, "watch": "true", "timeoutSeconds": max(1, int(seconds))}
        response = self._send("GET", path, query, None, seconds + 1, preload=False)
        self.usage.add(0)
        if response.status != 200:
            raise ApiError(response.status, _message(response.read()) or response.reason or "")
        return Watch(response)

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        timeout: float,
        preload: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        limit = timeout or self.options.request_timeout or UNANSWERED
        try:
            response = self._rest.pool_manager.request(
                method,
                url,
                headers=self._headers({"Accept": "application/json", "Content-Type": CONTENT.get(method, "application/json")}),
                body=json.dumps(body) if body is not None else None,
                timeout=urllib3.Timeout(connect=min(limit, CONNECTING), total=limit),
                retries=False,
                preload_content=preload,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _no_answer(error) from error
        self._note_time(response.headers.get("Date", ""))
        return response

    def _note_time(self, date: str) -> None:
        with suppress(ValueError, TypeError):
            self._ahead = parsedate_to_datetime(date) - datetime.now(UTC)

    def now(self) -> datetime:
        """Return the time by the API server's clock, as its last answer told it: a laptop's may be off."""
        return datetime.now(UTC) + self._ahead

    def _headers(self, headers: dict[str, str]) -> urllib3.HTTPHeaderDict:
        merged = urllib3.HTTPHeaderDict({"User-Agent": f"kubectl-netdoc/{__version__}", **headers})
        token = self._configuration.auth_settings().get("BearerToken")
        if token:
            if not re.fullmatch(r"[\x20-\x7e]+", str(token["value"])):  # the library's own error would show it
                raise ApiError(0, "the user's token can't be sent: it has characters that no HTTP header may have")
            merged["Authorization"] = str(token["value"])
        if self.options.as_user:
            merged["Impersonate-User"] = self.options.as_user
        for group in self.options.as_groups:
            merged.add("Impersonate-Group", group)
        return merged

    def exec(self, namespace: str, pod: str, command: list[str], timeout: float, container: str = "") -> websocket.WebSocket:
        """Open an exec with stdin, stdout and stderr; frames are a channel byte and data. Raises ``ApiError``.

        ``container``: which of the pod's, where it has several.
        """
        query = [("command", word) for word in command] + [(name, "true") for name in ("stdin", "stdout", "stderr")]
        query += [("container", container)] if container else []
        url = f"{self.host}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        headers = [f"{name}: {value}" for name, value in self._headers({}).items()]
        self.usage.add(0)
        try:
            return websocket.create_connection(
                "ws" + url.removeprefix("http"),
                timeout=timeout,
                header=headers,
                subprotocols=EXEC_PROTOCOLS,
                sslopt=self._ssl_options(),
                **self._proxy(),
            )
        except websocket.WebSocketBadStatusException as error:
            body = error.resp_body or b""
            raise ApiError(error.status_code, _message(body) or str(error)) from error
        except (websocket.WebSocketException, OSError) as error:
            raise _no_answer(error) from error

    def _ssl_options(self) -> dict[str, Any]:
        c = self._configuration
        options: dict[str, Any] = {"cert_reqs": ssl.CERT_REQUIRED if c.verify_ssl else ssl.CERT_NONE}
        if c.verify_ssl:
            options["ca_certs"] = c.ssl_ca_cert or certifi.where()
        else:
            options["check_hostname"] = False
        given = {"certfile": c.cert_file, "keyfile": c.key_file, "server_hostname": c.tls_server_name}
        return options | {key: value for key, value in given.items() if value}

    def _proxy(self) -> dict[str, Any]:
        if not self._configuration.proxy:
            return {}
        proxy = urlsplit(self._configuration.proxy)
        options: dict[str, Any] = {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port}
        if proxy.username:
            options["http_proxy_auth"] = (proxy.username, proxy.password or "")
        return options | {"proxy_type": proxy.scheme or "http"}


def _retry_after(value: str) -> float:
    """Seconds to wait for a 429; a date in the header, which no Kubernetes server sends, counts as one second."""
    return min(float(value), SLOWEST_RETRY) if re.fullmatch(r"\d{1,9}", value.strip()) else 1.0


def _no_answer(error: Exception) -> ApiError:
    text = " ".join(str(error).split())
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # one of urllib3's timeouts, by its class
    if isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError, websocket.WebSocketTimeoutException)) and not refused:
        return ApiError(0, f"timeout: {text}")
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLError):
        text = f"TLS: {cause}"
    elif isinstance(cause, OSError) and cause.strerror:
        text = cause.strerror
    return ApiError(0, text or type(error).__name__)


def _message(body: bytes) -> str:
    """The message of a Status object; a short plain text as it is (an old server, a proxy's page)."""
    try:
        return typed.decode(body, _Status).message
    except msgspec.MsgspecError:
        return " ".join(body[:200].decode("utf-8", "replace").split())


def _configure(options: Options) -> tuple[str, str, Any]:
    """Return the context's name, its namespace and the client configuration; raises ``SourceError``."""
    paths = options.kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    complaints = _Complaints()
    root = logging.getLogger()
    root.addHandler(complaints)  # the loader logs an exec plugin's failure and goes on without credentials
    try:
        merged = KubeConfigMerger(paths)
        if merged.config is None:
            return _in_cluster(paths)
        context = _choose(merged, options)
        configuration = Configuration()
        loader = KubeConfigLoader(merged.config, active_context=context, config_base_path=None)
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise SourceError(f"kubeconfig {paths}: {error}", 2) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SourceError(f"kubeconfig {paths} can't be read: {_without_content(error)}", 2) from error
    finally:
        root.removeHandler(complaints)
    if complaints.lines:
        raise SourceError(f"no credentials for context {context}: {complaints.lines[0]}")
    if "://" not in configuration.host:  # client-go's rule
        secure = configuration.ssl_ca_cert or configuration.cert_file or not configuration.verify_ssl
        configuration.host = f"{'https' if secure else 'http'}://{configuration.host}"
    configuration.connection_pool_maxsize = 16
    chosen = merged.config["contexts"].get_with_name(context)["context"]
    return context, chosen.safe_get("namespace") or "default", configuration


def _without_content(error: Exception) -> str:
    """Say what is wrong with a kubeconfig without quoting from it: it holds credentials."""
    if isinstance(error, OSError):
        return error.strerror or "can't be opened"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1} is not YAML"
    return f"no {error} in it" if isinstance(error, KeyError) else "it is not YAML, or not a kubeconfig"


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(" ".join(record.getMessage().split()))


def _in_cluster(paths: str) -> tuple[str, str, Any]:
    from kubernetes.config.incluster_config import InClusterConfigLoader  # noqa: TID251

    folder = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    configuration = Configuration()
    try:
        InClusterConfigLoader(str(folder / "token"), str(folder / "ca.crt")).load_and_set(configuration)
    except ConfigException:
        raise SourceError(f"no kubeconfig at {paths}: set KUBECONFIG or --kubeconfig, or look at a file with --from", 2) from None
    configuration.connection_pool_maxsize = 16
    return "in-cluster", (folder / "namespace").read_text().strip(), configuration


def _choose(merged: Any, options: Options) -> str:
    """Return the context to use; with --cluster or --user, one made of it with those in their place."""
    config = merged.config
    files = [merged.config_files[path] for path in merged.paths]
    current = next((name for file in files if (name := file.get("current-context"))), "")  # the first file wins, as in kubectl
    context = options.context or current
    if not context:
        raise ConfigException("no current context: choose one with --context")
    names = [entry["name"] for entry in config.value["contexts"]]
    if context not in names:
        raise ConfigException(f"no context is called {context!r}; there are: {', '.join(names) or 'none'}")
    base = config["contexts"].get_with_name(context)["context"]
    user = options.user or base.safe_get("user") or ""
    if user and user not in [entry["name"] for entry in config.safe_get("users") or []]:
        raise ConfigException(f"no user is called {user!r}")  # the library would go on without credentials
    if options.cluster or options.user:
        wanted = {"cluster": options.cluster, "user": options.user}
        entry = {**base.value, **{key: value for key, value in wanted.items() if value}}
        context = f"{context} (--cluster/--user)"
        config.value["contexts"].append({"name": context, "context": entry})
    return context
