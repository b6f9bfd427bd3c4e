# SPDX-License-Identifier: Apache-2.0
"""The access to an API server by kubeconfig, flags and environment: its address, and the user."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import urllib3
import yaml
from kubernetes.client import Configuration  # noqa: TID251
from kubernetes.config.config_exception import ConfigException  # noqa: TID251
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger  # noqa: TID251
from msgspec import Struct

from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import credentials, kubeconfig_faults
from kubectl_netdoc.sources.live.credentials import Credentials, NoCredentials
from kubectl_netdoc.sources.live.kubeconfig_faults import BEFORE_PLUGIN, Entry

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own credentials (Kubernetes: Accessing the API from a Pod)."""

LOOPBACK = r"(https?://)?(localhost|127\.[0-9.]+|\[::1\])(:|/|$)"
"""Names of this machine: proxies from the environment are not used for it (Go, net/http.ProxyFromEnvironment)."""

CONNECTIONS = 16
"""Most connections to the API server that are kept open."""


class Options(Struct, frozen=True, kw_only=True):
    """kubectl's own flags, with kubectl's meaning. ``request_timeout`` in seconds; 0 means none, as in kubectl."""

    kubeconfig: str = ""
    context: str = ""
    cluster: str = ""
    user: str = ""
    as_user: str = ""
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float = 0.0


class Access(Struct, frozen=True):
    """The access to one API server as one user.

    ``namespace``: that of the context. ``headers``: those of impersonation. ``credentials``: those of a credential plugin, if the
    kubeconfig names one; everything else is in ``configuration``. ``doubts``: what in the kubeconfig may be why it fails.
    """

    context: str
    namespace: str
    configuration: Any
    headers: tuple[tuple[str, str], ...] = ()
    credentials: Credentials | None = None
    doubts: tuple[str, ...] = ()


class Kubeconfig(Struct, frozen=True):
    """What the kubeconfig files say together; ``paths``: where they were looked for, as in KUBECONFIG."""

    paths: str
    merged: KubeConfigMerger

    @property
    def contexts(self) -> tuple[str, ...]:
        """The names of all contexts; none without a kubeconfig."""
        config = self.merged.config
        return tuple(str(entry["name"]) for entry in config.value["contexts"]) if config is not None else ()


def read(path: str = "") -> Kubeconfig:
    """Read the kubeconfig at ``path``, or else where kubectl looks for it; raises ``SourceError``."""
    paths = path or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    given = [each for each in paths.split(os.pathsep) if not _empty(each)]
    for each in given:
        if Path(each).expanduser().exists():
            kubeconfig_faults.shape(Path(each).expanduser())
    with _in_one_line(paths):
        return Kubeconfig(paths, KubeConfigMerger(os.pathsep.join(given)))


def access(options: Options, kubeconfig: Kubeconfig | None = None) -> Access:
    """Return the access by the flags, the kubeconfig or a pod's own service account; raises ``SourceError``.

    ``kubeconfig``: what was read before of the files that the flags name; its user's plugin is taken out of it.
    """
    known = kubeconfig or read(options.kubeconfig)
    with _in_one_line(known.paths):
        found = _in_cluster(options, known.paths) if known.merged.config is None else _of_context(known.merged, options)
    _settle(found.configuration)
    return found


@contextmanager
def _in_one_line(paths: str) -> Iterator[None]:
    """Raise ``SourceError`` for whatever is wrong with the kubeconfig."""
    try:
        yield
    except ConfigException as error:
        raise SourceError(f"kubeconfig {paths}: {error}", 2) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise SourceError(f"kubeconfig {paths} can't be read: {_without_content(error)}", 2) from error


def _empty(path: str) -> bool:
    """Tell whether a file is empty; for kubectl that is a valid kubeconfig."""
    place = Path(path).expanduser()
    return place.is_file() and place.stat().st_size == 0


def _of_context(merged: KubeConfigMerger, options: Options) -> Access:
    context = _choose(merged, options)
    chosen = merged.config["contexts"].get_with_name(context)["context"]
    user, cluster = (_entry(merged, section, chosen, context) for section in ("users", "clusters"))
    kubeconfig_faults.cluster(cluster)
    kubeconfig_faults.user(user)
    doubts = tuple(kubeconfig_faults.doubts(user, cluster, datetime.now(UTC)))
    given = _ask_plugin(context, user, cluster)
    configuration = Configuration()
    try:
        KubeConfigLoader(merged.config, active_context=context, config_base_path=None).load_and_set(configuration)
    except ConfigException:  # which quotes the entry, with all that is secret in it
        raise user.wrong("its auth-provider gives no credentials; kubectl takes them from exec") from None
    if configuration.cert_file and configuration.key_file:
        kubeconfig_faults.key_pair(user, configuration.cert_file, configuration.key_file)
    if cluster.value.get("proxy-url"):
        configuration.no_proxy = None  # which is for the environment's proxy
    elif re.match(LOOPBACK, configuration.host):
        configuration.proxy = None
    return Access(
        context, chosen.safe_get("namespace") or "default", configuration, tuple(_as(options, user.value)), given, doubts
    )


def _entry(merged: KubeConfigMerger, section: str, chosen: Any, context: str) -> Entry:
    """Return the user or the cluster of a context; a context may do without a user."""
    kind = section.removesuffix("s")
    name = chosen.safe_get(kind) or ""
    entries = merged.config.safe_get(section) or []
    node = merged.config[section].get_with_name(name, safe=True) if entries else None
    if node is None:
        if name or kind == "cluster":
            there = ", ".join(entry["name"] for entry in entries) or "none"
            raise ConfigException(f"context {context}: there is no {kind} {name!r}; there are: {there}")
        return Entry(f"{kind} {name}", {})
    return Entry(f"{kind} {name}", node.value.get(kind) or {}, str(node.path or ""))


def _ask_plugin(context: str, user: Entry, cluster: Entry) -> Credentials | None:
    """Remove the user's credential plugin from the entry, so that the loader does not run it too, and run it if it is needed.

    A certificate is put where the loader finds it; as in kubectl, it is not renewed during a run.
    """
    plugin = user.value.pop("exec", None)
    if not plugin or any(user.value.get(name) for name in BEFORE_PLUGIN):
        return None
    try:
        found = Credentials(lambda: credentials.ask(plugin, cluster.value, user.folder))
    except NoCredentials as error:
        raise SourceError(f"no credentials for context {context}: kubeconfig {user.file}: {user.whose}: {error}") from error
    for name, content in found.certificate().items():
        user.value[name] = base64.b64encode(content.encode()).decode()
    return found


def _as(options: Options, user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers of impersonation: by flags, or else by the kubeconfig's user."""
    if name := options.as_user or user.get("as"):
        yield "Impersonate-User", str(name)
    if uid := options.as_uid or user.get("as-uid"):
        yield "Impersonate-Uid", str(uid)
    for group in options.as_groups or user.get("as-groups") or ():
        yield "Impersonate-Group", str(group)
    for key, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)


def _settle(configuration: Any) -> None:
    """Complete the configuration: the scheme (client-go's rule), the proxy's password, warnings."""
    if "://" not in configuration.host:
        secure = configuration.ssl_ca_cert or configuration.cert_file or not configuration.verify_ssl
        configuration.host = f"{'https' if secure else 'http'}://{configuration.host}"
    if configuration.proxy and "@" in configuration.proxy:  # urllib3 does not take a proxy's password from its URL
        _proxy_password(configuration)
    if not configuration.verify_ssl:  # asked for in the kubeconfig: kubectl does not warn either
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    configuration.connection_pool_maxsize = CONNECTIONS


def _proxy_password(configuration: Any) -> None:
    proxy = urlsplit(configuration.proxy)
    if proxy.scheme.startswith("http"):
        login = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
        configuration.proxy_headers = urllib3.make_headers(proxy_basic_auth=login)
        configuration.proxy = proxy._replace(netloc=proxy.netloc.rpartition("@")[2]).geturl()


def _without_content(error: Exception) -> str:
    """Return what is wrong with a kubeconfig, without quoting it: it contains credentials."""
    if isinstance(error, OSError):
        return error.strerror or "it can't be opened"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1} is not YAML"
    return f"it has no {error}" if isinstance(error, KeyError) else "it is not a kubeconfig"


def _in_cluster(options: Options, paths: str) -> Access:
    from kubernetes.config.incluster_config import InClusterConfigLoader  # noqa: TID251

    configuration = Configuration()
    try:
        InClusterConfigLoader(str(SERVICE_ACCOUNT / "token"), str(SERVICE_ACCOUNT / "ca.crt")).load_and_set(configuration)
    except ConfigException:
        raise SourceError(
            f"there is no kubeconfig at {paths}; set KUBECONFIG or --kubeconfig, or read a file with --from", 2
        ) from None
    namespace = (SERVICE_ACCOUNT / "namespace").read_text().strip()
    return Access("in-cluster", namespace, configuration, tuple(_as(options, {})))


def _choose(merged: Any, options: Options) -> str:
    """Return the context to use; with --cluster or --user a copy of it with these instead."""
    config = merged.config
    files = [merged.config_files[path] for path in merged.paths]
    current = next((name for file in files if (name := file.get("current-context"))), "")  # the first file wins, as in kubectl
    context = options.context or current
    if not context:
        raise ConfigException("the kubeconfig has no current context; choose one with --context")
    names = [entry["name"] for entry in config.value["contexts"]]
    if context not in names:
        raise ConfigException(f"the kubeconfig has no context {context!r}; it has: {', '.join(names) or 'none'}")
    base = config["contexts"].get_with_name(context)["context"]
    if options.cluster or options.user:
        wanted = {"cluster": options.cluster, "user": options.user}
        entry = {**base.value, **{key: value for key, value in wanted.items() if value}}
        context = f"{context} (--cluster/--user)"
        config.value["contexts"].append({"name": context, "context": entry})
    return context
