# SPDX-License-Identifier: Apache-2.0
"""What is kept of the variables and arguments of an application's containers: the hosts that they name, and proxies.

Everything else of them is dropped in the moment that the object is decoded: no record ever holds it. What was kept of the last
few containers is remembered while lists are read, since the pods of a workload, which come one after the other, are told the
same; ``forget`` ends that.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec.structs import replace

from kubectl_netdoc.formats import host_references
from kubectl_netdoc.formats.host_references import HostReference
from kubectl_netdoc.records.base import Record

HTTP_PROXY, HTTPS_PROXY, NO_PROXY = "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"
"""The variables by which HTTP clients find a proxy, in capital or small letters (golang.org/x/net/http/httpproxy; libcurl,
CURLOPT_NOPROXY)."""


REMEMBERED = 32
"""Containers that are remembered: as many as the pods of some workloads have."""

VARIABLE = "variable "
"""What stands before the name of a variable, as a place."""


class Named(Record, frozen=True):
    """The name of a ConfigMap."""

    name: str = ""


class ValueFrom(Record, frozen=True):
    """From where a variable is taken, as far as that is a ConfigMap."""

    config_map_key_ref: Named = Named()


class Variable(Record, frozen=True):
    """A variable as it comes over the wire; no value: it is taken from elsewhere."""

    name: str = ""
    value: str | None = None
    value_from: ValueFrom = ValueFrom()


class EnvFrom(Record, frozen=True):
    """A ConfigMap of which each key is a variable."""

    config_map_ref: Named = Named()


class Volume(Record, frozen=True):
    """A volume, as far as it is a ConfigMap."""

    config_map: Named = Named()


def config_maps(env: tuple[Variable, ...], env_from: tuple[EnvFrom, ...]) -> tuple[str, ...]:
    """Return the names of the ConfigMaps that variables are taken from."""
    names = (*(each.config_map_ref.name for each in env_from), *(each.value_from.config_map_key_ref.name for each in env))
    return tuple(dict.fromkeys(filter(None, names)))


class Target(Record, frozen=True):
    """A host that a container is told of. ``place``: the variable, argument or key; ``implied``: the port is the
    scheme's; ``in_file``: it stands in a text of many lines, of which the application may use a part; ``whole``: a
    variable whose value is nothing else.
    """

    host: str = ""
    port: int = 0
    place: str = ""
    scheme: str = ""
    implied: bool = False
    in_file: bool = False
    whole: bool = False

    @property
    def variable(self) -> str:
        """The variable whose value is nothing but this; "" where it is not one."""
        return self.place.removeprefix(VARIABLE) if self.whole else ""

    def assigned(self, host: str, port: int) -> str:
        """Return the assignment that gives the variable another host and port (0: as it is)."""
        value = host_references.text(self.scheme, host, port or (0 if self.implied else self.port))
        return f"{self.variable}={value}"

    @property
    def words(self) -> frozenset[str]:
        """The words in the names of the setting and of the host, in lower case."""
        return frozenset((*host_references.words(self.place), *host_references.words(self.host)))


class Proxy(Record, frozen=True):
    """A proxy that a variable names, without its credentials; ``host``: "" where the value names none."""

    variable: str = ""
    host: str = ""
    port: int = 0


class ProxySettings(Record, frozen=True):
    """What a container is told of proxies. ``direct``: what NO_PROXY names; ``known``: whether its value is in the object."""

    proxies: tuple[Proxy, ...] = ()
    direct: tuple[str, ...] = ()
    known: bool = True


@lru_cache(maxsize=REMEMBERED)
def kept(
    env: tuple[Variable, ...], env_from: tuple[EnvFrom, ...], words: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[Target, ...], ProxySettings]:
    """Return the ConfigMaps that variables are taken from, the hosts that they and a command line name, and proxies."""
    return config_maps(env, env_from), targets(env, words), proxies(env)


def forget() -> None:
    """Drop what is remembered of containers: the values of their variables are among it."""
    kept.cache_clear()


def targets(env: tuple[Variable, ...], words: tuple[str, ...]) -> tuple[Target, ...]:
    """Return the hosts that variables and a command line name."""
    settings = {each.name: each.value for each in env if each.value and each.name.upper() not in (HTTP_PROXY, HTTPS_PROXY)}
    named = [target(ref, f"{VARIABLE}{ref.setting}") for ref in host_references.of_settings(settings)]
    given = host_references.of_arguments(words)
    return (*named, *(target(ref, f"argument {ref.setting}" if ref.setting else "the command line") for ref in given))


def target(ref: HostReference, place: str, in_file: bool = False) -> Target:
    """Return what is kept of a host, and where it stands."""
    made = Target(host=ref.host, port=ref.port, place=place, scheme=ref.scheme, implied=ref.implied, in_file=in_file)
    return replace(made, whole=ref.whole and place == f"{VARIABLE}{ref.setting}")


def proxies(env: tuple[Variable, ...]) -> ProxySettings:
    """Return what variables say of proxies."""
    mine = {each.name: each.value for each in env if each.name.upper() in (HTTP_PROXY, HTTPS_PROXY, NO_PROXY)}
    found = [(name, host_references.proxy(value)) for name, value in mine.items() if value and name.upper() != NO_PROXY]
    if not found:
        return ProxySettings()
    direct = [value for name, value in mine.items() if name.upper() == NO_PROXY]
    return ProxySettings(
        proxies=tuple(Proxy(variable=name, host=host, port=port) for name, (host, port) in found),
        direct=tuple(item.strip() for value in direct for item in (value or "").split(",") if item.strip()),
        known=None not in direct,
    )
