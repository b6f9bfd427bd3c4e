# SPDX-License-Identifier: Apache-2.0
"""The lists against an API server that answers in pages, refuses, fails, and says strange things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster, Listing, Unavailable
from kubectl_netdoc.core.finding import Grant
from kubectl_netdoc.records import container_settings
from kubectl_netdoc.records.base import Kind
from kubectl_netdoc.records.cni import NETWORK_LOG
from kubectl_netdoc.records.kinds import (
    COREFILE,
    DNS_LOG,
    ENDPOINT_SLICE,
    EVENT,
    JOB,
    KINDS,
    NATIVE_POLICIES,
    NODE,
    POD,
    SERVICE,
)
from kubectl_netdoc.records.services import EndpointSlice, Service
from kubectl_netdoc.sources import SourceError
from kubectl_netdoc.sources.live import decoding, lists
from kubectl_netdoc.sources.live.client import ApiError
from tests.support import discovery
from tests.support.kubeconfigs import EVERYWHERE, TOKEN, FakeApi, client, thing

PODS = "/api/v1/pods"
NODES = "/api/v1/nodes"
SERVICES = "/api/v1/services"
Read = Callable[..., Cluster]


def within(namespace: str, plural: str = "pods") -> str:
    """Return the path of a namespace's list."""
    return f"/api/v1/namespaces/{namespace}/{plural}"


def page(*objects: dict[str, Any], more: str = "") -> dict[str, Any]:
    """Return one page of a list."""
    return {"items": list(objects), "metadata": {"continue": more}}


@pytest.fixture
def read(api: FakeApi, tmp_path: Path) -> Read:
    """Read kinds from the server."""

    def read(*kinds: Kind[Any], namespaces: tuple[str, ...] = (), **options: Any) -> Cluster:
        return lists.read(client(tmp_path, api.url, **options), kinds, namespaces)

    return read


def names(cluster: Cluster, kind: Kind[Any]) -> list[str]:
    """Return the names in a listing that could be had."""
    return [item.name for item in cluster.all(kind)]


def why(cluster: Cluster, kind: Kind[Any]) -> Unavailable:
    """Return why a listing could not be had."""
    listing = cluster.listing(kind)
    assert isinstance(listing, Unavailable)
    return listing


def refused(read: Read, *kinds: Kind[Any], **options: Any) -> SourceError:
    """Return the error of a read that can't go on, which is one line and never shows the token."""
    with pytest.raises(SourceError) as caught:
        read(*kinds, **options)
    assert "\n" not in str(caught.value)
    assert TOKEN not in str(caught.value)
    return caught.value


# Pages


def test_pages_are_put_together(api: FakeApi, read: Read) -> None:
    api.answer(f"{PODS}?continue=second", page(thing("b", "shop"), more="third"))
    api.answer(f"{PODS}?continue=third", page(thing("c", "shop")))
    api.answer(PODS, page(thing("a", "shop"), more="second"))
    assert names(read(POD), POD) == ["a", "b", "c"]
    assert [request.params for request in api.seen(PODS)] == [
        {"limit": "500"},
        {"limit": "500", "continue": "second"},
        {"limit": "500", "continue": "third"},
    ]


def test_no_value_of_a_variable_is_kept_once_lists_are_read(api: FakeApi, read: Read) -> None:
    spec = {"containers": [{"name": "c", "env": [{"name": "DB_URL", "value": "postgres://me:hidden@db.shop.svc/x"}]}]}
    api.lists(PODS, thing("a", "shop", spec=spec))
    (pod,) = read(POD).all(POD)
    assert [target.host for target in pod.spec.containers[0].targets] == ["db.shop.svc"]
    assert container_settings.kept.cache_info().currsize == 0


def test_expired_continue_token_reads_all_again_in_one(api: FakeApi, read: Read) -> None:
    api.answer(f"{PODS}?continue=old", [410, {"reason": "Expired"}])
    api.answer(f"{PODS}?limit=500", page(thing("a", "shop"), more="old"))
    api.answer(PODS, page(thing("a", "shop"), thing("b", "shop")))
    assert names(read(POD), POD) == ["a", "b"]


def test_server_that_expires_everything_is_not_asked_for_ever(api: FakeApi, read: Read) -> None:
    api.answer(PODS, [410, {"message": "too old"}])
    assert "410" in why(read(NODE, POD), POD).reason
    assert len(api.seen(PODS)) == 2


def test_page_that_leads_to_itself_ends(api: FakeApi, read: Read) -> None:
    api.answer(PODS, page(thing("a", "shop"), more="same"))
    assert why(read(NODE, POD), POD).reason


def test_error_on_the_second_page_loses_the_list_and_not_half_of_it(api: FakeApi, read: Read) -> None:
    api.answer(f"{PODS}?continue=next", 500)
    api.answer(PODS, page(thing("a", "shop"), more="next"))
    assert "500" in why(read(NODE, POD), POD).reason


def test_events_are_read_by_selector_and_put_together(api: FakeApi, read: Read) -> None:
    for number, selector in enumerate(EVENT.selectors):
        api.answer(f"/api/v1/events?fieldSelector={selector}", page(thing(f"e{number}", "shop")))
    assert sorted(names(read(EVENT), EVENT)) == [f"e{number}" for number in range(len(EVENT.selectors))]
    assert len(api.seen("/api/v1/events")) == len(EVENT.selectors)


# Refusals


def test_one_refused_list_is_unavailable_with_the_least_rule(api: FakeApi, read: Read) -> None:
    api.refuse(NODES)
    api.lists(PODS, thing("a", "shop"))
    cluster = read(NODE, POD)
    assert why(cluster, NODE).grant == Grant("list", "nodes")
    assert names(cluster, POD) == ["a"]
    assert cluster.scope.namespaces == ()


def test_rule_names_the_group_and_the_namespaces_asked_for(api: FakeApi, read: Read) -> None:
    api.refuse("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices")
    cluster = read(NODE, ENDPOINT_SLICE, namespaces=("shop",))
    assert why(cluster, ENDPOINT_SLICE).grant == Grant("list", "endpointslices", "discovery.k8s.io", "shop")


def test_object_read_by_name_needs_get_on_that_name(api: FakeApi, read: Read) -> None:
    api.refuse("/api/v1/namespaces/kube-system/configmaps/coredns")
    grant = why(read(NODE, COREFILE), COREFILE).grant
    assert grant is not None
    assert (grant.verb, grant.resource, grant.namespace) == ("get", "configmaps", "kube-system")
    assert "coredns" in grant.names


def test_object_read_by_name_that_is_not_there_is_no_error(api: FakeApi, read: Read) -> None:
    api.answer("/api/v1/namespaces/kube-system/configmaps/coredns", thing("coredns", "kube-system", data={"Corefile": ". {\n}"}))
    assert names(read(NODE, COREFILE), COREFILE) == ["coredns"]


def test_refused_cluster_wide_falls_back_to_the_namespace_of_the_context(api: FakeApi, read: Read) -> None:
    api.refuse(PODS, SERVICES, NODES)
    api.lists(within("shop"), thing("mine", "shop"))
    api.lists(within("shop", "services"), thing("web", "shop"))
    api.lists(within("kube-system"), thing("dns", "kube-system"))
    api.lists(within("kube-system", "services"), thing("kube-dns", "kube-system"))
    cluster = read(NODE, POD, SERVICE)
    assert names(cluster, POD) == ["mine", "dns"]
    assert names(cluster, SERVICE) == ["web", "kube-dns"]
    assert cluster.scope.namespaces == ("shop",)
    assert why(cluster, NODE).grant == Grant("list", "nodes")


def test_namespace_of_which_not_every_list_is_permitted_is_left_out(api: FakeApi, read: Read) -> None:
    api.lists(SERVICES, thing("web", "shop"), thing("other", "else"), thing("kube-dns", "kube-system"))
    api.refuse(PODS, within("kube-system"))
    api.lists(within("shop"), thing("mine", "shop"))
    cluster = read(NODE, POD, SERVICE)
    assert names(cluster, SERVICE) == ["web"], "a Service whose pods could not be read looks as if it had none"
    assert names(cluster, POD) == ["mine"]


def test_cluster_dns_is_read_beside_the_namespace_asked_for(api: FakeApi, read: Read) -> None:
    for plural in ("pods", "services"):
        api.lists(within("shop", plural), thing("web", "shop"))
        api.lists(within("kube-system", plural), thing("dns", "kube-system"))
    cluster = read(NODE, POD, SERVICE, namespaces=("shop",))
    assert names(cluster, POD) == names(cluster, SERVICE) == ["web", "dns"]
    assert api.seen(PODS) == []


def test_cluster_dns_that_may_not_be_read_whole_is_not_half_there(api: FakeApi, read: Read) -> None:
    for plural in ("pods", "services"):
        api.lists(within("shop", plural), thing("web", "shop"))
    api.refuse(within("kube-system"))
    api.lists(within("kube-system", "services"), thing("kube-dns", "kube-system"))
    cluster = read(NODE, POD, SERVICE, namespaces=("shop",))
    assert names(cluster, POD) == names(cluster, SERVICE) == ["web"]


def test_namespace_asked_for_that_is_refused_is_unavailable(api: FakeApi, read: Read) -> None:
    api.lists(within("shop"), thing("web", "shop"))
    api.refuse(within("bank"))
    assert why(read(NODE, POD, namespaces=("shop", "bank")), POD).grant == Grant("list", "pods", "", "shop,bank")


def test_every_list_refused_is_the_end_with_exit_code_3(api: FakeApi, read: Read) -> None:
    api.refuse(*EVERYWHERE, within("shop"), within("kube-system"), "/version")
    error = refused(read, NODE, POD)
    assert error.exit_code == 3
    assert str(Grant("list", "nodes")) in str(error)


OTHER = "openshift-dns"


def test_of_network_agents_only_the_logs_of_containers_that_are_not_ready_are_read(api: FakeApi, read: Read) -> None:
    for namespace in {namespace for namespace, _ in NETWORK_LOG.logs} - {"kube-flannel"}:
        api.lists(within(namespace))
    well, ill = [{"name": "agent", "ready": True}], [{"name": "agent", "ready": False}, {"name": "beside", "ready": True}]
    pods = [thing(name, "kube-flannel", status={"containerStatuses": each}) for name, each in (("well", well), ("ill", ill))]
    api.lists(within("kube-flannel"), *pods)
    api.answer(within("kube-flannel", "pods/ill/log"), b"E0101 10:00:00.1 1 main.go:1] no such backend")
    cluster = read(NETWORK_LOG)
    assert names(cluster, NETWORK_LOG) == ["ill"]
    (request,) = api.seen(within("kube-flannel", "pods/ill/log"))
    assert request.params["container"] == "agent"
    assert [item.last_words for item in cluster.all(NETWORK_LOG)] == ["main.go:1] no such backend"]


@pytest.mark.parametrize(("there", "readable"), [((), True), ((OTHER,), False), (None, False)], ids=["absent", "there", "?"])
@pytest.mark.parametrize(("kind", "path"), [(COREFILE, "configmaps/dns-default"), (DNS_LOG, "pods")], ids=["object", "log"])
def test_refusal_in_a_namespace_that_is_not_there_is_none(
    api: FakeApi, read: Read, monkeypatch: pytest.MonkeyPatch, kind: Kind[Any], path: str, there: Any, readable: bool
) -> None:
    """RBAC refuses before it looks: who has a role in kube-system only is refused in a namespace of other distributions too."""
    known = frozenset(there) if there is not None else None
    monkeypatch.setattr(lists, "existing", lambda *_: known)  # kmock can't serve /api/v1/namespaces
    api.lists(within("kube-system"), thing("coredns-1", "kube-system"))
    api.answer(within("kube-system", "pods/coredns-1/log"), b"[INFO] all is well")
    api.answer(within("kube-system", "configmaps/coredns"), thing("coredns", "kube-system", data={"Corefile": ".:53 {}"}))
    api.refuse(within(OTHER, path))
    cluster = read(NODE, kind)
    assert cluster.readable(kind) is readable
    if not readable:
        assert why(cluster, kind).grant is not None


def test_kind_that_is_not_found_though_discovery_names_it_is_no_kind_that_is_not_there(api: FakeApi, read: Read) -> None:
    api.answer("/apis", discovery.aggregated({JOB.api: [JOB.plural]}))
    api.answer("/apis/batch/v1/jobs", 404)
    cluster = read(NODE, JOB)
    assert not why(cluster, JOB).by_design
    assert why(cluster, JOB).grant is None


# Servers that can't be used


CILIUM, CALICO = NATIVE_POLICIES[0], NATIVE_POLICIES[2]


def test_extension_that_is_not_served_is_by_design_and_is_not_asked_for(api: FakeApi, read: Read) -> None:
    api.answer("/apis", discovery.aggregated(discovery.plurals({"apps/v1", CALICO.api})))
    api.refuse(f"{CILIUM.path}/{CILIUM.plural}")
    cluster = read(NODE, CILIUM, CALICO)
    assert why(cluster, CILIUM).by_design
    assert cluster.readable(CALICO)
    assert api.seen(f"{CILIUM.path}/{CILIUM.plural}") == []


@pytest.mark.parametrize("answer", [403, 500, b"no json"])
def test_where_discovery_fails_extensions_are_asked_for(api: FakeApi, read: Read, answer: Any) -> None:
    api.answer("/apis", answer)
    api.refuse(f"{CILIUM.path}/{CILIUM.plural}")
    assert why(read(NODE, CILIUM), CILIUM).grant is not None


def test_discovery_is_not_asked_where_nothing_needs_it(api: FakeApi, read: Read) -> None:
    read(NODE)
    assert api.seen("/apis") == []


def test_unauthorized_is_the_end_with_exit_code_3(api: FakeApi, read: Read) -> None:
    api.answer("/version", [401, {"message": "Unauthorized"}])
    error = refused(read, NODE)
    assert error.exit_code == 3
    assert "lab" in str(error)


def test_unauthorized_lists_behind_an_open_version_are_the_end(api: FakeApi, read: Read) -> None:
    for path in EVERYWHERE:
        api.answer(path, 401)
    assert refused(read, NODE, POD).exit_code == 3


def test_forbidden_version_is_no_obstacle(api: FakeApi, read: Read) -> None:
    api.refuse("/version")
    api.lists(NODES, thing("n1"))
    cluster = read(NODE)
    assert (cluster.server, names(cluster, NODE)) == ("", ["n1"])


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"", b"[]", b"{}", b'{"gitVersion": "\xff"}', b"[" * 50_000, b"{" * 9])
def test_server_that_is_no_kubernetes_is_the_end(api: FakeApi, read: Read, body: bytes) -> None:
    api.answer("/version", body)
    assert refused(read, NODE).exit_code == 3


def test_nothing_listens(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        lists.read(client(tmp_path, "http://127.0.0.1:1"), (NODE,), ())
    assert caught.value.exit_code == 3


def test_refused_connection_is_no_timeout(tmp_path: Path) -> None:
    with pytest.raises(ApiError) as caught:
        client(tmp_path, "http://127.0.0.1:1", request_timeout=9).get("/version")
    assert (caught.value.status, caught.value.timed_out) == (0, False)


def test_request_timeout_ends_a_slow_version(api: FakeApi, read: Read) -> None:
    api.answer("/version", api.never)
    error = refused(read, NODE, request_timeout=0.2)
    assert error.exit_code == 3
    assert "--request-timeout" in str(error)


def test_request_timeout_ends_one_slow_list(api: FakeApi, read: Read) -> None:
    api.answer(NODES, api.never)
    api.lists(PODS, thing("a", "shop"))
    cluster = read(NODE, POD, request_timeout=0.5)
    assert isinstance(cluster.listing(NODE), Unavailable)
    assert why(cluster, NODE).grant is None
    assert names(cluster, POD) == ["a"]


# Objects


def test_undecodable_object_is_unseen_and_the_others_are_there(api: FakeApi, read: Read) -> None:
    bad = thing("bad", "shop", spec={"ports": [{"port": "eighty"}]})
    api.lists(SERVICES, thing("a", "shop"), bad, thing("c", "shop"))
    listing = read(SERVICE).listing(SERVICE)
    assert isinstance(listing, Listing)
    assert [item.name for item in listing.items] == ["a", "c"]
    assert [(item.what, item.expected) for item in listing.undecodable] == [("Service shop/bad", True)]


@pytest.mark.parametrize("odd", [b'{"metadata": {"name": "\xff"}}', b'{"metadata": {"name": 5}}', b"5", b"null", b"[]"])
def test_object_that_is_none_is_unseen(api: FakeApi, read: Read, odd: bytes) -> None:
    api.answer(SERVICES, b'{"items": [{"metadata": {"name": "a"}}, ' + odd + b"]}")
    listing = read(NODE, SERVICE).listing(SERVICE)
    assert isinstance(listing, Listing)
    assert [item.name for item in listing.items] == ["a"]
    assert len(listing.undecodable) == 1


@pytest.mark.parametrize("body", [b'{"items": 5}', b"[]", b"<html>", b'{"items": [' + b"[" * 50_000, b'{"items": [{"metadata"'])
def test_list_that_is_none_is_unavailable(api: FakeApi, read: Read, body: bytes) -> None:
    api.answer(SERVICES, body)
    assert why(read(NODE, SERVICE), SERVICE).grant is None


def test_null_list_is_empty(api: FakeApi, read: Read) -> None:
    api.answer(SERVICES, {"items": None, "metadata": {"continue": None}})
    assert names(read(SERVICE), SERVICE) == []


def decoded(kind: Kind[Any], value: dict[str, Any]) -> Any:
    """Decode an object as one of a list."""
    return decoding.decode(kind, msgspec.json.encode(value))


def test_null_arrays_and_maps_count_as_absent() -> None:
    nulls = {"name": "a", "namespace": "shop", "labels": None, "annotations": None, "ownerReferences": None}
    item: EndpointSlice = decoded(ENDPOINT_SLICE, {"metadata": nulls, "endpoints": None, "ports": None})
    assert (item.name, item.endpoints, item.ports, item.metadata.labels) == ("a", (), (), {})


def test_null_deep_inside_counts_as_absent() -> None:
    conditions = {"ready": None, "serving": None}
    item: EndpointSlice = decoded(
        ENDPOINT_SLICE, {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions, "targetRef": None}], "ports": []}
    )
    assert item.endpoints[0].conditions.ready
    assert item.endpoints[0].target_ref is None


def test_null_beside_real_values_does_not_lose_them() -> None:
    ports = [{"port": 80, "targetPort": "http", "name": None}]
    item: Service = decoded(SERVICE, {"metadata": {"name": "a"}, "spec": {"selector": None, "ports": ports}})
    assert item.spec.selector == {}
    assert [(port.port, port.target_port, port.name) for port in item.spec.ports] == [(80, "http", "")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_kind_decodes_from_nothing_and_from_nulls(kind: Kind[Any]) -> None:
    assert decoded(kind, {}) == decoded(kind, {"metadata": None, "spec": None, "status": None, "data": None})


# Who asks


def test_impersonation_and_token_are_sent_with_every_request(api: FakeApi, read: Read) -> None:
    read(NODE, as_user="jane", as_groups=("devs", "ops"))
    for path in ("/version", NODES):
        headers = api.seen(path)[0]._raw_request.headers
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["Impersonate-User"] == "jane"
        assert headers.getall("Impersonate-Group") == ["devs", "ops"]


def test_nobody_is_impersonated_without_asking(api: FakeApi, read: Read) -> None:
    read(NODE)
    assert not [name for name in api.seen(NODES)[0].headers if name.startswith("Impersonate")]


@pytest.mark.parametrize("token", [f"{TOKEN}\nX-Evil: 1", f"{TOKEN}\r", f"{TOKEN}\x00", f"{TOKEN}é"])
def test_token_that_no_header_can_hold_is_never_shown(api: FakeApi, tmp_path: Path, token: str) -> None:
    with pytest.raises((ApiError, SourceError)) as caught:
        client(tmp_path, api.url, token=token).get("/version")
    assert TOKEN not in str(caught.value)
    assert api.seen("/version") == []


def test_calls_and_bytes_are_counted(api: FakeApi, tmp_path: Path) -> None:
    asking = client(tmp_path, api.url)
    body = asking.get("/version")
    assert (asking.usage.calls, asking.usage.bytes) == (1, len(body))
