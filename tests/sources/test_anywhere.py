# SPDX-License-Identifier: Apache-2.0
"""Every way to an API server, on every call: proxies, TLS, prefixes, credentials, other users, clocks. With real servers."""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
import yaml

from kubectl_netdoc.sources.live import credentials, kubeconfig
from kubectl_netdoc.sources.live.client import ApiError, Client, Options
from tests.support.api_server import Server, api_server, proxy
from tests.support.commandline import Done, Netdoc, complaint, in_process
from tests.support.kubeconfigs import TOKEN
from tests.support.terminal import Terminal

CALLS = {"get", "post", "watch", "exec", "delete"}
"""What a run with debug pods does: no way may leave one of them out."""

NAME = "api.cluster.test"
"""A name that no resolver has: a proxy alone knows the way."""


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "KUBECONFIG", "NETDOC_IMAGE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return in_process(monkeypatch, capsys)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls(authority: trustme.CA, *names: str, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """Return a server's side of TLS; ``clients``: who signed the certificates that clients must show."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def ca(authority: trustme.CA) -> dict[str, str]:
    return {"certificate-authority-data": encoded(authority.cert_pem.bytes())}


def config(folder: Path, server: str, *fields: dict[str, Any], user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig with one context and return its path; ``fields``: more of its cluster."""
    cluster = {"server": server} | {key: value for more in fields for key, value in more.items()}
    content = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": TOKEN} if user is None else user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content))
    return path


def works(netdoc: Netdoc, server: Server, path: Path | None, *flags: str) -> Done:
    """Run a check with debug pods: everything is asked, each time with the token, and nothing is wrong."""
    done = netdoc("check", "debug_pods", "--timeout", "10s", *(("--kubeconfig", path) if path else ()), *flags)
    assert (done.code, done.err) == (0, ""), done
    assert server.verbs() >= CALLS
    assert TOKEN not in done.out
    return done


def everywhere(server: Server, name: str) -> set[tuple[str, ...]]:
    """Return the values of a header, over all requests."""
    return {tuple(heard.header(name)) for heard in server.heard}


# The server's own address


@pytest.mark.parametrize("prefix", ["/k8s/clusters/c-abc", "/v1/teleport/a/b"])
def test_a_path_in_the_servers_url_is_kept(netdoc: Netdoc, tmp_path: Path, prefix: str) -> None:
    """As behind Rancher. What is asked without it does not exist."""
    with api_server(prefix=prefix) as server:
        works(netdoc, server, config(tmp_path, server.url + "/"))
        assert {heard.path.startswith(f"{prefix}/a") or heard.path == f"{prefix}/version" for heard in server.heard} == {True}
        assert everywhere(server, "Authorization") == {(f"Bearer {TOKEN}",)}


def test_tls_server_name_and_client_certificate(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA) -> None:
    """As behind Teleport: another authority than the cluster's, a name that is not in the URL, a certificate as the user."""
    me = authority.issue_cert("alice.test", common_name="alice")
    user = {
        "client-certificate-data": encoded(b"".join(blob.bytes() for blob in me.cert_chain_pems)),
        "client-key-data": encoded(me.private_key_pem.bytes()),
    }
    with api_server(tls(authority, "kube-teleport-proxy-alpn.test", clients=authority)) as server:
        path = config(tmp_path, server.url, ca(authority), {"tls-server-name": "kube-teleport-proxy-alpn.test"}, user=user)
        works(netdoc, server, path)
        assert {heard.peer for heard in server.heard} == {"alice"}


@pytest.mark.parametrize(
    ("names", "trusted", "why"),
    [(["127.0.0.1"], False, "certificate verify failed"), (["elsewhere.test"], True, "certificate verify failed")],
    ids=["unknown authority", "another name"],
)
def test_tls_is_verified(
    netdoc: Netdoc, tmp_path: Path, authority: trustme.CA, names: list[str], trusted: bool, why: str
) -> None:
    with api_server(tls(authority, *names)) as server:
        path = config(tmp_path, server.url, ca(authority if trusted else trustme.CA()))
        assert why in complaint(netdoc("check", "--kubeconfig", path), 3)
        with pytest.raises(ApiError, match=why):
            Client(Options(kubeconfig=str(path))).exec("shop", "web", ["true"], 10)
        assert server.heard == []


def test_insecure_skip_tls_verify(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA) -> None:
    with api_server(tls(authority, "elsewhere.test")) as server:
        works(netdoc, server, config(tmp_path, server.url, {"insecure-skip-tls-verify": True}))


def test_a_redirect_does_not_get_the_token(tmp_path: Path) -> None:
    """Neither of a list nor of an exec."""
    with api_server() as elsewhere, api_server() as server:
        scheme = {"exec": "ws"}
        server.refuse = lambda heard: (307, f"{scheme.get(heard.verb, 'http')}:{elsewhere.url.removeprefix('http:')}{heard.path}")
        client = Client(Options(kubeconfig=str(config(tmp_path, server.url))))
        with pytest.raises(ApiError):
            client.get("/version")
        with pytest.raises(ApiError):
            client.exec("shop", "web", ["true"], 10)
        assert (len(server.heard), elsewhere.heard) == (2, [])


# Proxies


def target(server: Server) -> str:
    """Return what a proxy is asked for: name and port."""
    return server.url.partition("//")[2]


@pytest.mark.parametrize("way", ["environment", "kubeconfig"])
def test_a_proxy_carries_everything(
    netdoc: Netdoc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA, way: str
) -> None:
    """With its own password, which stands in the URL. What the environment says is not for what the kubeconfig has one for."""
    with api_server(tls(authority, NAME), name=NAME) as server, proxy(password="me:p@ss") as one:
        url = one.url.replace("//", "//me:p%40ss@")
        monkeypatch.setenv("HTTPS_PROXY", url if way == "environment" else "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "localhost,.svc,10.0.0.0/8" if way == "environment" else "*")
        works(netdoc, server, config(tmp_path, server.url, ca(authority), {"proxy-url": url} if way == "kubeconfig" else {}))
        assert one.asked == {(target(server), one.password)}


def test_a_proxy_that_speaks_tls(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    with api_server(tls(authority, NAME), name=NAME) as server, proxy(tls(authority, "127.0.0.1")) as one:
        works(netdoc, server, config(tmp_path, server.url, ca(authority), {"proxy-url": one.url}))
        assert one.asked == {(target(server), "")}


def test_a_socks_proxy(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA) -> None:
    """As that of ssh -D, which the documentation of Kubernetes shows."""
    with api_server(tls(authority, NAME), name=NAME) as server, proxy() as one:
        url = one.url.replace("http:", "socks5h:")
        works(netdoc, server, config(tmp_path, server.url, ca(authority), {"proxy-url": url}))
        assert one.asked == {(target(server), "")}


def test_a_server_on_this_machine_needs_no_proxy(
    netdoc: Netdoc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA
) -> None:
    """As kubectl has it: kind's, or one behind a tunnel of ssh."""
    with api_server(tls(authority, "127.0.0.1")) as server, proxy() as one:
        monkeypatch.setenv("https_proxy", one.url)
        works(netdoc, server, config(tmp_path, server.url, ca(authority)))
        assert one.asked == set()


@pytest.mark.parametrize("excepted", [NAME, "cluster.test", ".cluster.test", "*", f"x.test, {NAME}"])
def test_no_proxy_holds_for_every_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, excepted: str) -> None:
    """The proxy is not asked, and who it is for is not found without it."""
    with proxy() as one:
        monkeypatch.setenv("https_proxy", one.url)
        monkeypatch.setenv("no_proxy", excepted)
        client = Client(Options(kubeconfig=str(config(tmp_path, f"https://{NAME}:6443"))))
        with pytest.raises(ApiError):
            client.get("/version")
        with pytest.raises(ApiError):
            client.exec("shop", "web", ["true"], 10)
        assert one.asked == set()


def test_a_proxy_that_refuses_is_said_to(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA) -> None:
    with api_server(tls(authority, NAME), name=NAME) as server, proxy(password="me:other") as one:
        path = config(tmp_path, server.url, ca(authority), {"proxy-url": one.url})
        said = complaint(netdoc("check", "--kubeconfig", path), 3)
        assert "407 Proxy Authentication Required" in said
        assert "\\'" not in said
        with pytest.raises(ApiError, match="407"):
            Client(Options(kubeconfig=str(path))).exec("shop", "web", ["true"], 10)
        assert server.heard == []


# As whom


def test_impersonation_is_on_every_call(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url), "--as", "eve", "--as-uid", "7", "--as-group", "a", "--as-group", "b")
        assert everywhere(server, "Impersonate-User") == {("eve",)}
        assert everywhere(server, "Impersonate-Uid") == {("7",)}
        assert everywhere(server, "Impersonate-Group") == {("a", "b")}


def test_impersonation_that_the_kubeconfig_asks_for(netdoc: Netdoc, tmp_path: Path) -> None:
    """kubectl does as it says; a flag goes before it."""
    user = {"token": TOKEN, "as": "eve", "as-groups": ["a"], "as-uid": "7", "as-user-extra": {"team/x": ["net", "ops"]}}
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url, user=user), "--as-group", "b")
        assert everywhere(server, "Impersonate-User") == {("eve",)}
        assert everywhere(server, "Impersonate-Uid") == {("7",)}
        assert everywhere(server, "Impersonate-Group") == {("b",)}
        assert everywhere(server, "Impersonate-Extra-team%2Fx") == {("net", "ops")}


def test_service_account_of_a_pod(netdoc: Netdoc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA) -> None:
    """Where there is no kubeconfig. A proxy for what is outside is not for the cluster's own address, if NO_PROXY says so."""
    account = tmp_path / "account"
    account.mkdir()
    for name, content in {"token": TOKEN, "namespace": "ops\n", "ca.crt": authority.cert_pem.bytes().decode()}.items():
        (account / name).write_text(content)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", account)
    with api_server(tls(authority, "127.0.0.1")) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        works(netdoc, server, None, "--as", "eve")
        assert {value.lower() for (value,) in everywhere(server, "Authorization")} == {f"bearer {TOKEN}"}
        assert everywhere(server, "Impersonate-User") == {("eve",)}
        assert Client(Options()).namespace == "ops"


def test_a_token_that_the_kubelet_has_renewed_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA
) -> None:
    """By the next run at once, and by one that goes on a minute later."""
    account = tmp_path / "account"
    account.mkdir()
    for name, content in {"token": "first", "namespace": "ops", "ca.crt": authority.cert_pem.bytes().decode()}.items():
        (account / name).write_text(content)
    monkeypatch.setattr(kubeconfig, "SERVICE_ACCOUNT", account)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with api_server(tls(authority, "127.0.0.1")) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", server.url.rpartition(":")[2])
        going_on = Client(Options())
        going_on.get("/version")
        (account / "token").write_text("second")
        Client(Options()).get("/version")
        later = SimpleNamespace(now=lambda: datetime.now() + timedelta(minutes=2))
        clock = SimpleNamespace(datetime=later, timedelta=timedelta)
        monkeypatch.setattr("kubernetes.config.incluster_config.datetime", clock)
        going_on.get("/version")
        tokens = [value.lower() for heard in server.heard for value in heard.header("Authorization")]
        assert tokens == ["bearer first", "bearer second", "bearer second"]


def test_kubeconfig_in_several_files(
    netdoc: Netdoc, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA
) -> None:
    """Parts in three folders, paths relative to their file; one file is not there, one empty; the first word on a name counts."""
    parts: dict[str, dict[str, Any] | None] = {
        "one/config": {"current-context": "lab", "users": [{"name": "u", "user": {"tokenFile": "token"}}]},
        "not/there": {},
        "empty/config": None,
        "two/config": {
            "current-context": "other",
            "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u", "namespace": "ops"}}],
            "users": [{"name": "u", "user": {"token": "wrong"}}],
        },
    }
    with api_server(tls(authority, "127.0.0.1")) as server:
        parts["three/config"] = {
            "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": "ca.pem"}}]
        }
        for name, content in parts.items():
            (tmp_path / name).parent.mkdir()
            if content != {}:
                (tmp_path / name).write_text(yaml.safe_dump({"kind": "Config", **content}) if content else "")
        (tmp_path / "one/token").write_text(TOKEN)
        (tmp_path / "three/ca.pem").write_bytes(authority.cert_pem.bytes())
        monkeypatch.setenv("KUBECONFIG", ":".join(str(tmp_path / name) for name in parts))
        works(netdoc, server, None)
        assert everywhere(server, "Authorization") == {(f"Bearer {TOKEN}",)}
        assert Client(Options()).namespace == "ops"


# Credential plugins


PLUGIN = """
import json, os, pathlib, sys
here = pathlib.Path({folder!r})
runs = len(list(here.glob("asked-*"))) + 1
(here / f"asked-{{runs}}").write_text(os.environ["KUBERNETES_EXEC_INFO"])
status = {{"token": f"token-{{runs}}"}} | json.loads({status!r})
print(json.dumps({{"apiVersion": {version!r}, "kind": "ExecCredential", "status": status}}))
"""
V1 = "client.authentication.k8s.io/v1"


def plugin(folder: Path, program: str = PLUGIN, version: str = V1, speaks: str = V1, **fields: Any) -> dict[str, Any]:
    """Return a user with a credential plugin: each time it gives another token, and it writes down what it was asked."""
    path = folder / "plugin.py"
    path.write_text(program.format(folder=str(folder), status=json.dumps(fields.pop("status", {})), version=speaks))
    mode = {"interactiveMode": "Never"}
    return {"exec": {"apiVersion": version, "command": sys.executable, "args": [str(path)], **mode, **fields}}


def asked(folder: Path) -> int:
    return len(list(folder.glob("asked-*")))


def in_time(seconds: float) -> dict[str, str]:
    """Return a status that runs out in so many seconds."""
    return {"expirationTimestamp": f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"}


@pytest.mark.parametrize("status", [{}, in_time(900)], ids=["lasts", "runs out later"])
def test_a_plugin_is_asked_once(netdoc: Netdoc, tmp_path: Path, status: dict[str, str]) -> None:
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url, user=plugin(tmp_path, status=status)))
        assert everywhere(server, "Authorization") == {("Bearer token-1",)}
        assert asked(tmp_path) == 1


def test_a_token_that_runs_out_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For lists and for exec, and by the server's clock: the laptop's is two hours slow here."""
    monkeypatch.setattr(credentials, "AGAIN", 0.0)
    with api_server() as server:
        server.ahead = timedelta(hours=2)
        client = Client(Options(kubeconfig=str(config(tmp_path, server.url, user=plugin(tmp_path, status=in_time(3600))))))
        client.get("/version")
        client.get("/version")
        client.exec("shop", "web", ["true"], 10).shutdown()
        assert [heard.header("Authorization") for heard in server.heard] == [[f"Bearer token-{n}"] for n in (1, 2, 3)]


def test_a_token_that_has_run_out_already_is_not_asked_for_at_each_request(netdoc: Netdoc, tmp_path: Path) -> None:
    """The clock of whoever gave it is behind: only the server can tell."""
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url, user=plugin(tmp_path, status=in_time(-7200))))
        assert asked(tmp_path) == 1


def test_a_token_that_is_refused_is_renewed_and_the_request_sent_again(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        server.refuse = lambda heard: (401, "Unauthorized") if heard.header("Authorization") == ["Bearer token-1"] else None
        works(netdoc, server, config(tmp_path, server.url, user=plugin(tmp_path)))
        assert [heard.path for heard in server.heard][:2] == ["/version", "/version"]
        assert asked(tmp_path) == 2


def test_credentials_that_stay_refused_are_the_end(netdoc: Netdoc, tmp_path: Path) -> None:
    with api_server() as server:
        server.refuse = lambda heard: (401, "Unauthorized")
        complaint(netdoc("check", "--kubeconfig", config(tmp_path, server.url, user=plugin(tmp_path))), 3)
        assert asked(tmp_path) == 2


def test_a_refusal_of_some_lists_alone_has_a_plugin_run_once_more_at_most(netdoc: Netdoc, tmp_path: Path) -> None:
    """As of an API server beside the API server that does not know the user."""
    with api_server() as server:
        server.refuse = lambda heard: (401, "Unauthorized") if heard.path.endswith(("/pods", "/services", "/nodes")) else None
        path = config(tmp_path, server.url, user=plugin(tmp_path))
        assert netdoc("check", "service_config", "nodes_ready", "--no-pods", "--kubeconfig", path).code == 0
        assert asked(tmp_path) == 2


def test_a_plugin_that_fails_later_fails_once(tmp_path: Path) -> None:
    """Each request says why; the plugin is not run a hundred times for it."""
    program = PLUGIN + "sys.exit(len(list(here.glob('asked-*'))) > 1 and 'the session is over')\n"
    with api_server() as server:
        client = Client(Options(kubeconfig=str(config(tmp_path, server.url, user=plugin(tmp_path, program)))))
        server.refuse = lambda heard: (401, "Unauthorized")
        for _ in range(3):
            with pytest.raises(ApiError, match="the session is over"):
                client.get("/version")
        assert asked(tmp_path) == 2


def test_a_plugin_that_gives_a_certificate(netdoc: Netdoc, tmp_path: Path, authority: trustme.CA) -> None:
    me = authority.issue_cert("alice.test", common_name="alice")
    chain, key = "".join(blob.bytes().decode() for blob in me.cert_chain_pems), me.private_key_pem.bytes().decode()
    status = {"token": None, "clientCertificateData": chain, "clientKeyData": key}
    with api_server(tls(authority, "127.0.0.1", clients=authority)) as server:
        works(netdoc, server, config(tmp_path, server.url, ca(authority), user=plugin(tmp_path, status=status)))
        assert {heard.peer for heard in server.heard} == {"alice"}
        assert everywhere(server, "Authorization") == {()}


def test_what_a_plugin_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    more = {"extensions": [{"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}]}
    path = config(tmp_path, "https://127.0.0.1:1", ca(authority), more, user=plugin(tmp_path, provideClusterInfo=True))
    Client(Options(kubeconfig=str(path)))
    info = json.loads((tmp_path / "asked-1").read_text())
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == (V1, "ExecCredential", False)
    assert info["spec"]["cluster"] == {"server": "https://127.0.0.1:1", "config": {"audience": "x"}, **ca(authority)}


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"command": "/nowhere/aws", "installHint": "brew install\n aws"}, ["/nowhere/aws", "not installed", "brew install aws"]),
        ({"command": "no-such-plugin"}, ["no-such-plugin", "not installed"]),
        ({"args": ["-c", "import sys; print('SECRET'); sys.exit('log in\\nagain')"]}, ["exit code 1", "log in again"]),
        ({"args": ["-c", "print('SECRET')"]}, ["ExecCredential"]),
        ({"args": ["-c", "print('{}')"]}, ["ExecCredential"]),
        ({"apiVersion": "client.authentication.k8s.io/v1beta1"}, ["v1beta1", "client.authentication.k8s.io/v1"]),
        ({"status": {"token": ""}}, ["neither a token nor a certificate"]),
        ({"status": {"token": None, "clientCertificateData": "x"}}, ["neither a token nor a certificate"]),
        ({"interactiveMode": "Always"}, ["terminal"]),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_plugin_that_gives_nothing_is_one_line(netdoc: Netdoc, tmp_path: Path, user: dict[str, Any], words: list[str]) -> None:
    status = {"status": user.pop("status")} if "status" in user else {}
    whole = plugin(tmp_path, **status)
    whole["exec"] |= user
    said = complaint(netdoc("check", "--kubeconfig", config(tmp_path, "http://127.0.0.1:1", user=whole)), 3)
    assert [word for word in ["context lab", *words] if word not in said] == []
    assert "SECRET" not in said


def test_a_plugin_that_hangs_is_given_up(netdoc: Netdoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "UNATTENDED", 0.3)
    user = plugin(tmp_path, "import time; time.sleep(100)")
    assert "did not finish" in complaint(netdoc("check", "--kubeconfig", config(tmp_path, "http://127.0.0.1:1", user=user)), 3)


@pytest.mark.parametrize(
    "field",
    [
        {"token": TOKEN},
        {"client-certificate": "me.pem", "client-key": "me.pem"},
        {"client-certificate-data": "bWU=", "client-key-data": "bWU="},
    ],
    ids=str,
)
def test_what_goes_before_a_plugin(netdoc: Netdoc, tmp_path: Path, field: dict[str, str]) -> None:
    (tmp_path / "me.pem").write_text("me")
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url, user={**field, **plugin(tmp_path)}))
        assert asked(tmp_path) == 0


def test_a_plugin_beside_the_kubeconfig(netdoc: Netdoc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path starts at the kubeconfig, not where one is."""
    user = plugin(tmp_path)
    script = tmp_path / "bin" / "login"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    user["exec"]["command"] = "bin/login"
    monkeypatch.chdir("/")
    with api_server() as server:
        works(netdoc, server, config(tmp_path, server.url, user=user))


def test_a_plugin_may_ask_at_a_terminal(tmp_path: Path) -> None:
    """Its questions are seen and answered, though the report goes elsewhere."""
    program = "import sys; print('Code?', file=sys.stderr, flush=True); code = input()\n" + PLUGIN
    user = plugin(tmp_path, program, interactiveMode="IfAvailable")
    with api_server() as server:
        words = f"-m kubectl_netdoc check nodes_ready --no-pods --kubeconfig {config(tmp_path, server.url, user=user)}"
        terminal = Terminal(["sh", "-c", f"{sys.executable} {words} >{tmp_path}/report; echo ended $?"], dict(os.environ))
        try:
            assert terminal.shows("Code?"), terminal.screen
            terminal.type("1234\n")
            assert terminal.shows("ended 0"), terminal.screen
        finally:
            terminal.close()
        assert json.loads((tmp_path / "asked-1").read_text())["spec"]["interactive"] is True
        assert everywhere(server, "Authorization") == {("Bearer token-1",)}


# Clocks


@pytest.mark.parametrize(("minutes", "codes"), [(1, set()), (3, {"NOD001"})], ids=["just joined", "settled"])
@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_ages_are_by_the_servers_clock(netdoc: Netdoc, tmp_path: Path, hours: int, minutes: int, codes: set[str]) -> None:
    """Whether a node that is not ready may still be joining: whatever time it is here."""
    with api_server() as server:
        server.ahead = timedelta(hours=hours)
        began = f"{datetime.now(UTC) + server.ahead - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"
        status = {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": began}]}
        server.lists["/api/v1/nodes"] = [{"metadata": {"name": "n1", "creationTimestamp": began}, "status": status}]
        path = config(tmp_path, server.url)
        done = netdoc("check", "nodes_ready", "--no-pods", "-v", "-o", "json", "--kubeconfig", path)
        found = json.loads(done.out)["findings"]
        assert {finding["code"] for finding in found if finding["severity"] != "info"} == codes
        assert ("clock" in done.err) == (hours != 0)


def test_a_certificate_that_is_not_valid_now_tells_what_time_it_is_here(
    netdoc: Netdoc, tmp_path: Path, authority: trustme.CA
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(hours=1)).configure_cert(context)
    with api_server(context) as server:
        said = complaint(netdoc("check", "--kubeconfig", config(tmp_path, server.url, ca(authority))), 3)
    assert f"{datetime.now(UTC):%Y-%m-}" in said
