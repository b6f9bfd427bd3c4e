# SPDX-License-Identifier: Apache-2.0
"""What the user asked for: held against what is there, kept by bundles, told in the report; what is left out is said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from kubectl_netdoc.core.cluster import Cluster, Scope, Selection, Unavailable
from kubectl_netdoc.core.facts import Measured
from kubectl_netdoc.core.report import Report
from kubectl_netdoc.engine import registry, scope
from kubectl_netdoc.engine.run import run
from kubectl_netdoc.measurements.connect import Connect
from kubectl_netdoc.measurements.requests import Request
from kubectl_netdoc.probes import service_targets
from kubectl_netdoc.records.kinds import NAMESPACE, SERVICE
from kubectl_netdoc.records.label_selector import parse
from kubectl_netdoc.sources import SourceError, bundle
from kubectl_netdoc.sources.namespace_filter import Within
from kubectl_netdoc.testing import Built, make_cluster, make_namespace, make_node, make_service, make_slice

THINGS = (
    make_namespace("shop"),
    make_namespace("kube-system"),
    make_service("web", labels={"app": "web"}, selector={"app": "web"}),
    make_service("web-admin", labels={"app": "web", "tier": "back"}),
    make_service("db"),
    make_service("dns", "kube-system"),
)


def cluster(*objects: Built, namespaces: tuple[str, ...] = (), origin: str = "live", **more: Any) -> Cluster:
    """Return a cluster, some namespaces of which were asked for."""
    made = make_cluster(*(objects or THINGS), origin=origin, **more)
    made.scope = Scope(namespaces, "as asked" if namespaces else "")
    return made


def settled(wanted: Selection, **more: Any) -> Cluster:
    """Return a cluster that got this selection."""
    made = cluster(**more)
    scope.settle(made, wanted)
    return made


def chosen(made: Cluster) -> list[str]:
    """Names of the Services that are looked at."""
    return [service.name for service in made.services()]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["web", "web-admin", "db", "dns"]),
        (Selection(services=("web",)), ["web"]),
        (Selection(services=("shop/web", "kube-system/dns")), ["web", "dns"]),
        (Selection(labels=parse("app=web")), ["web", "web-admin"]),
        (Selection(labels=parse("app=web,!tier")), ["web"]),
        (Selection(labels=parse("tier notin (back)")), ["web", "db", "dns"]),
        (Selection(services=("web", "db"), labels=parse("app")), ["web"]),
    ],
)
def test_which_services_are_looked_at(selection: Selection, names: list[str]) -> None:
    assert chosen(settled(selection)) == names


def test_services_of_other_namespaces_are_not_in_scope() -> None:
    assert chosen(cluster(namespaces=("shop",))) == ["web", "web-admin", "db"]


@pytest.mark.parametrize(
    ("selection", "namespaces", "hint"),
    [
        (Selection(services=("wbe",)), (), "shop/web"),
        (Selection(services=("shpo/web",)), (), "shop/web"),
        (Selection(services=("default/web",)), (), "shop/web"),
        (Selection(services=("zzzzzz",)), (), "kube-system/dns"),
        (Selection(services=("web", "nope")), (), "nope"),
        (Selection(services=("dns",)), ("shop",), "namespace shop"),
        (Selection(labels=parse("app=none")), (), "app=none"),
        (Selection(services=("db",), labels=parse("app")), (), "db"),
        (Selection(), ("shpo",), "shop"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_nearest(selection: Selection, namespaces: tuple[str, ...], hint: str) -> None:
    with pytest.raises(SourceError) as caught:
        settled(selection, namespaces=namespaces)
    assert caught.value.exit_code == 2
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_lists_are_missing_nothing_is_known_to_be_missing() -> None:
    gone = {kind: Unavailable("forbidden") for kind in (SERVICE, NAMESPACE)}
    settled(Selection(services=("web",)), namespaces=("shop",), unavailable=gone)


def test_a_namespace_that_was_fallen_back_to_is_no_wish() -> None:
    made = cluster()
    made.scope = Scope(("gone",), "cluster-wide lists are forbidden")
    scope.settle(made, None)


@pytest.mark.parametrize(
    ("selection", "namespaces", "words"),
    [
        (Selection(), (), "the whole cluster"),
        (Selection(services=("web",)), (), "Service shop/web only"),
        (Selection(services=("web", "db")), (), "Services shop/web, shop/db only"),
        (Selection(labels=parse("app=web")), (), "Services with app=web only"),
        (Selection(services=("web",)), ("shop",), "namespace shop (as asked), Service shop/web only"),
    ],
)
def test_scope_in_words(selection: Selection, namespaces: tuple[str, ...], words: str) -> None:
    assert scope.in_words(settled(selection, namespaces=namespaces)) == words


# Bundles


def report(of: bytes, selection: Selection | None = None, namespaces: tuple[str, ...] = ()) -> Report:
    """Return the report on a bundle."""
    known = registry.load()
    source = bundle.load(of, "x")
    return run(Within(source, namespaces) if namespaces else source, known, known.checks, selection=selection).report


def recorded(selection: Selection) -> bytes:
    """Return a bundle of a run with this selection."""
    return bundle.dump("x", settled(selection), Measured(why_unmeasured="no"), {})


def test_a_bundle_keeps_its_wishes() -> None:
    asked = Selection(("dns_config",), ("example.com",), ("web",), parse("app in (web),!gone"))
    made = bundle.load(recorded(asked), "x").cluster(())
    assert made.selection == asked
    assert report(recorded(Selection(services=("web",)))).coverage.scope == "Service shop/web only"


def test_one_wish_does_not_end_another() -> None:
    made = bundle.load(recorded(Selection(external=("example.com",), services=("web",))), "x").cluster(())
    scope.settle(made, Selection(services=("db",)))
    assert (made.selection.external, made.selection.services) == (("example.com",), ("db",))


@pytest.mark.parametrize(
    ("asked", "missing", "kept"),
    [
        (("example.com",), [], ("example.com",)),
        (("Example.COM.",), [], ("example.com",)),
        (("other.example",), ["--external other.example"], ("example.com",)),
        (("example.com", "192.0.2.1"), ["--external 192.0.2.1"], ("example.com",)),
    ],
)
def test_what_a_bundle_did_not_measure_is_a_remark(asked: tuple[str, ...], missing: list[str], kept: tuple[str, ...]) -> None:
    content = recorded(Selection(external=("example.com",)))
    made = bundle.load(content, "x").cluster(())
    assert [item.what for item in scope.settle(made, Selection(external=asked))] == missing
    assert made.selection.external == kept
    told = report(content, Selection(external=asked)).unseen
    assert [(item.what, item.expected) for item in told] == [(what, False) for what in missing]


def test_a_live_run_measures_what_is_asked() -> None:
    made = cluster()
    assert scope.settle(made, Selection(external=("example.com",))) == ()
    assert made.selection.external == ("example.com",)


def test_a_bundle_is_cut_to_namespaces_as_a_live_cluster_is() -> None:
    source = Within(bundle.load(recorded(Selection()), "x"), ("kube-system",))
    made = source.cluster(())
    assert {service.namespace for service in made.all(SERVICE)} == {"kube-system"}
    assert {item.name for item in made.all(NAMESPACE)} == {"shop", "kube-system"}
    assert report(recorded(Selection()), namespaces=("shop",)).coverage.scope == "namespace shop (as asked)"
    with pytest.raises(SourceError):
        report(recorded(Selection()), namespaces=("shpo",))


# Large clusters


def services(count: int, backends: int) -> list[Built]:
    """So many Services with so many ready endpoints each."""
    made: list[Built] = [make_node("n1")]
    for number in range(count):
        addresses = {f"10.{number // 250}.{number % 250}.{n + 1}": f"p{number}-{n}" for n in range(backends)}
        ip = f"10.96.{number // 250}.{number % 250}"
        made += [make_service(f"s{number}", cluster_ip=ip), slice_(f"s{number}", addresses)]
    return made


def slice_(service: str, addresses: dict[str, str]) -> Built:
    """A slice whose port is that of ``make_service``."""
    kind, item = make_slice(service, addresses=addresses)
    whole = msgspec.to_builtins(item)
    whole["ports"][0]["name"] = "p80"
    return kind, msgspec.convert(whole, kind.record)


def planned(made: Cluster) -> list[Request]:
    """The connects that the plan would have of one node."""
    return [
        request
        for target in service_targets.targets(made)
        for request in (*target.through("n1"), *(connect for _, connect in target.direct("n1")))
    ]


def said(made: Cluster, requests: Iterable[Request]) -> dict[str, str]:
    """What is said to be left out."""
    items = list(scope.left_out(made, requests))
    assert not any(item.expected for item in items)
    return {item.what: item.reason for item in items}


@pytest.mark.parametrize(
    ("count", "backends", "what"),
    [
        (3, 2, set()),
        (service_targets.MOST_PORTS, service_targets.MOST_ENDPOINTS, set()),
        (service_targets.MOST_PORTS + 1, 1, {"ports of Services"}),
        (3, service_targets.MOST_ENDPOINTS + 1, {"endpoints of Services"}),
        (200, 6, {"ports of Services", "endpoints of Services"}),
    ],
)
def test_what_is_sampled_is_said(count: int, backends: int, what: set[str]) -> None:
    made = make_cluster(*services(count, backends), vantages=("n1",))
    assert set(said(made, planned(made))) == what


def test_numbers_are_those_of_the_plan() -> None:
    made = make_cluster(*services(200, 6), vantages=("n1",))
    told = said(made, planned(made))
    assert told["ports of Services"].startswith("only 60 of 200,")
    assert told["endpoints of Services"].startswith("only 240 of 360 ")


def test_nothing_is_said_where_services_were_not_measured() -> None:
    made = make_cluster(*services(200, 6), vantages=("n1",))
    assert said(made, []) == {}
    assert said(made, [Connect("n1", target.cluster_ips[0]) for target in service_targets.all_targets(made)[:2]]) == {}
