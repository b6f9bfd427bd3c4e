# SPDX-License-Identifier: Apache-2.0
"""The command line: exit codes, clean stdout, and one clear line for each bad input."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from kubectl_netdoc.core.cluster import Cluster
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.kinds import KINDS
from kubectl_netdoc.sources import bundle
from kubectl_netdoc.testing import make_cluster, make_node, make_service
from tests.support import dumps as made
from tests.support.commandline import LONGEST, Done, Netdoc, complaint, in_process, process
from tests.support.faults import found
from tests.support.kubeconfigs import EVERYWHERE, TOKEN, FakeApi, kubeconfig, thing

GOOD = """
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web}]}
"""
BAD = GOOD.replace("selector: {app: web}", "selector: {app: wbe}")


@pytest.fixture
def netdoc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Netdoc:
    """The command line, for a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "NETDOC_DEBUG", "NETDOC_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return in_process(monkeypatch, capsys)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a file and return its path."""

    def write(content: str | bytes, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def recorded(*extra: Any, **more: Any) -> bytes:
    """Return a bundle of a small cluster."""
    cluster: Cluster = make_cluster(make_node("n1"), *extra, **more)
    return bundle.dump("context lab", cluster, Measured(why_unmeasured="not asked for: --no-pods"), {})


# Names


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["chekc"], "check"),
        (["colect"], "collect"),
        (["check", "dns_latancy"], "dns_latency"),
        (["check", "--only", "service-config"], "service_config"),
        (["check", "--skip", "Nodes_Ready"], "nodes_ready"),
        (["check", "dns_config,nodes_redy"], "nodes_ready"),
        (["explain", "DNC-003"], "DNC003"),
        (["explain", "dns_confg"], "dns_config"),
        (["check", "-o", "jsn"], "json"),
        (["list", "-o", "ymal"], "yaml"),
        (["check", "--fail-on", "wran"], "warn"),
        (["check", "--show", "inof"], "info"),
        (["check", "--no-pod"], "--no-pods"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest(netdoc: Netdoc, arguments: list[str], nearest: str) -> None:
    assert nearest in complaint(netdoc(*arguments), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", ""],
        ["check", "--only", ",,"],
        ["check", "\x1b[31m\u202e"],
        ["check", "--timeout", "soon"],
        ["check", "--timeout", ""],
        ["check", "--request-timeout", "5 parsecs"],
        ["check", "--request-timeout", "-1"],
        ["check", "-n", "shop", "-A"],
        ["why", "-A", "-n", "shop", "pod/a", "pod/b"],
        ["check", "--context"],
        ["collect", "--note", "no equals sign"],
        ["explain"],
        ["explain", "a", "b"],
        ["explain", "\n"],
        ["version", "now"],
        ["--wrong"],
        ["check", "--wrong=5"],
    ],
    ids=repr,
)
def test_wrong_usage_is_one_line(netdoc: Netdoc, arguments: list[str]) -> None:
    assert all(char.isprintable() for char in complaint(netdoc(*arguments), 2)[:-1])


def test_no_verb_shows_the_help(netdoc: Netdoc) -> None:
    done = netdoc()
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") > 10
    assert "check" in done.err


# Files


def test_bundle_cut_in_half(netdoc: Netdoc, file: Any) -> None:
    content = recorded()
    complaint(netdoc("check", "--from", file(content[: len(content) // 2])), 2)


@pytest.mark.parametrize(
    "content",
    [
        random.Random(1).randbytes(5000),
        b"\x1f\x8b" + random.Random(2).randbytes(5000),
        b'{"netdoc_bundle": 2}',
        b'{"netdoc_bundle": 1, "x": ' + b"[" * 100_000,
        b"{{ if .Values.x }}",
        b"a: b: c\n  - d",
        b"no: object",
        b"[" * 100_000,
        b"",
    ],
    ids=["random", "random gzip", "newer", "deep bundle", "template", "not YAML", "no object", "deep YAML", "empty"],
)
@pytest.mark.parametrize("stdin", [True, False], ids=["stdin", "file"])
def test_file_that_is_neither_bundle_nor_manifest(netdoc: Netdoc, file: Any, content: bytes, stdin: bool) -> None:
    done = netdoc("check", "--from", "-", stdin=content) if stdin else netdoc("check", "--from", file(content))
    *warnings, last = done.err.splitlines(keepends=True)
    assert len(warnings) <= 1
    complaint(Done(done.code, done.out, last), 2)


@pytest.mark.parametrize("name", ["missing.json", "x" * 5000, "folder/none.yaml", "/proc/self/mem"])
def test_file_that_can_not_be_read(netdoc: Netdoc, tmp_path: Path, name: str) -> None:
    complaint(netdoc("check", "--from", tmp_path / name), 2)


def test_folder_without_objects(netdoc: Netdoc, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing")
    done = netdoc("check", "--from", tmp_path)
    told, last = done.err.splitlines(keepends=True)
    assert "README.md" in told
    complaint(Done(done.code, done.out, last), 2)


def test_bundle_and_manifests_come_on_stdin(netdoc: Netdoc) -> None:
    for content in (recorded(), GOOD.encode()):
        assert netdoc("check", "--from", "-", stdin=content).code == 0


def test_collect_that_can_not_write(netdoc: Netdoc, api: FakeApi, tmp_path: Path) -> None:
    flags = ["--no-pods", "--kubeconfig", kubeconfig(tmp_path, api.url)]
    complaint(netdoc("collect", tmp_path / "missing" / "x.json", *flags), 2)


# Kubeconfigs


def test_no_kubeconfig(netdoc: Netdoc) -> None:
    complaint(netdoc("check"), 2)


def test_kubeconfig_that_is_not_there(netdoc: Netdoc, tmp_path: Path) -> None:
    complaint(netdoc("check", "--kubeconfig", tmp_path / "nothing"), 2)


def test_wrong_context_names_those_there_are(netdoc: Netdoc, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://127.0.0.1:1")
    assert "lab" in complaint(netdoc("check", "--kubeconfig", path, "--context", "prod"), 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"just text",
        b"a: b: c",
        b"\xff\xfe\x00",
        b"contexts: 5\ncurrent-context: lab",
        b"current-context: lab",
        b"current-context: lab\ncontexts: [{name: lab}]",
        b"current-context: lab\ncontexts: [{name: lab, context: {cluster: c, user: u}}]",
        b"current-context: lab\ncontexts: [{name: lab, context: {cluster: c, user: u}}]\nclusters: []\nusers: []",
        b"contexts: [{name: lab, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: x}}]\nusers: []",
        f"users: [{{name: u, user: {{token: {TOKEN}: x}}}}]".encode(),
        f"users: [{{name: u, user: {{token: !!int {TOKEN}}}}}]".encode(),
        f"token: !{TOKEN} x".encode(),
    ],
    ids=repr,
)
def test_kubeconfig_that_is_none(netdoc: Netdoc, file: Any, content: bytes) -> None:
    assert TOKEN not in complaint(netdoc("check", "--kubeconfig", file(content, "kubeconfig")), 2)


def test_kubeconfig_that_is_a_folder(netdoc: Netdoc, tmp_path: Path) -> None:
    complaint(netdoc("check", "--kubeconfig", tmp_path), 2)


@pytest.mark.parametrize("name", ["--cluster", "--user"])
def test_cluster_or_user_that_is_not_there(netdoc: Netdoc, tmp_path: Path, name: str) -> None:
    complaint(netdoc("check", "--kubeconfig", kubeconfig(tmp_path, "http://127.0.0.1:1"), name, "none"), 2)


@pytest.mark.parametrize("plugin", ["/nowhere/plugin", "/bin/false"])
def test_credential_plugin_that_fails(netdoc: Netdoc, tmp_path: Path, plugin: str) -> None:
    path = kubeconfig(tmp_path, "http://127.0.0.1:1")
    content = yaml.safe_load(path.read_text())
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never"}
    content["users"][0]["user"] = {"exec": asked}
    path.write_text(yaml.safe_dump(content))
    done = process("check", "--no-pods", "--kubeconfig", path)
    complaint(done, 3)


# Clusters


@pytest.fixture
def live(netdoc: Netdoc, api: FakeApi, tmp_path: Path) -> Netdoc:
    """Check the fake cluster without pods."""
    path = kubeconfig(tmp_path, api.url)

    def run(*arguments: object) -> Done:
        done = netdoc("check", "--no-pods", "--kubeconfig", path, *arguments)
        assert TOKEN not in done.out + done.err
        return done

    return run


@pytest.mark.parametrize("server", ["http://127.0.0.1:1", "https://127.0.0.1:1", "127.0.0.1:1"])
def test_api_server_that_can_not_be_reached(netdoc: Netdoc, tmp_path: Path, server: str) -> None:
    assert "lab" in complaint(netdoc("check", "--kubeconfig", kubeconfig(tmp_path, server)), 3)


def test_slow_api_server(live: Netdoc, api: FakeApi) -> None:
    api.answer("/version", api.never)
    assert "--request-timeout" in complaint(live("--request-timeout", "200ms"), 3)


def test_expired_token(live: Netdoc, api: FakeApi) -> None:
    api.answer("/version", [401, {"kind": "Status", "message": "Unauthorized"}])
    complaint(live(), 3)


def test_every_list_refused(live: Netdoc, api: FakeApi) -> None:
    api.refuse(
        *EVERYWHERE, *(f"/api/v1/namespaces/{ns}/{plural}" for ns in ("shop", "kube-system") for plural in ("pods", "services"))
    )
    api.refuse(*(f"{kind.path}/namespaces/{space}/{kind.plural}/{name}" for kind in KINDS.values() for space, name in kind.names))
    complaint(live("service_config"), 3)


def test_server_that_is_no_kubernetes(live: Netdoc, api: FakeApi) -> None:
    api.answer("/version", b"<html>hello</html>")
    complaint(live(), 3)


def test_some_lists_refused_is_a_row_and_not_an_end(live: Netdoc, api: FakeApi) -> None:
    api.refuse("/api/v1/nodes")
    done = live("-o", "json", "nodes_ready", "service_config")
    results = {result["check"]: result for result in json.loads(done.out)["results"]}
    assert results["nodes_ready"]["state"] == "skipped"
    assert results["nodes_ready"]["unseen"][0]["grant"] == {"verb": "list", "resource": "nodes"}
    assert done.code == 0
    assert live("--strict", "nodes_ready").code == 4


def test_healthy_cluster_is_exit_0_and_says_what_was_not_asked(live: Netdoc, api: FakeApi) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    api.lists("/api/v1/nodes", thing("n1", status=ready))
    done = live("-o", "json")
    report = json.loads(done.out)
    assert (done.code, done.err, found(report)) == (0, "", set())
    assert report["coverage"]["nodes"] == 1
    assert {result["check"]: result["state"] for result in report["results"]}["nodes_ready"] == "pass"


def test_verbose_tells_the_cost_beside_clean_output(live: Netdoc) -> None:
    done = live("-o", "json", "-v")
    assert json.loads(done.out)
    assert done.err.count("\n") == 1


def test_collected_bundle_says_the_same_as_the_run(netdoc: Netdoc, live: Netdoc, api: FakeApi, tmp_path: Path) -> None:
    selector = {"selector": {"app": "wbe"}, "ports": [{"port": 80}]}
    api.lists("/api/v1/services", thing("web", "shop", spec=selector))
    api.lists("/api/v1/pods", thing("web-1", "shop", labels={"app": "web"}))
    path = tmp_path / "x.json.gz"
    assert netdoc("collect", path, "--no-pods", "--kubeconfig", tmp_path / "kubeconfig", "--note", "a=b").code == 0
    flags = ("-o", "json", "--fail-on", "warn")
    before, after = live(*flags), netdoc("check", "--from", path, *flags)
    assert before.code == after.code == 1
    assert json.loads(before.out)["findings"] == json.loads(after.out)["findings"] != []


def test_collect_to_stdout_is_the_bundle_and_nothing_else(api: FakeApi, tmp_path: Path) -> None:
    done = process("collect", "-", "--no-pods", "--kubeconfig", kubeconfig(tmp_path, api.url))
    assert (done.code, done.err) == (0, "")
    assert bundle.load(done.out.encode(), "stdout").label == "context lab"


# Exit codes and output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 1),
        (["--fail-on", "fail"], 1),
        (["--fail-on", "info"], 1),
        (["--fail-on", "never"], 0),
        (["--strict"], 4),
        (["nodes_ready"], 0),
        (["nodes_ready", "--strict"], 4),
        (["--skip", "service_config"], 0),
        (["--only", "service_config", "--strict"], 1),
    ],
    ids=repr,
)
def test_exit_code_is_the_same_for_every_format(netdoc: Netdoc, file: Any, arguments: list[str], code: int) -> None:
    path = file(BAD)
    assert {netdoc("check", "--from", path, "-o", format_, *arguments).code for format_ in ("text", "json", "yaml")} == {code}


def test_a_dump_of_another_tool_is_read_wherever_a_bundle_is(netdoc: Netdoc, tmp_path: Path) -> None:
    broken, healthy = made.recorded("coredns-zero"), made.recorded("healthy")
    archive = made.pack(tmp_path / "x.tar.gz", made.support_bundle(broken))
    folder = made.write(tmp_path / "sos", made.sos(healthy))
    stream = made.stream(healthy).encode()
    done = netdoc("check", "--from", archive, "-o", "json")
    assert (done.code, found(json.loads(done.out))) == (1, {("DNC001", "Service/kube-system/kube-dns")})
    assert netdoc("check", "--from", archive, "-n", "nowhere").code == 2
    assert netdoc("check", "--from", "-", stdin=stream).code == 0
    why = netdoc("why", "deploy/coredns", "svc/kube-dns:53", "-n", "kube-system", "--from", folder, "-o", "json")
    assert why.code in (0, 1)
    assert json.loads(why.out)["answer"] in ("yes", "unknown")
    assert netdoc("policy", "coverage", "--from", folder).code == 0
    changed = netdoc("diff", folder, archive, "-o", "json")
    assert (changed.code, "DNC001" in changed.out) == (1, True)


def test_good_manifests_are_exit_0(netdoc: Netdoc, file: Any) -> None:
    assert netdoc("check", "--from", file(GOOD)).code == 0


def test_pod_in_a_manifest_is_not_held_to_be_unready(netdoc: Netdoc, file: Any) -> None:
    pod = "---\nkind: Pod\nmetadata: {name: web-1, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: web}]}\n"
    assert netdoc("check", "--from", file(GOOD.partition("---")[0] + pod)).code == 0


def test_advice_never_counts_unless_asked_for(netdoc: Netdoc, file: Any) -> None:
    path = file(recorded(make_node("n2", unschedulable=True)), "x.json")
    assert netdoc("check", "--from", path).code == 0
    assert netdoc("check", "--from", path, "--fail-on", "info").code == 1


def test_check_that_crashes_is_a_row_and_exit_4(netdoc: Netdoc, file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.load()

    def crash(facts: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    broken = tuple(msgspec.structs.replace(c, analyse=crash) if c.id == "nodes_ready" else c for c in known.checks)
    monkeypatch.setattr(registry, "load", lambda: registry.Registry(broken))
    done = netdoc("check", "--from", file(recorded(make_service("web", selector={"a": "b"}))), "-o", "json")
    states = {result["check"]: result["state"] for result in json.loads(done.out)["results"]}
    assert states["nodes_ready"] == "crashed"
    assert states["service_config"] in ("warn", "fail")
    assert done.code == 4


def test_bug_in_netdoc_is_one_line_too(netdoc: Netdoc, file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kubectl_netdoc.engine.run.run", lambda *_: 1 / 0)
    done = netdoc("check", "--from", file(GOOD))
    assert (done.code, done.out, done.err.count("\n")) == (4, "", 1)


def test_machine_formats_are_parseable_and_the_same(netdoc: Netdoc, file: Any) -> None:
    path = file(BAD)
    as_json, as_yaml = (netdoc("check", "--from", path, "-o", name) for name in ("json", "yaml"))
    assert as_json.err == as_yaml.err == ""
    first, second = json.loads(as_json.out), yaml.safe_load(as_yaml.out)
    assert [finding["code"] for finding in first["findings"]] == [finding["code"] for finding in second["findings"]] != []
    assert first["netdoc_report"] == second["netdoc_report"]


def test_warnings_go_to_stderr_and_leave_stdout_clean(netdoc: Netdoc, file: Any) -> None:
    done = netdoc("check", "--from", file(GOOD + "---\nkind: Gadget\n"), "-o", "json")
    assert json.loads(done.out)
    assert done.err.count("\n") == 1


def test_list_is_the_same_in_every_format(netdoc: Netdoc) -> None:
    text, as_json, as_yaml = (netdoc("list", "-o", name).out for name in ("text", "json", "yaml"))
    assert json.loads(as_json) == yaml.safe_load(as_yaml)
    codes = [code["id"] for check in json.loads(as_json) for code in check["codes"]]
    assert all(code in text for code in codes)
    assert codes


def test_every_check_and_code_has_a_page(netdoc: Netdoc) -> None:
    for name in (*(check.id for check in registry.load().checks), *registry.load().codes, "NET001"):
        for written in (name, name.lower(), name.upper()):
            done = netdoc("explain", written)
            assert (done.code, done.err) == (0, "")
            assert name in done.out


def test_schema_is_one_of_the_report(netdoc: Netdoc) -> None:
    assert "Report" in json.loads(netdoc("schema").out)["$ref"]


@pytest.mark.parametrize(
    "verb", ["check", "collect", "explain", "history", "list", "policy", "schema", "version", "watch", "why"]
)
def test_every_verb_has_help(netdoc: Netdoc, verb: str) -> None:
    done = netdoc(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert netdoc(verb, "-h").out == done.out
    assert verb in netdoc("--help").out


# As a process


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command imports."""
    script = (
        "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
        "from kubectl_netdoc.cli.main import entry; entry()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, timeout=LONGEST, check=False, text=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["version"],
        ["list"],
        ["explain", "DNC001"],
        ["schema"],
        ["check", "--help"],
        ["policy", "diff", "--help"],
        ["why", "--help"],
    ],
    ids=repr,
)
def test_what_needs_no_cluster_does_not_import_a_client(arguments: list[str]) -> None:
    modules = imported(*arguments)
    assert "click" in modules
    assert not modules & {"kubernetes", "urllib3", "websocket", "rich", "dns"}
    assert "msgspec" not in modules or arguments[0] in ("list", "explain", "schema")


def test_file_is_checked_without_importing_a_client(file: Any) -> None:
    assert not imported("check", "--from", str(file(GOOD))) & {"kubernetes", "urllib3", "websocket"}


def test_bad_input_as_a_process(tmp_path: Path) -> None:
    complaint(process("check", home=tmp_path), 2)
    complaint(process("check", "--from", "-", stdin=b"\xff\xfe"), 2)
    complaint(process("chekc"), 2)
    complaint(process("check", "--kubeconfig", kubeconfig(tmp_path, "127.0.0.1:1")), 3)


def test_reader_that_goes_away_is_no_error(file: Any) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "kubectl_netdoc", "check", "--from", str(file(BAD))],
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=LONGEST,
            check=False,
        )
    finally:
        os.close(write)
    assert done.stderr == b""


# What is asked for by name


@pytest.mark.parametrize(
    "arguments",
    [
        ["--external", ""],
        ["--external", "https://example.com"],
        ["--external", "example.com:443"],
        ["--external", "example.com/x"],
        ["--external", "exa mple.com"],
        ["--external", "-x.example"],
        ["--external", "a..b"],
        ["--external", "256.1.1.1"],
        ["--external", "10.0.0"],
        ["--external", "10.0.0.0/8"],
        ["--external", "fe80::1%eth0"],
        ["--external", "x" * 64 + ".example"],
        ["--external", ".".join(["x" * 60] * 5)],
        ["--external", "bücher.example"],
        ["--external", "example.com,"],
        ["--service", ""],
        ["--service", "a/b/c"],
        ["--service", "shop/"],
        ["--service", "/web"],
        ["--service", "Web"],
        ["--service", "svc web"],
        ["-l", "app in web"],
        ["-l", "app=web,"],
        ["-l", "="],
        ["--nodes", "pool in edge"],
        ["--nodes", "-1"],
        ["--nodes", "0"],
        ["--nodes", "\u00b2"],
    ],
    ids=repr,
)
@pytest.mark.parametrize("verb", ["check", "collect"])
def test_what_can_not_be_meant_is_one_line(netdoc: Netdoc, verb: str, arguments: list[str]) -> None:
    assert arguments[0] in complaint(netdoc(verb, *arguments), 2)


@pytest.mark.parametrize(
    "name",
    ["example.com", "example.com.", "EXAMPLE.com", "_sip._tcp.example.com", "localhost", "192.0.2.1", "2001:db8::1", "a.b,c.d"],
)
def test_what_is_outside(netdoc: Netdoc, file: Any, name: str) -> None:
    done = netdoc("check", "--from", file(recorded()), "--external", name, "-o", "json")
    assert done.code == 0
    unseen = [item["what"] for item in json.loads(done.out)["unseen"]]
    assert unseen == [f"--external {part}" for part in name.split(",")]


SHOP = (make_service("web", labels={"app": "web"}), make_service("db"))


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--service", "wbe"], "shop/web"),
        (["--service", "shop/wbe"], "shop/web"),
        (["-l", "app=nothing"], "app=nothing"),
        (["-n", "other", "--service", "web"], "namespace other"),
    ],
)
def test_service_that_is_not_there(netdoc: Netdoc, file: Any, arguments: list[str], hint: str) -> None:
    assert hint in complaint(netdoc("check", "--from", file(recorded(*SHOP)), *arguments), 2)


def test_live_service_that_is_not_there(live: Netdoc, api: FakeApi) -> None:
    api.lists("/api/v1/services", thing("web", "shop", spec={"ports": [{"port": 80}]}))
    assert "shop/web" in complaint(live("--service", "wbe"), 2)
    assert "Service shop/web only" in live("--service", "web").out


def test_scope_of_a_bundle_is_as_the_flags_say(netdoc: Netdoc, file: Any) -> None:
    path = file(recorded(*SHOP))
    assert "Service shop/web only" in netdoc("check", "--from", path, "--service", "web").out
    assert "Services with app!=x only" in netdoc("check", "--from", path, "-l", "app!=x").out
    assert "namespace shop" in netdoc("check", "--from", path, "-n", "shop").out
    complaint(netdoc("check", "--from", path, "-n", "shop", "-A"), 2)


@pytest.mark.parametrize(("wanted", "code"), [(True, 4), (False, 0)], ids=["could not measure", "was not to measure"])
def test_a_run_that_was_to_measure_and_could_not_is_not_0(netdoc: Netdoc, tmp_path: Path, wanted: bool, code: int) -> None:
    content = json.loads((Path(__file__).parents[1] / "bundles" / "healthy.json").read_text())
    content |= {"debug_pods": [], "host_pods": [], "exchanges": []}
    content |= {"wanted": wanted, "why_not": "you may not create a namespace for debug pods"}
    (tmp_path / "bundle.json").write_text(json.dumps(content))
    assert netdoc("check", "--from", tmp_path / "bundle.json").code == code
