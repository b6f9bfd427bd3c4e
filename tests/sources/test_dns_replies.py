# SPDX-License-Identifier: Apache-2.0
"""What is made of a resolv.conf and of a DNS message: as resolv.conf(5) reads the one, and RFC 1035 the other."""

from __future__ import annotations

import base64

import dns.flags
import dns.message
import dns.rrset
import pytest

from kubectl_netdoc.measurements.base import Lost, Outcome, ResolvConfNameserver
from kubectl_netdoc.measurements.dns import DnsLookup, DnsReply, ResolvConf, ResolvConfReply
from kubectl_netdoc.measurements.requests import Reply
from kubectl_netdoc.sources import agent_protocol
from kubectl_netdoc.sources.agent_protocol.replies import MOST_RECORDS

LOOKUP = DnsLookup("n1", ResolvConfNameserver(), "web.shop.svc.cluster.local.", samples=3)


def read(text: str | bytes) -> Reply:
    """Return what a resolv.conf is read as."""
    encoded = base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()
    return agent_protocol.reply(ResolvConf("n1"), agent_protocol.AgentReply(samples=[["ok", 0.0, encoded]]))


def test_a_kubelets_resolv_conf() -> None:
    text = "search shop.svc.cluster.local svc.cluster.local\nnameserver 10.96.0.10\nnameserver fd00::a\noptions ndots:5 edns0\n"
    search = ("shop.svc.cluster.local", "svc.cluster.local")
    assert read(text) == ResolvConfReply(("10.96.0.10", "fd00::a"), search, ("ndots:5", "edns0"))


@pytest.mark.parametrize(
    ("text", "expect"),
    [
        ("", ResolvConfReply()),
        ("search a b\nsearch c\n", ResolvConfReply((), ("c",))),
        ("search a b\ndomain c\n", ResolvConfReply((), ("c",))),
        ("options ndots:2\noptions timeout:1\n", ResolvConfReply((), (), ("ndots:2", "timeout:1"))),
        ("# nameserver 1.1.1.1\n; search x\nnameserver 10.0.0.1 # ours\n", ResolvConfReply(("10.0.0.1",))),
        ("nameserver\nnameserver fe80::1%eth0\nnameserver 10.0.0.1", ResolvConfReply(("fe80::1", "10.0.0.1"))),
        ("sortlist 10.0.0.0\nnameserver\t10.0.0.1\r\n", ResolvConfReply(("10.0.0.1",))),
        (b"search \xff.example\n", ResolvConfReply((), ("\ufffd.example",))),
    ],
)
def test_a_resolv_conf_is_read_as_its_manual_has_it(text: str | bytes, expect: ResolvConfReply) -> None:
    assert read(text) == expect


@pytest.mark.parametrize(
    ("options", "ndots"),
    [((), 1), (("ndots:5",), 5), (("ndots:2", "edns0", "ndots:7"), 7), (("ndots:x",), 1), (("ndots",), 1), (("ndots:0",), 0)],
)
def test_ndots_is_the_last_one_that_is_given(options: tuple[str, ...], ndots: int) -> None:
    assert ResolvConfReply(options=options).ndots == ndots


def sample(*rrsets: dns.rrset.RRset, truncated: bool = False, ms: float = 1.0) -> list[object]:
    """Return an agent's sample with an answer of these records."""
    answer = dns.message.make_response(dns.message.make_query(str(LOOKUP.name), "A", id=7))
    answer.answer.extend(rrsets)
    answer.flags |= dns.flags.TC if truncated else 0
    return ["ok", ms, base64.b64encode(answer.to_wire()).decode()]


def heard(*samples: list[object]) -> DnsReply:
    """Return the reply that some samples are read as."""
    reply = agent_protocol.reply(LOOKUP, agent_protocol.AgentReply(to="10.96.0.10", samples=list(samples)))
    assert isinstance(reply, DnsReply)
    return reply


def records(owner: str, rtype: str, *data: str) -> dns.rrset.RRset:
    """Return records of one type and owner."""
    return dns.rrset.from_text(owner, 5, "IN", rtype, *data)


def test_records_are_the_data_of_all_answers_sorted_without_owners() -> None:
    alias = records("web.shop.svc.cluster.local.", "CNAME", "web.example.org.")
    reply = heard(sample(alias, records("web.example.org.", "A", "192.0.2.9", "192.0.2.1")))
    assert reply.records == ("A 192.0.2.1", "A 192.0.2.9", "CNAME web.example.org.")
    assert not reply.truncated
    assert reply.samples[0].answers == 3


def test_records_are_those_of_the_first_answer() -> None:
    first, second = (records("web.shop.svc.cluster.local.", "A", ip) for ip in ("192.0.2.1", "192.0.2.2"))
    reply = heard(["timeout", 1000.0], sample(first, truncated=True), sample(second, second))
    assert [s.outcome for s in reply.samples] == [Outcome.TIMEOUT, Outcome.OK, Outcome.OK]
    assert (reply.records, reply.truncated) == (("A 192.0.2.1",), True)


def test_the_size_is_that_of_the_message_on_the_wire() -> None:
    whole = sample(records("web.shop.svc.cluster.local.", "A", "192.0.2.1"))
    assert heard(whole).size == len(base64.b64decode(str(whole[2])))
    assert heard(["ok", 1.0, base64.b64encode(b"no answer").decode()], whole).size == heard(whole).size


def test_nothing_is_made_of_what_is_no_answer() -> None:
    query = base64.b64encode(dns.message.make_query("a.", "A").to_wire()).decode()
    reply = heard(["ok", 1.0, query], ["ok", 1.0, base64.b64encode(b"\0\1").decode()], ["refused", 0.1])
    assert [s.outcome for s in reply.samples] == [Outcome.MALFORMED, Outcome.MALFORMED, Outcome.REFUSED]
    assert (reply.records, reply.size, reply.truncated) == ((), 0, False)


def test_no_more_records_are_kept_than_the_most() -> None:
    many = records("web.shop.svc.cluster.local.", "A", *(f"10.1.{n // 250}.{n % 250}" for n in range(MOST_RECORDS + 50)))
    reply = heard(sample(many))
    assert len(reply.records) == MOST_RECORDS
    assert reply.samples[0].answers == MOST_RECORDS + 50


def test_a_resolv_conf_that_did_not_come_is_lost() -> None:
    assert isinstance(agent_protocol.reply(ResolvConf("n1"), agent_protocol.AgentReply(error="FileNotFoundError")), Lost)
