# SPDX-License-Identifier: Apache-2.0
"""Completion as people use it: kubectl's protocol asked by a real kubectl, and real shells at a terminal of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubectl_netdoc.cli import complete
from kubectl_netdoc.cli.main import VERBS, main
from kubectl_netdoc.engine import registry
from kubectl_netdoc.report import FORMATS
from tests.support.api_server import api_server
from tests.support.commandline import LONGEST, complaint, process
from tests.support.kubeconfigs import kubeconfig, thing
from tests.support.terminal import Terminal

PROGRAMS = Path(sys.executable).parent
"""Where pip put the programs of this environment."""


def completed(*words: str) -> tuple[list[str], int]:
    """Return what kubectl is told, without the help, and the directive."""
    *lines, last = complete.for_kubectl(main, list(words)).splitlines()
    return [line.partition("\t")[0] for line in lines], int(last.removeprefix(":"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], set(VERBS)),
        (["expl"], {"explain"}),
        (["check", "dns_c"], {"dns_config"}),
        (["check", "dns_config", "kube_proxy_m"], {"kube_proxy_mode"}),
        (["check", "--only", "dns_config,node_l"], {"dns_config,node_links", "dns_config,node_load"}),
        (["collect", "--skip=dns_c"], {"dns_config"}),
        (["check", "--ignore", "dnc00"], {name for name in registry.load().codes if name.startswith("DNC00")}),
        (["explain", "DNC001"], {"DNC001"}),
        (["explain", "dns_c"], {"dns_config"}),
        (["check", "-o", ""], set(FORMATS)),
        (["check", "-A", "--fail-on", ""], {"fail", "warn", "info", "never"}),
        (["policy", ""], {"connections", "coverage", "diff"}),
        (["policy", "connections", "-o", "mer"], {"mermaid"}),
        (["check", "--request-t"], {"--request-timeout"}),
        (["completion", ""], set(complete.SHELLS)),
        (["check", "--image", ""], set()),
        (["nosuch", "-"], {"-h", "--help"}),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list) else "",
)
def test_words_complete(words: list[str], expected: set[str]) -> None:
    values, directive = completed(*words)
    assert (set(values), directive) == (expected, complete.NO_FILE)


def test_a_threshold_waits_for_its_number() -> None:
    names = {f"{one.id}.{each.name}=" for one in registry.load().checks for each in one.thresholds}
    values, directive = completed("check", "--threshold", "")
    assert (set(values), directive) == (names, complete.NO_FILE + complete.NO_SPACE)


@pytest.mark.parametrize(
    "words", [["check", "--from", ""], ["collect", "x"], ["policy", "diff", "--with", "a"], ["diff", "old", ""]], ids=" ".join
)
def test_files_are_the_shells_to_complete(words: list[str]) -> None:
    assert completed(*words) == ([], complete.ANY_FILE)


def test_names_of_the_kubeconfig_need_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also from several files, one that is none among them; a name that a shell would expand is not handed to it."""
    (tmp_path / "one").write_text(yaml.safe_dump({"contexts": [{"name": "prod"}], "users": [{"name": "me@prod"}]}))
    names = ["arn:aws:eks:eu:1:cluster/x", "$(touch /tmp/x)", "a b", "`id`", "prod"]
    (tmp_path / "two").write_text(yaml.safe_dump({"contexts": [{"name": name} for name in names]}))
    (tmp_path / "bad").write_text("{")
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(str(tmp_path / name) for name in ("one", "bad", "not-there", "two")))
    assert completed("check", "--context", "")[0] == ["prod", "arn:aws:eks:eu:1:cluster/x"]
    assert completed("check", "--user=m")[0] == ["me@prod"]
    assert completed("check", "--kubeconfig", str(tmp_path / "two"), "--context", "pr")[0] == ["prod"]


def test_namespaces_are_the_clusters(tmp_path: Path) -> None:
    with api_server() as server:
        server.lists["/api/v1/namespaces"] = [thing("shop"), thing("shelf"), thing("kube-system")]
        flags = ["--kubeconfig", str(kubeconfig(tmp_path, server.url))]
        assert completed("check", *flags, "-n", "sh")[0] == ["shelf", "shop"]
        assert completed("policy", "coverage", *flags, "-n", "kube")[0] == ["kube-system"]
        assert completed("check", *flags, "--pod-namespace", "s")[0] == ["shelf", "shop"]
        assert completed("check", *flags, "--from", "bundle.json", "-n", "") == ([], complete.NO_FILE)
        assert server.verbs() == {"get"}


# With a real kubectl


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def environment(config: Path | str = "") -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("KUBECONFIG", "NETDOC_DEBUG")}
    return kept | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "KUBECONFIG": str(config), "TERM": "dumb", "HOME": "/nonexistent"}


def kubectl(config: Path | str, *words: str) -> tuple[list[str], str]:
    """Return what the real kubectl makes of a command line, and all that is not its own on stderr."""
    done = subprocess.run(
        [PROGRAMS / "kubectl", "__complete", "netdoc", *words],
        env=environment(config),
        input="typed by somebody\n",
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=True,
    )
    foreign = [line for line in done.stderr.splitlines() if not line.startswith(("[Debug]", "Completion ended"))]
    return [line.partition("\t")[0] for line in done.stdout.splitlines()], "".join(foreign)


def test_kubectl_asks_the_plugin() -> None:
    assert kubectl("", "check", "dns_c") == (["dns_config", ":4"], "")
    assert kubectl("", "check", "--from", "") == ([":0"], "")


def test_a_link_to_the_program_does_as_well(tmp_path: Path) -> None:
    """Where something else than pip has installed it."""
    link = tmp_path / complete.EXECUTABLE
    link.symlink_to(PROGRAMS / "kubectl-netdoc")
    done = subprocess.run([link, "check", "dns_c"], capture_output=True, text=True, timeout=LONGEST, check=True)
    assert (done.stdout.splitlines()[-1], done.stdout.startswith("dns_config"), done.stderr) == (":4", True, "")


def test_a_cluster_that_does_not_answer_is_silence(tmp_path: Path, deaf: int) -> None:
    for port in (deaf, 1):
        config = kubeconfig(tmp_path, f"https://127.0.0.1:{port}")
        assert kubectl(config, "check", "-n", "") == ([":4"], "")
        assert kubectl(config, "check", "--context", "") == (["lab", ":4"], "")


@pytest.mark.parametrize("script", ["echo password: >&2; read answer; echo got:$answer >{}", "echo got: >{}; sleep 120"])
def test_a_credential_plugin_gets_no_terminal_and_not_forever(tmp_path: Path, script: str) -> None:
    config, told = kubeconfig(tmp_path, "https://127.0.0.1:1"), tmp_path / "told"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", script.format(told)]}
    content = yaml.safe_load(config.read_text())
    content["users"][0]["user"] = {"exec": plugin | {"interactiveMode": "IfAvailable"}}
    config.write_text(yaml.safe_dump(content))
    assert kubectl(config, "check", "-n", "") == ([":4"], "")
    assert told.read_text() == "got:\n"


# With real shells


SHELLS: dict[str, tuple[list[str], str]] = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; "),
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> Iterator[tuple[str, Terminal]]:
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} on this machine: apt-get install {request.param}")
    command, prepare = SHELLS[request.param]
    terminal = Terminal(command, environment())
    terminal.type(f"{prepare}PS1='> '; echo re''ady\n")
    assert terminal.shows("ready"), terminal.screen
    yield request.param, terminal
    terminal.close()


def test_click_completes_the_program(shell: tuple[str, Terminal]) -> None:
    name, terminal = shell
    terminal.type(f"source <(kubectl-netdoc completion {name}); echo so''urced\n")
    assert terminal.shows("sourced"), terminal.screen
    terminal.type("kubectl-netdoc check dns_c\t")
    assert terminal.shows("dns_config"), terminal.screen
    assert "not found" not in terminal.screen


def test_kubectl_completes_the_plugin(shell: tuple[str, Terminal]) -> None:
    name, terminal = shell
    library = Path("/usr/share/bash-completion/bash_completion")
    if name == "bash" and not library.exists():
        pytest.skip("kubectl's own completion of bash needs the package bash-completion")
    terminal.type((f"source {library}; " if name == "bash" else "") + f"source <(kubectl completion {name}); echo so''urced\n")
    assert terminal.shows("sourced"), terminal.screen
    terminal.type("kubectl netdoc check dns_c\t")
    assert terminal.shows("dns_config"), terminal.screen


@pytest.mark.parametrize("program", ["kubectl-netdoc", "kubectl netdoc"])
def test_fish(program: str) -> None:
    if not shutil.which("fish"):
        pytest.skip("no fish on this machine: apt-get install fish")
    script = "kubectl-netdoc completion fish" if "-" in program else "kubectl completion fish"
    done = subprocess.run(
        ["fish", "--no-config", "-c", f'{script} | source; complete -C "{program} check dns_c"'],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert "dns_config" in done.stdout.replace("\t", " ").split(), done.stderr


def test_unknown_shell_is_answered_with_the_nearest() -> None:
    assert "'bash'" in complaint(process("completion", "bsh"), 2)
