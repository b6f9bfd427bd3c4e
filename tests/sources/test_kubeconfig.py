# SPDX-License-Identifier: Apache-2.0
"""Kubeconfigs that can't be used: one line with the file, the entry and the field that is wrong, and no secret."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import lists
from kubectl_netdoc.sources.live.client import Client
from kubectl_netdoc.sources.live.kubeconfig import Access, Options, access
from tests.support.kubeconfigs import TOKEN, FakeApi

V1 = "client.authentication.k8s.io/v1"
PEM = serialization.Encoding.PEM
Kubeconfig = dict[str, Any]


def pair(days: int = 30, password: bytes = b"") -> tuple[str, str]:
    """Return a certificate that ends so many days from now, and its key, as base64 of PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "jane")]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=99)).not_valid_after(now + timedelta(days=days))
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    both = (
        made.sign(key, hashes.SHA256()).public_bytes(PEM),
        key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden),
    )
    return base64.b64encode(both[0]).decode(), base64.b64encode(both[1]).decode()


(CERTIFICATE, KEY), (_, OTHER_KEY), (_, LOCKED_KEY), (OLD, OLD_KEY) = pair(), pair(), pair(password=b"x"), pair(days=-3)
NOTHING = base64.b64encode(TOKEN.encode()).decode()


def user(**fields: Any) -> Callable[[Kubeconfig], object]:
    """Return a change: what the user has instead of a token; ``_`` stands for ``-``."""
    return lambda config: config["users"][0].update(user={name.replace("_", "-"): value for name, value in fields.items()})


def cluster(**fields: Any) -> Callable[[Kubeconfig], object]:
    """Return a change: what the cluster has besides."""
    return lambda config: config["clusters"][0]["cluster"].update({k.replace("_", "-"): v for k, v in fields.items()})


def plugin(command: str, version: str = V1, **fields: Any) -> Callable[[Kubeconfig], object]:
    """Return a change: the user's credential plugin."""
    return user(exec={"apiVersion": version, "command": command, "interactiveMode": "Never", **fields})


def top(name: str, value: Any) -> Callable[[Kubeconfig], object]:
    """Return a change: another value of a section, or of the current context."""
    return lambda config: config.update({name: value})


def script(text: str) -> Callable[[Kubeconfig], object]:
    """Return a change: a credential plugin that is this script, ``./plugin``."""
    return lambda config: (plugin("./plugin")(config), config.update(script=text))


CASES: dict[str, tuple[Callable[[Kubeconfig], object], int, str]] = {
    "cluster is not there": (top("clusters", []), 2, "context lab: there is no cluster 'c'; there are: none"),
    "user is not there": (lambda c: c["users"][0].update(name="v"), 2, "context lab: there is no user 'u'; there are: v"),
    "no current context": (top("current-context", ""), 2, "the kubeconfig has no current context; choose one with --context"),
    "context is not there": (top("current-context", "prod"), 2, "the kubeconfig has no context 'prod'; it has: lab"),
    "section of another type": (top("users", TOKEN), 2, "users is not a list"),
    "entry without a name": (top("users", [{"user": {"token": TOKEN}}]), 2, "entry 1 of users has no name"),
    "entry of another type": (lambda c: c["users"][0].update(user=TOKEN), 2, "user u: expected `object`, got `str`"),
    "field of another type": (user(token=5), 2, "user u: token: expected `str | null`, got `int`"),
    "field of a plugin": (plugin("x", env=TOKEN), 2, "user u: exec.env: expected `array | null`, got `str`"),
    "no server": (cluster(server=None), 2, "cluster c: server is not set"),
    "server with another scheme": (
        cluster(server="ftp://h"),
        2,
        "cluster c: server has the scheme ftp, and may have https or http",
    ),
    "server without a host": (cluster(server="https://"), 2, "cluster c: server is not a URL with a host and a port"),
    "server with a port that is none": (
        cluster(server="https://h:x"),
        2,
        "cluster c: server is not a URL with a host and a port",
    ),
    "proxy that is no URL": (
        cluster(proxy_url=f"h {TOKEN}"),
        2,
        "cluster c: proxy-url has the scheme none, and may have http, https, socks5 or socks5h",
    ),
    "proxy with a port that is none": (
        cluster(proxy_url=f"http://{TOKEN}@h:x"),
        2,
        "cluster c: proxy-url is not a URL with a host and a port",
    ),
    "authority is not there": (
        cluster(certificate_authority="ca.crt"),
        2,
        "cluster c: certificate-authority, ca.crt: No such file or directory",
    ),
    "authority is a folder": (cluster(certificate_authority="."), 2, "cluster c: certificate-authority, .: Is a directory"),
    "authority is not base64": (
        cluster(certificate_authority_data="%"),
        2,
        "cluster c: certificate-authority-data is not base64",
    ),
    "authority is no PEM": (
        cluster(certificate_authority_data=NOTHING),
        2,
        "cluster c: certificate-authority-data holds no PEM certificate",
    ),
    "authority is no PEM in its file": (
        cluster(certificate_authority="kubeconfig"),
        2,
        "cluster c: certificate-authority holds no PEM certificate",
    ),
    "certificate is not there": (
        user(client_certificate="a.crt", client_key="a.key"),
        2,
        "user u: client-certificate, a.crt: No such file or directory",
    ),
    "key is not there": (
        user(client_certificate_data=CERTIFICATE, client_key="a.key"),
        2,
        "user u: client-key, a.key: No such file or directory",
    ),
    "certificate without a key": (
        user(client_certificate_data=CERTIFICATE),
        2,
        "user u: client-certificate-data is set, but neither client-key nor client-key-data",
    ),
    "certificate is not base64": (
        user(client_certificate_data="%", client_key_data=KEY),
        2,
        "user u: client-certificate-data is not base64",
    ),
    "certificate is no PEM": (
        user(client_certificate_data=NOTHING, client_key_data=KEY),
        2,
        "user u: client-certificate-data holds no PEM certificate",
    ),
    "key is no PEM": (
        user(client_certificate_data=CERTIFICATE, client_key_data=NOTHING),
        2,
        "user u: client-key-data holds no PEM key, or one with a password",
    ),
    "key with a password": (
        user(client_certificate_data=CERTIFICATE, client_key_data=LOCKED_KEY),
        2,
        "user u: client-key-data holds no PEM key, or one with a password",
    ),
    "key of another certificate": (
        user(client_certificate_data=CERTIFICATE, client_key_data=OTHER_KEY),
        2,
        "user u: client-key-data is not the key of client-certificate-data",
    ),
    "token file is not there": (user(tokenFile="token"), 2, "user u: tokenFile, token: No such file or directory"),
    "token file is empty": (user(tokenFile="/dev/null"), 2, "user u: tokenFile, /dev/null: it is empty"),
    "auth-provider": (
        user(auth_provider={"name": "oidc", "config": {"client-secret": TOKEN}}),
        2,
        "user u: its auth-provider gives no credentials; kubectl takes them from exec",
    ),
    "plugin without a command": (plugin(""), 2, "user u: exec.command is not set"),
    "plugin of another version": (
        plugin("x", "client.authentication.k8s.io/v1alpha1"),
        2,
        f"user u: exec.apiVersion is none of those that kubectl takes: {V1} and {V1}beta1",
    ),
    "plugin beside an auth-provider": (
        lambda c: (plugin("x")(c), c["users"][0]["user"].update({"auth-provider": {"name": "oidc"}})),
        2,
        "user u: exec and auth-provider exclude each other",
    ),
    "plugin is not there": (
        plugin("no-such", installHint="get it"),
        3,
        "user u: the credential plugin no-such of the kubeconfig is not installed: get it",
    ),
    "plugin fails": (
        script("echo no access >&2; exit 7"),
        3,
        "user u: the credential plugin ./plugin failed with exit code 7: no access",
    ),
    "plugin prints something else": (
        script(f"echo {TOKEN}"),
        3,
        "user u: the credential plugin ./plugin did not print an ExecCredential with a status",
    ),
    "plugin answers in another version": (
        script(f"""echo '{{"apiVersion": "{V1}beta1", "kind": "ExecCredential", "status": {{"token": "{TOKEN}"}}}}'"""),
        3,
        f"user u: the credential plugin ./plugin returned {V1}beta1, but the kubeconfig asks for {V1}",
    ),
    "plugin gives nothing": (
        script(f"""echo '{{"apiVersion": "{V1}", "kind": "ExecCredential", "status": {{}}}}'"""),
        3,
        "user u: the credential plugin ./plugin returned neither a token nor a certificate with its key",
    ),
}


def written(folder: Path, change: Callable[[Kubeconfig], object] = lambda _: None, server: str = "https://127.0.0.1:1") -> Path:
    """Write a kubeconfig that was good before the change, and return its path."""
    config: Kubeconfig = {
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
    }
    change(config)
    (folder / "plugin").write_text(f"#!/bin/sh\n{config.pop('script', '')}\n")
    (folder / "plugin").chmod(stat.S_IRWXU)
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return folder / "kubeconfig"


def refused(paths: str) -> tuple[int, str]:
    """Return exit code and line of an error."""
    with pytest.raises(SourceError) as caught:
        access(Options(kubeconfig=paths))
    line = str(caught.value)
    assert "\n" not in line
    assert TOKEN not in line
    return caught.value.exit_code, line


def usable(path: Path) -> Access:
    """Return the access by a kubeconfig."""
    return access(Options(kubeconfig=str(path)))


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_one_line_with_the_file_the_entry_and_the_field(case: str, tmp_path: Path) -> None:
    change, code, says = CASES[case]
    path = written(tmp_path, change)
    before = "no credentials for context lab: " if code == 3 else ""
    assert refused(str(path)) == (code, f"{before}kubeconfig {path}: {says}")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: [b\nc", "line 2 is not YAML"),
        (b"\xff\xfe\x00", "it is not YAML"),
        (b"- a", "it is not a kubeconfig, which has contexts, clusters and users"),
        (f"users: [{{name: u, user: {{token: !!int {TOKEN}}}}}]".encode(), "it is not YAML"),
    ],
)
def test_of_several_files_the_broken_one_is_named(content: bytes, says: str, tmp_path: Path) -> None:
    good, broken = written(tmp_path), tmp_path / "broken"
    broken.write_bytes(content)
    for order in ((good, broken), (broken, good)):
        assert refused(os.pathsep.join(map(str, order))) == (2, f"kubeconfig {broken}: {says}")


def test_an_entry_is_named_with_the_file_that_it_stands_in(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = written(tmp_path / "a", lambda config: config.pop("users"))
    second = written(tmp_path / "b", lambda config: (config.pop("clusters"), user(tokenFile="gone")(config)))
    said = (2, f"kubeconfig {second}: user u: tokenFile, gone: No such file or directory")
    assert refused(f"{first}{os.pathsep}{second}") == said


def test_a_file_that_is_not_there_is_passed_over_among_others_and_an_error_alone(tmp_path: Path) -> None:
    assert usable(Path(f"{tmp_path / 'gone'}{os.pathsep}{written(tmp_path)}")).context == "lab"
    code, line = refused(str(tmp_path / "gone"))
    assert (code, str(tmp_path / "gone") in line) == (2, True)


def test_what_is_good_is_taken(tmp_path: Path) -> None:
    for change in (
        user(client_certificate_data=CERTIFICATE, client_key_data=KEY),
        cluster(certificate_authority_data=CERTIFICATE, proxy_url="socks5://h:1"),
        user(),
        lambda config: config["users"].append({"name": "other", "user": None}),
    ):
        assert usable(written(tmp_path, change)).doubts == ()


@pytest.mark.parametrize(
    ("server", "change", "doubt"),
    [
        ("127.0.0.1:6443", lambda _: None, "server of cluster c has no scheme"),
        (
            "https://h",
            user(token=TOKEN, exec={"apiVersion": V1, "command": "x"}),
            "user u has exec and token, which is used instead of it",
        ),
        (
            "https://h",
            user(client_certificate_data=OLD, client_key_data=OLD_KEY),
            f"client-certificate-data of user u has expired on {datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}",
        ),
    ],
    ids=["no scheme", "token and exec", "expired"],
)
def test_what_may_be_the_reason_is_said_where_it_fails(
    server: str, change: Callable[[Kubeconfig], object], doubt: str, tmp_path: Path
) -> None:
    assert usable(written(tmp_path, change, server)).doubts == (doubt,)


def test_doubts_follow_the_error_of_the_server(api: FakeApi, tmp_path: Path) -> None:
    both = user(token=TOKEN, exec={"apiVersion": V1, "command": "x"})
    api.answer("/version", [401, {"kind": "Status", "message": "Unauthorized"}])
    for server in (api.url, "http://127.0.0.1:1"):
        with pytest.raises(SourceError) as caught:
            lists.server_version(Client(Options(kubeconfig=str(written(tmp_path, both, server)))))
        assert (caught.value.exit_code, "; user u has exec and token" in str(caught.value)) == (3, True)
