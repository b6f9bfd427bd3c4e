# SPDX-License-Identifier: Apache-2.0
"""Names of hosts in the variables, arguments and settings of applications, as far as they may be names of Services.

Of a value only the host, its port and the place where it stands are returned: no user, password, path, query or anything else.
A text is taken for a host where its form says so (a URL of a protocol of the network, ``HOST:PORT`` in a setting that is called
an address, a name with ``.svc``); what may be something else (an image's tag, a list of features) is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

SCHEMES = {
    **{"http": 80, "ws": 80, "https": 443, "wss": 443, "ldap": 389, "ldaps": 636, "ftp": 21, "smtp": 25},
    **{"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "mysql": 3306, "postgres": 5432, "postgresql": 5432},
    **dict.fromkeys(("tcp", "udp", "tls", "ssl", "grpc", "grpcs", "nats", "kafka", "mongodb", "mariadb", "mqtt", "dns"), 0),
    **dict.fromkeys(("plaintext", "ssl", "sasl_plaintext", "sasl_ssl", "clickhouse", "sqlserver", "etcd", "bolt", "thrift"), 0),
}
"""Protocols of URLs that lead to a host on the network, and the port each has if none is written (IANA, Service Name and Port
Number Registry, and for redis and rediss their clients' documents); 0: it is not taken for known."""

ADDRESSES = frozenset(
    {
        *("host", "hosts", "hostport", "addr", "addrs", "address", "addresses", "url", "urls", "uri", "uris", "endpoint"),
        *("endpoints", "server", "servers", "service", "broker", "brokers", "bootstrap", "target", "targets", "upstream"),
        *("upstreams", "backend", "backends", "connect", "connection", "dsn", "peer", "peers", "seeds"),
    }
)
"""Words in the name of a setting that is the address of something else."""

HOSTS = frozenset({"host", "addr", "address", "server", "endpoint"})
"""Last words of the name of a setting that may be a host alone."""

OTHERWISE = frozenset(
    {
        *("listen", "listener", "listeners", "bind", "advertise", "advertised", "allowed", "origin", "origins", "cors", "issuer"),
        *("audience", "cert", "certificate", "san", "sans", "dns", "name", "names", "image", "images", "tag", "version", "no"),
        *("label", "labels", "regex", "pattern", "feature", "features", "exclude", "whitelist", "allowlist", "root"),
    }
)
"""Words in the name of a setting whose names of hosts nobody connects to: the program's own addresses, names in certificates and
lists of what is let in."""

SECRETS = frozenset(
    {"password", "passwd", "passphrase", "pass", "pwd", "secret", "token", "key", "credential", "credentials", "salt"}
)
"""Last words in the name of a setting that is a secret: nothing is taken from it, whatever form it has."""

PUBLIC = frozenset({"com", "net", "org", "io", "edu", "gov", "info", "biz", "localdomain"})
"""Top-level domains of the internet: a name of two labels under one of them is no Service in a namespace."""

MOST = 32
"""References that are kept of one container or ConfigMap at most; LONGEST: characters of one value that are read."""
LONGEST = 100_000

_HOST = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?"
_END = r"(?=[/?#\s\"',;)\]}|<>&]|\\n|$)"
_URL = re.compile(rf"(?<![\w+.-])(?:jdbc:)?([A-Za-z][A-Za-z_]+):///?(?:[^\s\"'<>]*@)?({_HOST})(?::(\d{{1,5}}))?{_END}")
_PROXY = re.compile(rf"(?:[A-Za-z][\w+.-]*://)?(?:\S*@)?({_HOST}|\[[0-9A-Fa-f:.]+\])(?::(\d{{1,5}}))?/?")
_GO_DSN = re.compile(rf"\btcp\(({_HOST}):(\d{{1,5}})\)")
_FULL = re.compile(rf"(?<![\w.@/$)}}-])((?:[\w-]+\.)+[\w-]+\.svc(?:\.[\w.-]+)?)(?::(\d{{1,5}}))?{_END}", re.ASCII)
_PLAIN = re.compile(rf"({_HOST}):(\d{{1,5}})(?:/[\w./-]*)?")
_ALONE = re.compile(_HOST)
_APART = re.compile(r"[,;|\s]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_FLAG = re.compile(r"--?([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)
_COMMENT = re.compile(r"^\s*(?:#|//|;|--|\*|/\*).*$|\s#\s.*$", re.MULTILINE)
_LINE = re.compile(r"^\s*[\"']?([\w.-]+)[\"']?\s*[:=]\s*[\"']?([^\s\"',]+)[\"']?,?\s*$", re.MULTILINE)


class HostReference(Struct, frozen=True):
    """A host that a setting names. ``port``: 0 where none is known; ``implied``: the scheme's, which nobody wrote.
    ``whole``: whether the value is nothing but this, as ``text`` writes it.
    """

    host: str
    port: int = 0
    setting: str = ""
    scheme: str = ""
    implied: bool = False
    whole: bool = False


def words(setting: str) -> list[str]:
    """Return the words in the name of a setting, in lower case: of cartServiceAddr and CART_SERVICE-ADDR the same."""
    return [word.lower() for word in _CAMEL.split(setting) if word]


def text(scheme: str, host: str, port: int) -> str:
    """Return a host and port (0: none) as a setting has them, with a scheme where there is one."""
    return f"{scheme}://" * bool(scheme) + host + f":{port}" * bool(port)


def of_settings(settings: Mapping[str, str]) -> list[HostReference]:
    """Return the hosts that settings (variables of a container, keys of a ConfigMap) name by their values."""
    found = [ref for setting, value in settings.items() for ref in _of_value(setting, value)]
    alone = [ref for setting, value in settings.items() for ref in _of_host_alone(setting, value, settings)]
    return _distinct((*found, *alone))


def of_arguments(arguments: Iterable[str]) -> list[HostReference]:
    """Return the hosts that a command line names: ``--flag=VALUE`` and ``--flag VALUE`` are settings, the rest is text."""
    found: list[HostReference] = []
    flag = ""
    for word in arguments:
        given = _FLAG.fullmatch(word)
        if given and given[2] is not None:
            found += _of_value(given[1], given[2])
        elif given is None:
            found += _of_value(flag, word) if flag and not word.startswith("-") else _in_text("", word)
        flag = given[1] if given and given[2] is None and len(given[1]) > 1 else ""  # -c is a shell's
    return _distinct(found)


def of_file(text: str) -> list[HostReference]:
    """Return the hosts that a file of settings names, without its comments: in lines ``KEY: VALUE``, and URLs and full names."""
    plain = _COMMENT.sub("", text[:LONGEST])
    lines = [ref for key, value in _LINE.findall(plain) for ref in _of_value(key, value)]
    return _distinct(replace(ref, setting="") for ref in (*lines, *_in_text("", plain)))


def proxy(value: str) -> tuple[str, int]:
    """Return the host and port of a proxy, without its user and password; ("", 0) where the value names none."""
    match = _PROXY.fullmatch(value.strip())
    return (match[1].lower(), int(match[2] or 0)) if match else ("", 0)


def _of_value(setting: str, value: str) -> Iterator[HostReference]:
    if (":" not in value and ".svc" not in value) or len(value) > LONGEST:
        return
    named = words(setting)
    if OTHERWISE.intersection(named) or SECRETS.intersection(named[-1:]):
        return
    found = [*_in_text(setting, value)]
    if ADDRESSES.intersection(named):
        plain = filter(None, map(_PLAIN.fullmatch, _APART.split(value)))
        found += (HostReference(match[1], int(match[2]), setting) for match in plain)
    for ref in found:
        yield replace(ref, whole=value == text(ref.scheme, ref.host, 0 if ref.implied else ref.port))


def _of_host_alone(setting: str, value: str, settings: Mapping[str, str]) -> Iterator[HostReference]:
    """A host whose port another setting has: CART_HOST and CART_PORT."""
    named = words(setting) if setting.lower().endswith(tuple(HOSTS)) else []
    if len(named) > 1 and named[-1] in HOSTS and not set(named) & OTHERWISE and _ALONE.fullmatch(value):
        port = settings.get(f"{setting[: -len(named[-1])]}{'PORT' if setting.isupper() else 'port'}", "")
        yield HostReference(value, int(port) if port.isdecimal() and len(port) <= len("65535") else 0, setting)


def _in_text(setting: str, text: str) -> Iterator[HostReference]:
    if ":" in text:
        for match in _URL.finditer(text):
            usual = SCHEMES.get(match[1].lower())
            if usual is not None:
                written = int(match[3] or 0)
                yield HostReference(match[2], written or usual, setting, match[1].lower(), implied=bool(usual and not written))
        for match in _GO_DSN.finditer(text):
            yield HostReference(match[1], int(match[2]), setting)
    if ".svc" in text:
        for match in _FULL.finditer(text):
            yield HostReference(match[1], int(match[2] or 0), setting)


def _distinct(found: Iterable[HostReference]) -> list[HostReference]:
    """Each host and port once, those with a port before those without."""
    kept: dict[tuple[str, int, str], HostReference] = {}
    for ref in sorted(found, key=lambda ref: not ref.port):
        host = ref.host.rstrip(".").lower()
        known = any((host, ref.setting) == (other.host, other.setting) for other in kept.values())
        if _may_be_a_service(host) and 0 <= ref.port <= 0xFFFF and (ref.port or not known):
            kept.setdefault((host, ref.port, ref.setting), replace(ref, host=host))
    return list(kept.values())[:MOST]


def _may_be_a_service(host: str) -> bool:
    labels = host.split(".")
    if "" in labels or labels[-1].isdecimal() or host == "localhost" or host.endswith(".localhost"):
        return False
    return "svc" in labels[2:] or len(labels) == 1 or (len(labels) == 2 and labels[1] not in PUBLIC)
