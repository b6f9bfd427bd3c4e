# SPDX-License-Identifier: Apache-2.0
"""Manifests: what is read of them, what is passed over with a warning, and files that mean harm."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kubectl_netdoc.cli.source import warn_on_stderr
from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.engine import registry
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.cni import CALICO_POOL, NETWORK_AGENT, NETWORK_CONFIG
from kubectl_netdoc.records.kinds import COREFILE, DEPLOYMENT, EVENT, KINDS, NODE, POD, REPLICA_SET, SERVICE
from kubectl_netdoc.records.kube_proxy import PROXY_CONFIG
from kubectl_netdoc.sources import SourceError, documents, manifests, offline
from kubectl_netdoc.testing import judge

SERVICE_YAML = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
"""


def source(text: str | bytes) -> tuple[manifests.ManifestSource, list[str]]:
    """Return the source in a text, and its warnings."""
    warnings: list[str] = []
    raw = text if isinstance(text, bytes) else text.encode()
    return manifests.ManifestSource("x.yaml", documents.parse(raw, "x.yaml"), warnings.append), warnings


def cluster(text: str | bytes, said: int = 0) -> Cluster:
    """Return the cluster in a text that nothing is to be said about, or so many things."""
    found, warnings = source(text)
    assert len(warnings) == said
    return found.cluster(tuple(KINDS.values()))


def names(of: Cluster, kind: Kind[Any]) -> list[tuple[str, str]]:
    """Return namespace and name of all objects of a kind."""
    return [(item.namespace, item.name) for item in of.all(kind)]


def refused(text: str | bytes) -> str:
    """Return the error for a text that is no manifest: one line, exit code 2."""
    with pytest.raises(SourceError) as caught:
        source(text)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def tried(text: str | bytes) -> manifests.ManifestSource | None:
    """Return the source in a text that may be good, or None where it is refused as it ought to be."""
    try:
        return source(text)[0]
    except SourceError as error:
        code = error.exit_code
    assert code == 2
    return None


def undecodable(of: Cluster, kind: Kind[Any]) -> int:
    """Return how many objects of a kind could not be decoded."""
    listing = of.listing(kind)
    assert isinstance(listing, Listing)
    assert all(item.expected for item in listing.undecodable)
    return len(listing.undecodable)


# What is read


def test_one_object() -> None:
    service = cluster(SERVICE_YAML).all(SERVICE)[0]
    assert (service.namespace, service.name) == ("shop", "web")
    assert [(port.port, port.target_port) for port in service.spec.ports] == [(80, "http")]


def test_json_is_read_as_well() -> None:
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": None}}
    assert names(cluster(json.dumps(document)), SERVICE) == [("default", "web")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON) | st.lists(JSON), st.sampled_from(["", "\n ", "\t"]))
def test_json_is_what_it_says(document: Any, blank: str) -> None:
    assert documents.parse(f"{blank}{json.dumps(document)}\n".encode(), "x") == [("x", document)]


def test_json_never_comes_to_the_yaml_parser_which_is_fifty_times_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the YAML parser was asked")

    monkeypatch.setattr(yaml, "parse", refuse)
    monkeypatch.setattr(yaml, "load_all", refuse)
    document = {"kind": "PodList", "items": [{"metadata": {"name": "p"}}]}
    assert names(cluster(json.dumps(document, indent=1)), POD) == [("default", "p")]
    with pytest.raises(AssertionError):
        cluster("kind: Pod\n")


@pytest.mark.parametrize("text", ["{kind: Pod, metadata: {name: p}}", '\ufeff{"kind": "Pod", "metadata": {"name": "p"}}'])
def test_what_begins_as_json_may_be_yaml(text: str) -> None:
    assert names(cluster(text), POD) == [("default", "p")]


def test_an_error_in_json_is_told_with_its_place() -> None:
    with pytest.raises(SourceError, match="line 3, column"):
        documents.parse(b'{"kind": "Pod",\n "metadata": {"name": "p"}\n "spec": {}}', "x")


@pytest.mark.parametrize(("levels", "read"), [(documents.DEEPEST, True), (documents.DEEPEST + 1, False), (900, False)])
def test_json_is_as_deep_as_yaml_may_be(levels: int, read: bool) -> None:
    for form in ("[", "{"):
        text = ("[" * levels + "]" * levels) if form == "[" else '{"a": ' * (levels - 1) + "{}" + "}" * (levels - 1)
        if read:
            assert len(documents.parse(text.encode(), "x")) == 1
        else:
            with pytest.raises(SourceError, match="deeper than"):
                documents.parse(text.encode(), "x")


def test_documents_in_one_file_empty_ones_among_them() -> None:
    text = "---\n" + SERVICE_YAML + "---\n---\n# nothing\n---\nkind: Pod\nmetadata: {name: p}\n...\n"
    assert names(cluster(text), SERVICE) == [("shop", "web")]
    assert names(cluster(text), POD) == [("default", "p")]


@pytest.mark.parametrize("wrapped", ["List", "ServiceList"])
def test_lists_are_taken_apart(wrapped: str) -> None:
    items = [yaml.safe_load(SERVICE_YAML), {"kind": "Service", "metadata": {"name": "other"}}]
    assert names(cluster(yaml.safe_dump({"kind": wrapped, "items": items})), SERVICE) == [("shop", "web"), ("default", "other")]


def test_items_of_a_typed_list_have_the_kind_of_the_list() -> None:
    text = yaml.safe_dump({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "p"}}, 5, None]})
    assert names(cluster(text), POD) == [("default", "p")]


def test_lists_of_lists_are_taken_apart() -> None:
    inner = {"kind": "List", "items": [{"kind": "Pod", "metadata": {"name": "p"}}]}
    assert names(cluster(yaml.safe_dump({"kind": "List", "items": [inner]})), POD) == [("default", "p")]


def test_default_namespace_is_for_namespaced_kinds_only() -> None:
    read = cluster("kind: Pod\nmetadata: {name: p}\n---\nkind: Node\nmetadata: {name: n}\n")
    assert names(read, POD) == [("default", "p")]
    assert names(read, NODE) == [("", "n")]


def test_object_of_another_group_is_not_taken_for_its_namesake() -> None:
    found, warnings = source(SERVICE_YAML + "---\n" + SERVICE_YAML.replace("v1", "serving.knative.dev/v1").replace("web", "fn"))
    assert names(found.cluster((SERVICE,)), SERVICE) == [("shop", "web")]
    assert len(warnings) == 1


@pytest.mark.parametrize(("version", "there"), [("apps/v1", True), ("extensions/v1beta1", False), (None, True)])
def test_group_of_a_deployment(version: str | None, there: bool) -> None:
    head = f"apiVersion: {version}\n" if version else ""
    found, warnings = source(f"{SERVICE_YAML}---\n{head}kind: Deployment\nmetadata: {{name: d}}\n")
    assert (names(found.cluster((DEPLOYMENT,)), DEPLOYMENT) == [("default", "d")]) is there
    assert bool(warnings) is not there


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if kind.authored and not (kind.names or kind.pointed)], ids=lambda kind: kind.name
)
def test_object_of_a_version_that_is_not_known_is_unseen_by_name(kind: Kind[Any]) -> None:
    """Its fields may mean something else, so it is not judged; and a folder that has one is not a folder without."""
    for group in kind.groups:
        version = f"{group}/v9" if group else "v9"
        text = f"apiVersion: {version}\nkind: {kind.written or kind.name}\nmetadata: {{name: strange}}\n"
        found, warnings = source(text)
        listing = found.cluster((kind,)).listing(kind)
        assert isinstance(listing, Listing)
        assert listing.items == ()
        assert [(version in each.reason, "strange" in each.what, each.expected) for each in listing.undecodable] == [(True,) * 3]
        assert [version in warning for warning in warnings] == [True]


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.also], ids=lambda kind: kind.name)
def test_object_of_any_version_that_is_known_is_read(kind: Kind[Any]) -> None:
    for api in kind.apis:
        spec = "{tier: Admin, priority: 1, subject: {namespaces: {}}}"
        text = f"apiVersion: {api}\nkind: {kind.written or kind.name}\nmetadata: {{name: known}}\nspec: {spec}\n"
        found, warnings = source(text)
        assert [name for _, name in names(found.cluster((kind,)), kind)] == ["known"]
        assert warnings == []


def test_unknown_kinds_are_passed_over_with_one_warning_a_kind() -> None:
    secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: aHVudGVyMg==}\n"
    found, warnings = source(SERVICE_YAML + secret * 3 + "---\njust: a mapping\n---\n- a\n- list\n")
    assert len([warning for warning in warnings if "Secret" in warning]) == 1
    assert len(warnings) == 2
    assert not any("hunter2" in warning or "aHVudGVyMg" in warning for warning in warnings)
    assert names(found.cluster((SERVICE,)), SERVICE) == [("shop", "web")]


def test_config_maps_other_than_those_of_cluster_dns_are_not_kept() -> None:
    text = "kind: ConfigMap\nmetadata: {name: NAME, namespace: kube-system}\ndata: {Corefile: '. {\n}', password: hunter2}\n"
    read = cluster(text.replace("NAME", "coredns") + "---\n" + text.replace("NAME", "mine"))
    assert names(read, COREFILE) == [("kube-system", "coredns")]


def test_kinds_that_only_a_cluster_has_are_unavailable_by_design_and_authored_ones_empty() -> None:
    read = cluster(SERVICE_YAML)
    missing = read.listing(EVENT)
    assert isinstance(missing, Unavailable)
    assert missing.by_design
    assert read.all(POD) == ()
    assert read.origin == "manifests"


def test_nothing_is_measured() -> None:
    found, _ = source(SERVICE_YAML)
    measured = found.measure(found.cluster((SERVICE,)), ())
    assert measured.replies == {}
    assert measured.vantages == ()
    assert measured.why_unmeasured


def test_object_of_the_wrong_types_is_unseen_and_the_others_are_there() -> None:
    read = cluster(SERVICE_YAML + "---\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: eighty}]}\n", said=1)
    assert names(read, SERVICE) == [("shop", "web")]
    assert undecodable(read, SERVICE) == 1


@pytest.mark.parametrize(
    "metadata", ["{name: 5}", "{name: yes}", "{name: web, labels: {a: 1}}", "[]", "web", "{name: !!binary aGVsbG8=}"]
)
def test_name_or_label_that_is_no_text_is_unseen(metadata: str) -> None:
    assert undecodable(cluster(f"kind: Pod\nmetadata: {metadata}\n", said=1), POD) == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ('"2026-01-01T10:00:00Z"', datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T12:00:00+02:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01 10:00:00", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("null", None),
    ],
)
def test_timestamps_are_read_and_have_a_zone(written: str, meant: datetime | None) -> None:
    pod = cluster(f"kind: Pod\nmetadata: {{name: p, creationTimestamp: {written}}}\n").all(POD)[0]
    assert pod.metadata.creation_timestamp == meant


def test_date_is_no_timestamp() -> None:
    assert undecodable(cluster("kind: Pod\nmetadata: {name: p, creationTimestamp: 2026-01-01}\n", said=1), POD) == 1


def test_anchors_and_merges_mean_what_they_mean_in_yaml() -> None:
    text = """
kind: List
items:
- &web
  kind: Service
  metadata: &meta {name: web, namespace: shop, labels: {app: web}}
  spec: &spec {selector: {app: web}, type: ClusterIP}
- <<: *web
  metadata: {<<: *meta, name: other}
  spec: {<<: [*spec, {type: LoadBalancer, externalName: x}], selector: {app: other}}
"""
    first, second = cluster(text).all(SERVICE)
    assert (first.name, second.name) == ("web", "other")
    assert (second.namespace, second.metadata.labels) == ("shop", {"app": "web"})
    assert (second.spec.type, second.spec.external_name, second.spec.selector) == ("ClusterIP", "x", {"app": "other"})


# Folders


def test_folder_is_read_with_its_subfolders_and_only_manifests(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.yaml").write_text(SERVICE_YAML)
    (tmp_path / "sub" / "b.yml").write_text(SERVICE_YAML.replace("web", "b"))
    (tmp_path / "sub" / "c.json").write_text(json.dumps({"kind": "Pod", "metadata": {"name": "p"}}))
    (tmp_path / "README.md").write_text("kind: Pod\nmetadata: {name: readme}\n")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("[core]\n")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.yaml").mkdir()
    warnings: list[str] = []
    read = offline.read(tmp_path, warnings.append).cluster((SERVICE, POD))
    assert sorted(name for _, name in names(read, SERVICE)) == ["b", "web"]
    assert names(read, POD) == [("default", "p")]
    assert ["README.md" in warning for warning in warnings] == [True]


def test_object_that_is_there_twice_is_told_and_the_last_counts(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE_YAML + "---\n" + SERVICE_YAML.replace("web}", "other}").replace("web", "b"))
    (tmp_path / "b.yaml").write_text(SERVICE_YAML.replace("app: web", "app: late"))
    warnings: list[str] = []
    read = offline.read(tmp_path, warnings.append).cluster((SERVICE,))
    assert {(item.name, item.spec.selector["app"]) for item in read.all(SERVICE)} == {("web", "late"), ("b", "other")}
    assert len(warnings) == 1


def test_file_in_a_folder_that_is_no_yaml_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SERVICE_YAML)
    (tmp_path / "chart.yaml").write_text("{{ if .Values.x }}\nkind: Pod\n{{ end }}\n")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\xff\xfe")
    warnings: list[str] = []
    read = offline.read(tmp_path, warnings.append).cluster((SERVICE,))
    assert names(read, SERVICE) == [("shop", "web")]
    assert len(warnings) == 2


@pytest.mark.parametrize("content", [None, "just: values\n", "{{ nothing }}\n", ""])
def test_folder_without_objects_is_an_error(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "values.yaml").write_text(content)
    with pytest.raises(SourceError) as caught:
        offline.read(tmp_path, lambda _: None)
    assert caught.value.exit_code == 2


def test_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        offline.read(tmp_path / "x.yaml", lambda _: None)
    assert caught.value.exit_code == 2


# What is no manifest


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n---\n---\n",
        b"just text",
        b"5",
        b"- a\n- b\n",
        b"a: [b",
        b"a: b: c",
        b"\tkind: Pod",
        b"kind: Pod\nmetadata: *nowhere\n",
        b"kind: !!python/object/apply:os.system [id]\n",
        b"kind: !mine x\n",
        b"%YAML 9.9\n---\na: 1\n",
        b"kind: 5\n",
        b"kind: [Pod]\n",
        b"\xff\xfe\x00\x01 not text",
        b"\x00\x01\x02",
        b"\x1b[31mred\n",
        b"<html><body>502 Bad Gateway</body></html>\n",
    ],
    ids=repr,
)
def test_text_without_an_object_is_an_error(text: bytes) -> None:
    refused(text)


@pytest.mark.parametrize(
    "scalar",
    [
        "!!int ''",
        "!!float ''",
        "!!int x",
        "!!bool maybe",
        "!!timestamp never",
        "2026-13-45",
        "2026-01-01T00:00:00+99:99",
        "9" * 5000,
        "!!binary '*'",
        "!!omap [1]",
        "!!set [1]",
        "!!pairs {a: 1}",
        "{[a]: b}",
        "{<<: 5}",
        "!!str [a]",
    ],
)
def test_scalar_that_is_not_what_it_says_is_an_error_or_unseen(scalar: str) -> None:
    found = tried(f"kind: Pod\nmetadata: {{name: {scalar}}}\n")
    assert found is None or undecodable(found.cluster((POD,)), POD) == 1


@given(st.text(st.sampled_from("abc:-&*<!?|>{}[],'\"#%@`\n \t0159"), max_size=60))
def test_any_text_is_an_error_or_read(text: str) -> None:
    tried(text)


@given(st.binary(max_size=120))
def test_any_bytes_are_an_error_or_read(raw: bytes) -> None:
    tried(raw)


# What means harm


def bomb(levels: int, line: str) -> str:
    """Return YAML in which each level refers to the one before ten times."""
    text = "a0: &a0 {k: v}\n"
    for level in range(1, levels):
        text += line.format(this=level, refs=", ".join([f"*a{level - 1}"] * 10))
    return text


def test_aliases_that_multiply_are_refused() -> None:
    refused(bomb(12, "a{this}: &a{this} [{refs}]\n") + "kind: Pod\nmetadata: {name: p}\n")


def test_merges_that_multiply_are_read_in_bounded_time() -> None:
    text = bomb(12, "a{this}: &a{this} {{<<: [{refs}]}}\n")
    assert names(cluster(text + "kind: Pod\nmetadata: {name: p}\n"), POD) == [("default", "p")]


def test_many_aliases_that_do_not_multiply_are_fine() -> None:
    pods = "\n".join(f"- {{kind: Pod, metadata: {{name: p{n}, labels: *labels}}}}" for n in range(500))
    text = f"kind: List\nitems:\n- {{kind: Pod, metadata: {{name: p, labels: &labels {{app: web}}}}}}\n{pods}\n"
    assert len(cluster(text).all(POD)) == 501


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "&a {kind: Pod, metadata: *a}",
        "kind: List\nitems: &a [*a]\n",
        "&a {kind: List, items: [*a, *a]}",
        "kind: Pod\nmetadata: &m {name: p, labels: {self: *m}}\n",
        "&a {<<: *a, kind: Pod}",
    ],
)
def test_alias_to_itself_ends(text: str) -> None:
    tried(text)


DEEP = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP,
        "[" * DEEP + "]" * DEEP,
        "{a: " * DEEP,
        "- " * DEEP + "x",
        "? " * DEEP + "x",
        '{"kind": "List", "items": [' * 5000 + "]}" * 5000,
    ],
    ids=["open", "arrays", "maps", "sequences", "keys", "lists"],
)
def test_deep_nesting_is_an_error(text: str) -> None:
    refused(text)


def test_depth_made_of_aliases_is_an_error() -> None:
    chain = "".join(f"x: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))
    refused(f"kind: Pod\nmetadata: {{name: p}}\nx: &a0 [1]\n{chain}")


def test_depth_of_a_real_manifest_is_fine() -> None:
    nested: dict[str, Any] = {"name": "p"}
    for _ in range(50):
        nested = {"name": "p", "x": nested}
    assert names(cluster(yaml.safe_dump({"kind": "Pod", "metadata": nested})), POD) == [("default", "p")]


def test_warning_can_not_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    warn_on_stderr("passed over: kind \x1b]0;evil\x07\n\u202e")
    assert [char for char in capsys.readouterr().err if not char.isprintable()] == ["\n"]


def test_what_more_is_read_of_one_object() -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {kube-proxy-replacement: "true", password: hunter2}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec: {template: {spec: {containers: [{name: kube-proxy, command: [kube-proxy, --proxy-mode=nftables]}]}}}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: v4}
spec: {cidr: 10.0.0.0/16, vxlanMode: Always}
"""
    found = cluster(text)
    assert {item.name: item.settings for item in found.all(NETWORK_CONFIG)} == {
        "cilium-config": {"kube-proxy-replacement": "true"}
    }
    assert [item.settings for item in found.all(NETWORK_AGENT)] == [{"proxy-mode": "nftables"}]
    assert [item.settings["vxlanMode"] for item in found.all(CALICO_POOL)] == ["Always"]
    assert not found.readable(PROXY_CONFIG)
    twice = cluster(text + "---" + text, 2)
    assert (len(twice.all(NETWORK_CONFIG)), len(twice.all(NETWORK_AGENT))) == (1, 1)


ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web, namespace: shop}
spec: {replicas: 2, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
"""
JOB_OF_ITS_OWN = """
apiVersion: example.org/v1
kind: Training
metadata: {name: web}
spec:
  parts:
    Worker: {template: {metadata: {labels: {app: web, part: worker}}, spec: {containers: [{name: c}]}}}
    Master: {template: {metadata: {labels: {app: web, part: master}}, spec: {containers: [{name: c}]}}}
"""
NO_PODS = """
apiVersion: example.org/v1
kind: Sealed
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}, type: Opaque}}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}
"""


@pytest.mark.parametrize(
    ("text", "said", "made"),
    [
        (ROLLOUT, 0, [("shop", {"app": "web"}, "Rollout")]),
        (
            JOB_OF_ITS_OWN,
            0,
            [
                ("default", {"app": "web", "part": "worker"}, "Training"),
                ("default", {"app": "web", "part": "master"}, "Training"),
            ],
        ),
        (SERVICE_YAML + "---" + NO_PODS, 1, []),
        (SERVICE_YAML + "---" + DEFINITION, 0, []),
    ],
    ids=["a Rollout", "templates deeper down", "a template of a Secret", "a definition"],
)
def test_what_another_kind_writes_out_as_a_pod_template_makes_pods(text: str, said: int, made: list[Any]) -> None:
    found = cluster(text, said).all(REPLICA_SET)
    assert [(o.namespace, o.template.metadata.labels, o.metadata.owner_references[0].kind) for o in found] == made


def test_of_a_workload_that_is_there_twice_either_may_count() -> None:
    """A base and the patch that gives its container a port (kustomize), or two releases side by side."""
    base = yaml.safe_load(ROLLOUT) | {"apiVersion": "apps/v1", "kind": "Deployment"}
    patch = json.loads(json.dumps(base))
    patch["spec"]["template"]["spec"]["containers"] = [{"name": "proxy", "ports": [{"name": "http", "containerPort": 80}]}]
    for both in ([base, patch], [patch, base]):
        found = cluster("\n---\n".join([SERVICE_YAML, *map(yaml.safe_dump, both)]), 1)
        assert sorted(len(item.template.spec.ports()) for item in found.all(DEPLOYMENT)) == [0, 1]
        assert judge(registry.load().choose(["service_config"])[0], found) == set()


@pytest.mark.parametrize(
    ("more", "said"), [({}, {("SVC003", "Service shop/web")}), ({"kustomization.yaml": "resources: [a.yaml]"}, set())]
)
def test_a_port_that_kustomize_may_add_is_unseen(tmp_path: Path, more: dict[str, str], said: set[tuple[str, str]]) -> None:
    base = yaml.safe_load(ROLLOUT) | {"apiVersion": "apps/v1", "kind": "Deployment"}
    (tmp_path / "a.yaml").write_text(f"{SERVICE_YAML}---\n{yaml.safe_dump(base)}")
    for name, text in more.items():
        (tmp_path / name).write_text(text)
    found = offline.read(tmp_path, lambda _: None).cluster(tuple(KINDS.values()))
    assert judge(registry.load().choose(["service_config"])[0], found) == said
