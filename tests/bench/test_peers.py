# SPDX-License-Identifier: Apache-2.0
"""The peers of bench/peers: what they print is read whole, and the judge takes what names the fault, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.peers import PEERS, SLOW, Answer, Complaint, Peer
from bench.peers.judge import Judged, judge, key, keys
from bench.peers.table import habit
from lab.faults.model import Expected, Fault, Subject, load, on, pairs

RECORDED = Path(__file__).parent / "peers"
WEB = Complaint("NO-ENDPOINTS", "service/shop/web", "error", "No pods match")


def answer(*complaints: Complaint) -> Answer:
    return Answer(1.0, 0, complaints)


def about(kind: str, name: str, namespace: str = "", node: str = "", like: str = "service-selector-nothing") -> Fault:
    return replace(load(like), expect=(Expected("X", Subject(kind, namespace, name, node)),))


def judged(complaint: Complaint, fault: Fault) -> Judged:
    return judge(answer(complaint), frozenset(), [fault])


def test_names_and_versions_are_pinned() -> None:
    names = [peer.name for peer in (*PEERS, *SLOW)]
    assert len(set(names)) == len(names)
    assert all(peer.version.strip("v").replace(".", "").isdigit() for peer in (*PEERS, *SLOW))
    assert all(peer.shown.startswith(peer.binary or peer.name) for peer in (*PEERS, *SLOW))


def test_right_where_a_new_complaint_names_the_subject() -> None:
    assert judge(answer(WEB), frozenset(), [load("service-selector-nothing")]) == Judged(
        right=True, first=True, wrong=0, new=1, by="NO-ENDPOINTS service/shop/web: No pods match", complaints=(WEB,)
    )


def test_what_it_says_of_the_healthy_lab_too_is_no_news() -> None:
    baseline = keys([answer(), answer(WEB)])
    assert judge(answer(WEB), baseline, [load("service-selector-nothing")]) == Judged(right=False, first=False, wrong=0, new=0)


def test_a_pod_that_takes_anothers_place_is_no_news_nor_is_a_number() -> None:
    old = Complaint("LIMITS", "pods/shop/web-5d78c9869d-x7k2p", "warning", "no limits, restarted 1 times")
    new = Complaint("LIMITS", "pods/shop/web-7c65d6cfc9-bz9qv", "warning", "no limits, restarted 12 times")
    assert key(old) == key(new)
    assert key(old) != key(replace_subject(new, "pods/shop/client"))
    assert key(replace_subject(old, "pods/kube-system/kube-proxy-x7k2p")) == key(
        replace_subject(new, "pods/kube-system/kube-proxy-bz9qv")
    )


def replace_subject(complaint: Complaint, subject: str) -> Complaint:
    return Complaint(complaint.check, subject, complaint.severity, complaint.message)


@pytest.mark.parametrize(
    "subject",
    ["service/shop/web", "services/shop/web", "Service/shop/web", "deployments/shop/web", "pods/shop/web-7c65d6cfc9-bz9qv"],
)
def test_named_by_namespace_and_name_whatever_the_kind(subject: str) -> None:
    assert judged(replace_subject(WEB, subject), load("service-selector-nothing")).right


@pytest.mark.parametrize("message", ["Service web has no endpoints", "Service 'web' is empty", "see shop/web, please"])
def test_named_in_a_sentence(message: str) -> None:
    assert judged(Complaint("c", "", "warning", message), load("service-selector-nothing")).right


@pytest.mark.parametrize(
    "subject", ["service/shop/web-np", "service/other/web-np", "pods/shop/client", "service/myshop/webs", "web", "Ingress/a/b"]
)
def test_another_name_is_wrong(subject: str) -> None:
    got = judged(replace_subject(WEB, subject), load("service-selector-nothing"))
    assert (got.right, got.first, got.wrong) == (False, False, 1)


def test_info_that_names_something_else_is_advice() -> None:
    other = Complaint("TIP", "pods/shop/client", "info", "no labels")
    got = judge(answer(other, WEB), frozenset(), [load("service-selector-nothing")])
    assert (got.right, got.first, got.wrong, got.new) == (True, True, 0, 2)


def test_first_goes_by_the_tools_own_severity() -> None:
    small = Complaint("c", "pods/shop/client", "warning", "m")
    fault = load("service-selector-nothing")
    assert judge(answer(small, WEB), frozenset(), [fault]).first
    worse = Complaint("c", "pods/shop/client", "critical", "m")
    got = judge(answer(WEB, worse), frozenset(), [fault])
    assert (got.right, got.first, got.wrong) == (True, False, 1)


def test_a_node_is_named_and_not_one_whose_name_begins_like_it() -> None:
    fault = about("Node", "np-worker")
    assert judged(Complaint("c", "node/np-worker", "error", "m"), fault).right
    assert judged(Complaint("c", "", "error", "np-worker -> 10.244.1.2 failed"), fault).right
    assert not judged(Complaint("c", "node/np-worker2", "error", "m"), fault).right
    assert not judged(Complaint("c", "pod/kube-system/etcd-np-worker", "error", "m"), fault).right


def test_either_node_of_a_pair_on_a_lab_of_any_name() -> None:
    fault = on(load("overlay-port-dropped"), "np")
    assert judged(Complaint("c", "node/np-worker", "error", "m"), fault).right
    assert judged(Complaint("c", "node/np-worker2", "error", "m"), fault).right
    assert not judged(Complaint("c", "node/np-control-plane", "error", "m"), fault).right


@pytest.mark.parametrize(
    "subject", ["Deployment/kube-system/coredns", "service/kube-system/kube-dns", "pod/kube-system/coredns-7c65d6cfc9-bz9qv"]
)
def test_any_part_of_dns_stands_for_it(subject: str) -> None:
    assert judged(Complaint("c", subject, "error", "m"), load("coredns-zero")).right
    assert not judged(Complaint("c", subject, "error", "m"), load("service-selector-nothing")).right


def test_what_is_taken_besides() -> None:
    complaint = Complaint("c", "pods/kube-system/kube-proxy-x7k2p", "error", "CrashLoopBackOff")
    assert judged(complaint, load("kube-proxy-crashes")).right
    assert not judged(complaint, load("node-forward-drop")).right


def test_of_a_pair_of_faults_both_have_to_be_named() -> None:
    both = [load("service-selector-nothing"), load("coredns-zero")]
    dns = Complaint("c", "Deployment/kube-system/coredns", "error", "m")
    assert not judge(answer(WEB), frozenset(), both).right
    got = judge(answer(WEB, dns), frozenset(), both)
    assert (got.right, got.wrong) == (True, 0)


def test_silent_on_a_healthy_variant() -> None:
    assert judge(answer(), frozenset(), []).right
    assert judge(answer(Complaint("c", "s", "info", "m")), frozenset(), []).right
    assert not judge(answer(WEB), frozenset(), []).right


def test_every_name_that_is_taken_besides_is_of_a_fault_that_there_is() -> None:
    from bench.peers.judge import ACCEPT

    for name in ACCEPT:
        load(name)
    assert all(pair.faults for pair in pairs())


def recorded(peer: Peer, name: str) -> Answer:
    return answer(*peer.parse((RECORDED / f"{peer.name}.{name}.json").read_text()))


@pytest.mark.parametrize("peer", [peer for peer in PEERS if list(RECORDED.glob(f"{peer.name}.*"))], ids=lambda peer: peer.name)
def test_recorded_on_the_lab_without_the_selector(peer: Peer) -> None:
    fault = load("service-selector-nothing")
    said = recorded(peer, fault.name)
    about_web = [complaint for complaint in said.complaints if judged(complaint, fault).right]
    assert {"POP-1100", "SVC-001", "service-endpoints"} & {complaint.check for complaint in about_web}
    others = [complaint for complaint in said.complaints if complaint not in about_web]
    habits = keys([answer(*others)])
    got = judge(said, habits, [fault])
    assert (got.right, got.first, got.wrong, got.new) == (True, True, 0, len(about_web))
    assert not judge(answer(*others), frozenset(), [fault]).right
    assert not judge(said, habits, [load("coredns-zero")]).right


def test_recorded_severities() -> None:
    said = {peer.name: recorded(peer, "service-selector-nothing") for peer in PEERS if peer.name != "k8sgpt"}
    assert {name: {complaint.severity for complaint in one.complaints} for name, one in said.items()} == {
        "popeye": {"error", "warning", "info"},
        "k8s-netinspect": {"warning"},
        "cluster-probe": {"warning"},
    }


def test_a_check_that_fires_on_the_healthy_lab_as_well_is_told_apart() -> None:
    assert habit("POP-106 pods/shop/guard: No limits", frozenset({"POP-106 pods/shop/web-* No limits"}))
    assert not habit("SVC-001 service/shop/web: m", frozenset({"POP-106 pods/shop/web-* No limits"}))
    assert not habit("", frozenset({"POP-106 pods/shop/web-* No limits"}))
