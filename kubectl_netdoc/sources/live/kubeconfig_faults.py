# SPDX-License-Identifier: Apache-2.0
"""What is wrong in a kubeconfig: the file, the entry and the field, in one line that quotes no value of it.

The shapes are those that kubectl decodes (client-go, clientcmd/api/v1), and what is refused is refused by client-go as well.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yaml
from msgspec import Struct, field

from kubectl_netdoc.formats import certificate
from kubectl_netdoc.formats.text import joined
from kubectl_netdoc.sources import SourceError

FILES = ("tokenFile", "client-certificate", "client-key", "certificate-authority")
"""Settings of a kubeconfig user or cluster that name a file. Except for the token, NAME-data can hold the content instead."""

PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
SCHEMES, PROXY_SCHEMES = ("https", "http"), ("http", "https", "socks5", "socks5h")
"""Schemes of an API server and of a proxy (client-go: rest.DefaultServerURL, clientcmd.parseProxyURL)."""


class _Pair(Struct):
    name: str
    value: str


class _Exec(Struct, rename="camel"):
    command: str | None = None
    args: list[str] | None = None
    env: list[_Pair] | None = None
    api_version: str | None = None
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: str | None = None


class _User(Struct, rename="kebab"):
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = field(name="tokenFile", default=None)
    as_: str | None = field(name="as", default=None)
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    username: str | None = None
    password: str | None = None
    exec: _Exec | None = None


class _Cluster(Struct, rename="kebab"):
    server: str | None = None
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None


class _Context(Struct):
    cluster: str | None = None
    user: str | None = None
    namespace: str | None = None


SECTIONS: dict[str, type[Struct]] = {"contexts": _Context, "clusters": _Cluster, "users": _User}


class Entry(Struct):
    """A user or a cluster of a kubeconfig, and where it stands. ``whose``: how messages name it."""

    whose: str
    value: dict[str, Any]
    file: str = ""

    @property
    def folder(self) -> Path:
        """The folder that paths in it start from."""
        return Path(self.file).absolute().parent

    def wrong(self, what: str) -> SourceError:
        """Return the error of a field: ``what`` begins with its name."""
        return SourceError(f"kubeconfig {self.file}: {self.whose}: {what}", 2)

    def content(self, name: str) -> bytes | None:
        """Return what a field holds, or the file that it names; None if it is not set. Raises ``SourceError``."""
        data, path = self.value.get(f"{name}-data"), self.value.get(name)
        if data:
            try:
                return base64.b64decode("".join(str(data).split()), validate=True)
            except ValueError:
                raise self.wrong(f"{name}-data is not base64") from None
        try:
            return (self.folder / str(path)).read_bytes() if path else None
        except OSError as error:
            raise self.wrong(f"{name}, {path}: {error.strerror}") from None

    def named(self, name: str) -> str:
        """Return the name of the field that is set: NAME or NAME-data."""
        return f"{name}-data" if self.value.get(f"{name}-data") else name


def shape(file: Path) -> None:
    """Raise ``SourceError`` if a file is no kubeconfig: no YAML, or with a section or a field of another type."""
    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise SourceError(f"kubeconfig {file}: {error.strerror or 'it cannot be opened'}", 2) from error
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1} is not YAML" if error.problem_mark else "it is not YAML"
        raise SourceError(f"kubeconfig {file}: {line}", 2) from None
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        raise SourceError(f"kubeconfig {file}: it is not YAML", 2) from None
    if content is not None and not isinstance(content, dict):
        raise SourceError(f"kubeconfig {file}: it is not a kubeconfig, which has contexts, clusters and users", 2)
    for section, kind in SECTIONS.items():
        _section(file, section, (content or {}).get(section), kind)


def _section(file: Path, section: str, entries: Any, kind: type[Struct]) -> None:
    if entries is not None and not isinstance(entries, list):
        raise SourceError(f"kubeconfig {file}: {section} is not a list", 2)
    for number, entry in enumerate(entries or (), 1):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise SourceError(f"kubeconfig {file}: entry {number} of {section} has no name", 2)
        singular = section.removesuffix("s")
        try:
            msgspec.convert(entry.get(singular) or {}, kind)
        except msgspec.ValidationError as error:  # which names types and fields, never a value
            problem, _, place = str(error).partition(" - at `$.")
            where = f"{place.rstrip('`')}: " if place else ""
            raise SourceError(f"kubeconfig {file}: {singular} {name}: {where}{problem.lower()}", 2) from None


def cluster(entry: Entry) -> None:
    """Raise ``SourceError`` if a cluster's server, proxy or authority can't be what they have to be."""
    server = entry.value.get("server")
    if not server:
        raise entry.wrong("server is not set")
    _url(entry, "server", server if "://" in server else f"//{server}", (*SCHEMES, ""))
    if proxy := entry.value.get("proxy-url"):
        _url(entry, "proxy-url", proxy, PROXY_SCHEMES)
    _certificate(entry, "certificate-authority")


def _certificate(entry: Entry, name: str) -> None:
    content = entry.content(name)
    try:
        if content is not None:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise entry.wrong(f"{entry.named(name)} holds no PEM certificate") from None


def _url(entry: Entry, name: str, url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        raise entry.wrong(f"{name} is not a URL with a host and a port") from None
    if parts.scheme not in schemes:
        raise entry.wrong(f"{name} has the scheme {parts.scheme or 'none'}, and may have {joined(filter(None, schemes), 'or')}")
    if not usable:
        raise entry.wrong(f"{name} is not a URL with a host and a port")


def user(entry: Entry) -> None:
    """Raise ``SourceError`` if a user's token, certificate or credential plugin can't be used."""
    token = entry.content("tokenFile")
    if token is not None and not token.strip():
        raise entry.wrong(f"tokenFile, {entry.value['tokenFile']}: it is empty")
    own, key = entry.content("client-certificate"), entry.content("client-key")
    if own is not None and key is None:
        raise entry.wrong(f"{entry.named('client-certificate')} is set, but neither client-key nor client-key-data")
    if plugin := entry.value.get("exec"):
        _plugin(entry, plugin)


def _plugin(entry: Entry, plugin: Mapping[str, Any]) -> None:
    if not plugin.get("command"):
        raise entry.wrong("exec.command is not set")
    if plugin.get("apiVersion") not in PLUGIN_VERSIONS:
        raise entry.wrong(f"exec.apiVersion is none of those that kubectl takes: {joined(PLUGIN_VERSIONS)}")
    if entry.value.get("auth-provider"):
        raise entry.wrong("exec and auth-provider exclude each other")


def key_pair(entry: Entry, certificate_file: str, key_file: str) -> None:
    """Raise ``SourceError`` if one of these files is none, or the key is that of another certificate."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate_file, key_file, password=lambda: "none")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{entry.named('client-key')} is not the key of {entry.named('client-certificate')}"
            raise entry.wrong(what) from None
        _certificate(entry, "client-certificate")
        raise entry.wrong(f"{entry.named('client-key')} holds no PEM key, or one with a password") from None


def doubts(whose_user: Entry, whose_cluster: Entry, now: datetime) -> Iterator[str]:
    """Yield what may be the reason where a server can't be reached, or refuses the user: each alone need not be wrong."""
    if "://" not in str(whose_cluster.value.get("server")):
        yield f"server of {whose_cluster.whose} has no scheme"
    ends = [each.ends for each in certificate.validities(whose_user.content("client-certificate") or b"")[:1]]
    if ends and ends[0] <= now:
        yield f"{whose_user.named('client-certificate')} of {whose_user.whose} has expired on {ends[0]:%Y-%m-%d}"
    if whose_user.value.get("exec") and (before := next(filter(whose_user.value.get, BEFORE_PLUGIN), "")):
        yield f"{whose_user.whose} has exec and {before}, which is used instead of it"


BEFORE_PLUGIN = ("token", "tokenFile", "auth-provider", "client-certificate", "client-certificate-data")
"""Settings of a kubeconfig user that take precedence over a credential plugin (as in client-go)."""
