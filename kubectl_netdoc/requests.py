# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a place in the cluster, and what comes back.

A request is a frozen value that names symbolic places; equal requests of several checks are measured once.
Replies are typed: what the network did (ok, refused, timeout, unreachable …) is never mixed up with what happened
to the question on its way (``lost``).
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What became of one sample."""

    OK = "ok"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    PERMISSION = "permission"
    MALFORMED = "malformed"
    TOO_BIG = "too big"


class ResolvConfNameserver(Struct, frozen=True, tag="resolv.conf"):
    """The first nameserver of the debug pod's own resolv.conf, whatever that is."""


class Address(Struct, frozen=True, tag="address"):
    """A given IP address and port."""

    ip: str
    port: int = 53

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


class Peer(Struct, frozen=True, tag="peer"):
    """The echo server of this run's debug pod on ``node``; ``twin``: of the second one there, for the same-node path.

    ``closed``: a port of that pod on which nothing listens, as a control.
    """

    node: str
    twin: bool = False
    closed: bool = False


class OwnService(Struct, frozen=True, tag="own service"):
    """A Service of this run in front of all its echo servers; ``empty``: one without endpoints, as a control.

    ``sticky``: another one in front of them, with sessionAffinity ClientIP.
    """

    empty: bool = False
    sticky: bool = False


class OwnName(Struct, frozen=True, tag="own name"):
    """The DNS name of a Service of this run, in the cluster domain ``domain``."""

    service: OwnService
    domain: str


class DnsLookup(Struct, frozen=True, tag="dns"):
    """Ask ``server`` for ``name`` up to ``samples`` times, one after the other, from the debug pod on ``node``.

    ``timeout`` is per sample, in seconds; there is no retry, so that a lost packet is seen as one. A server that
    leaves ``give_up`` samples unanswered is not asked further: more would only cost time.
    ``parallel``: A and AAAA leave together from one socket, as a resolver sends them, and count as one sample.
    ``protocol``: UDP, or TCP with a connection for each sample. ``edns``: the size (bytes) that an OPT record offers, 0 for
    a query without one (RFC 6891). ``interval``: seconds from one sample to the next, which then does not wait for an answer
    and is asked beside other measurements: a server that stalls for a moment is met.
    """

    node: str
    server: ResolvConfNameserver | Address
    name: str | OwnName
    rtype: str = "A"
    samples: int = 10
    timeout: float = 1.0
    give_up: int = 2
    parallel: bool = False
    protocol: str = "UDP"
    edns: int = 0
    interval: float = 0.0


class ResolvConf(Struct, frozen=True, tag="read resolv.conf"):
    """Read the debug pod's own resolv.conf, which the kubelet makes for dnsPolicy ClusterFirst."""

    node: str
    timeout: float = 1.0


class Connect(Struct, frozen=True, tag="connect"):
    """Open a TCP connection and close it again: nothing is sent, and an accept proves only that something accepts.

    ``host``: from the node's own network namespace (nodes tier), here and in what follows.
    """

    node: str
    to: Address
    timeout: float = 2.0
    host: bool = False


class Echo(Struct, frozen=True, tag="echo"):
    """Reach an echo server of this run and have it prove itself by its nonce, ``samples`` times.

    TCP: ``size`` bytes come back after the proof. UDP: datagrams of ``size`` bytes go there and come back.
    ``wait``: seconds to go on for a first success, and on ``OwnService`` until every echo behind it has answered: such a
    Service is only just being set up. ``family``: ``IPv4`` or ``IPv6``; where it is not given, the place's first address.
    """

    node: str
    to: Peer | OwnService
    protocol: str = "TCP"
    size: int = 0
    samples: int = 1
    timeout: float = 1.0
    wait: float = 0.0
    family: str = ""
    host: bool = False


class PathMtu(Struct, frozen=True, tag="path MTU"):
    """Find the largest packet that gets from the debug pod on ``node`` to a peer whole, up to the pod's own MTU.

    UDP with IP_PMTUDISC_PROBE (ip(7)): packets leave unfragmented whatever the kernel believes of the path. One way: the
    peer's answers are small.
    """

    node: str
    to: Peer
    timeout: float = 0.5
    family: str = ""


class Burst(Struct, frozen=True, tag="burst"):
    """Send ``count`` small datagrams to a peer, one every ``interval`` seconds, and see how many come back and how fast.

    A round in which one gets lost is repeated once, so that what was lost by chance is told from what is lost again.
    """

    node: str
    to: Peer
    count: int = 40
    interval: float = 0.005
    timeout: float = 0.5
    family: str = ""


class HttpGet(Struct, frozen=True, tag="http"):
    """GET a page, and bring back those of its lines that begin with one of ``prefixes``.

    For the endpoints of the cluster's own machinery alone (CoreDNS's metrics, kube-proxy's health checks), never a workload.
    """

    node: str
    to: Address
    path: str = "/"
    prefixes: tuple[str, ...] = ()
    timeout: float = 2.0
    host: bool = False


class Certificate(Struct, frozen=True, tag="certificate"):
    """Make a TLS handshake and verify the server's certificate for ``name`` against the cluster's CA ``authority`` (PEM)."""

    node: str
    to: Address
    name: str
    authority: str
    timeout: float = 2.0


class Canary(Struct, frozen=True, tag="canary"):
    """Find out whether policies are enforced on ``node``: allowed, then denied, then allowed again, each way.

    The subject is a pod of its own on that node; the other ends are debug pods, there and on node ``other`` ("": none). A
    NetworkPolicy that selects the subjects alone denies everything to and from them, for a while.
    """

    node: str
    other: str = ""


class Rtnetlink(Struct, frozen=True, tag="rtnetlink"):
    """Nodes tier: read a node's links, addresses, routes, neighbours and forwarding database (rtnetlink(7), no capability)."""

    node: str
    timeout: float = 3.0


class Kernel(Struct, frozen=True, tag="kernel"):
    """Nodes tier: read a node's network settings, and its counters twice, ``seconds`` apart."""

    node: str
    seconds: float = 2.0
    timeout: float = 3.0


class Conntrack(Struct, frozen=True, tag="conntrack"):
    """Nodes tier where the kernel has /proc/net/nf_conntrack, else privileged tier: the tracked UDP flows to some addresses."""

    node: str
    to: tuple[str, ...]
    timeout: float = 3.0


class ServiceRules(Struct, frozen=True, tag="service rules"):
    """Privileged tier: the endpoints that the packet filter of a node sends the traffic of Services to."""

    node: str
    timeout: float = 3.0


class CniConfig(Struct, frozen=True, tag="CNI configuration"):
    """Privileged tier: what lies in a node's /etc/cni/net.d, where the file that sorts first is the one in use."""

    node: str
    timeout: float = 3.0


Probe = (
    DnsLookup
    | ResolvConf
    | Connect
    | Echo
    | Certificate
    | PathMtu
    | Burst
    | HttpGet
    | Rtnetlink
    | Kernel
    | Conntrack
    | ServiceRules
    | CniConfig
)
"""What the agent in a debug pod can be asked."""


OF_A_NODE = (Rtnetlink, Kernel, Conntrack, ServiceRules, CniConfig)
"""What a node is asked of itself, over no network."""


def on_host(request: Probe | Canary) -> bool:
    """Whether it is asked from a node's own network namespace, by the pod of the nodes tier there."""
    return isinstance(request, OF_A_NODE) or getattr(request, "host", False)


Request = Probe | Canary


class DnsSample(Struct, frozen=True, omit_defaults=True):
    """One answer: milliseconds from send to receipt (also of a failure), DNS response code and number of answers."""

    outcome: Outcome
    ms: float
    rcode: str = ""
    answers: int = 0


class DnsReply(Struct, frozen=True, tag="dns", omit_defaults=True):
    """All samples of one lookup, and the server's address where the request named it symbolically.

    Of the first answer: its ``records`` (sorted texts of the answer section's data, owner names left out), its size in bytes,
    and whether it was ``truncated`` (the TC bit).
    """

    server: str
    samples: tuple[DnsSample, ...]
    records: tuple[str, ...] = ()
    size: int = 0
    truncated: bool = False


class ResolvConfReply(Struct, frozen=True, tag="read resolv.conf", omit_defaults=True):
    """What a resolv.conf says: nameservers, search domains and options, in their order."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def ndots(self) -> int:
        """Dots from which on a name is tried as it is first; 1 where no option says so (resolv.conf(5))."""
        found = [option.partition(":")[2] for option in self.options if option.startswith("ndots:")]
        return int(found[-1]) if found and found[-1].isdigit() else 1


class ConnectReply(Struct, frozen=True, tag="connect", omit_defaults=True):
    """What became of a connection, and milliseconds until that was known."""

    outcome: Outcome
    ms: float


class EchoSample(Struct, frozen=True, omit_defaults=True):
    """One try: ``who`` is the node whose echo proved itself, ``source`` the address it saw us come from.

    ``impostor``: something answered, but not with the nonce. ``got``: bytes that came after the proof.
    ``itself``: it was the very pod that asked.
    """

    outcome: Outcome
    ms: float
    who: str = ""
    source: str = ""
    got: int = 0
    impostor: bool = False
    itself: bool = False


class EchoReply(Struct, frozen=True, tag="echo", omit_defaults=True):
    """All samples of an echo, and the address that was tried."""

    address: str
    samples: tuple[EchoSample, ...]


class CertificateReply(Struct, frozen=True, tag="certificate", omit_defaults=True):
    """Whether the handshake was made and the certificate verified; ``problem`` says why not."""

    outcome: Outcome
    ms: float
    verified: bool = False
    problem: str = ""


class PathMtuReply(Struct, frozen=True, tag="path MTU", omit_defaults=True):
    """The pod's ``own`` MTU and the largest packet that was ``carried``, in bytes with IP header; 0: none of any size.

    ``told``: the MTU that an ICMP "fragmentation needed" (or "packet too big") gave, 0 where none came of packets as large as
    ``own``. ``impostor``: something answered, but not the peer.
    """

    outcome: Outcome
    own: int
    carried: int = 0
    told: int = 0
    impostor: bool = False


class Round(Struct, frozen=True, omit_defaults=True):
    """Datagrams sent, and milliseconds of each that came back, in ascending order."""

    sent: int
    times: tuple[float, ...] = ()

    @property
    def lost(self) -> int:
        """How many did not come back."""
        return self.sent - len(self.times)


class BurstReply(Struct, frozen=True, tag="burst", omit_defaults=True):
    """The rounds of a burst: one, or two where something was lost in the first."""

    rounds: tuple[Round, ...]


class HttpReply(Struct, frozen=True, tag="http", omit_defaults=True):
    """What became of a GET: the HTTP status, and the lines that were asked for."""

    outcome: Outcome
    ms: float
    status: int = 0
    lines: tuple[str, ...] = ()


class Link(Struct, frozen=True, omit_defaults=True):
    """A network interface. ``kind``: what made it (``vxlan``, ``veth``, ``bridge`` …; nothing for hardware).

    ``addresses``: with prefix lengths. ``master``: the bridge or bond it belongs to. ``vni``, ``port``, ``local``: of a VXLAN.
    """

    name: str
    kind: str = ""
    mtu: int = 0
    up: bool = False
    mac: str = ""
    master: str = ""
    addresses: tuple[str, ...] = ()
    vni: int = 0
    port: int = 0
    local: str = ""


class KernelRoute(Struct, frozen=True, omit_defaults=True):
    """A route that is not the kernel's own for local addresses. ``to``: a prefix, such as ``10.244.2.0/24`` or ``0.0.0.0/0``.

    ``type``: ``unicast``, ``blackhole``, ``unreachable``, ``prohibit`` or ``throw``. ``table``: 254 is main. ``mtu``: 0 is the
    link's. ``on_link``: the gateway need not be in the link's own prefix. ``others``: the gateways of its further next hops,
    of one without a gateway its link.
    """

    to: str
    via: str = ""
    dev: str = ""
    type: str = "unicast"
    table: int = 254
    metric: int = 0
    mtu: int = 0
    protocol: int = 0
    on_link: bool = False
    others: tuple[str, ...] = ()


class Neighbour(Struct, frozen=True, omit_defaults=True):
    """An entry of the ARP or neighbour table. ``state``: ``permanent``, ``reachable``, ``stale``, ``failed`` …"""

    ip: str
    mac: str
    dev: str
    state: str


class Forwarding(Struct, frozen=True, omit_defaults=True):
    """An entry of a forwarding database: frames to ``mac`` leave ``dev``, through a tunnel to the node with address ``to``."""

    mac: str
    dev: str
    to: str = ""
    state: str = ""


class RtnetlinkReply(Struct, frozen=True, tag="rtnetlink", omit_defaults=True):
    """What the kernel of a node knows of its links and ways. ``cut``: there was more of something than is kept."""

    outcome: Outcome
    ms: float
    links: tuple[Link, ...] = ()
    routes: tuple[KernelRoute, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    forwarding: tuple[Forwarding, ...] = ()
    cut: bool = False


class KernelReply(Struct, frozen=True, tag="kernel", omit_defaults=True):
    """A node's network settings by their path under /proc/sys, and its counters as they were and ``seconds`` later.

    Counters: ``Tcp.RetransSegs`` (/proc/net/snmp, snmp6, netstat), ``conntrack.drop`` and ``arp_cache.entries``
    (/proc/net/stat, all CPUs together), ``softnet.dropped``, ``eth0.rx_dropped`` (/proc/net/dev), ``sockets.TCP.tw``
    (/proc/net/sockstat). ``release``: the kernel's. ``clock``: seconds that the node's clock is ahead of the API server's.
    """

    outcome: Outcome
    ms: float
    seconds: float = 0.0
    settings: dict[str, str] = {}
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    release: str = ""
    clock: float = 0.0


class Flow(Struct, frozen=True, omit_defaults=True):
    """A tracked flow: who sent, to which address, and who the answers are to come from, each as IP and port.

    ``replied``: an answer was seen. ``left``: seconds until it is forgotten.
    """

    source: Address
    to: Address
    answers: Address
    replied: bool = False
    left: int = 0


class ConntrackReply(Struct, frozen=True, tag="conntrack", omit_defaults=True):
    """The UDP flows to the addresses asked for. ``cut``: there were more."""

    outcome: Outcome
    ms: float
    flows: tuple[Flow, ...] = ()
    cut: bool = False


class ServiceRulesReply(Struct, frozen=True, tag="service rules", omit_defaults=True):
    """Where a node's rules send the traffic of Services: ``protocol ip:port`` of each endpoint, by who wrote the rules.

    ``iptables``, ``legacy``: rules of kube-proxy's iptables mode, in nf_tables and in the old tables. ``nftables``: of its
    nftables mode. ``cut``: there were more.
    """

    outcome: Outcome
    ms: float
    iptables: tuple[str, ...] = ()
    legacy: tuple[str, ...] = ()
    nftables: tuple[str, ...] = ()
    cut: bool = False


class CniFile(Struct, frozen=True, omit_defaults=True):
    """A file of /etc/cni/net.d that a runtime would read: its name, the network's name in it and its plugins' types in order.

    ``problem``: why it can't be used.
    """

    name: str
    network: str = ""
    plugins: tuple[str, ...] = ()
    problem: str = ""


class CniConfigReply(Struct, frozen=True, tag="CNI configuration", omit_defaults=True):
    """The files in their order; the first is in use. Nothing else of their contents is kept."""

    outcome: Outcome
    ms: float
    files: tuple[CniFile, ...] = ()


class Trial(Struct, frozen=True, tag="trial", omit_defaults=True):
    """One way through the canary: ``Ingress`` is the other end to the subject, ``Egress`` the subject to it.

    ``before``: whether the proof came through before the policy. ``stopped``: seconds from the policy's creation until it no
    longer did, -1 where it never stopped, and ``how`` it was stopped. ``again``: seconds from the policy's removal until it
    came through again, -1 where it never did.
    """

    direction: str
    other: str
    before: bool
    stopped: float = -1.0
    how: str = ""
    again: float = -1.0


class CanaryReply(Struct, frozen=True, tag="canary", omit_defaults=True):
    """All ways through the canary of one node, and how long (seconds) an engine was given to stop or to pass them."""

    trials: tuple[Trial, ...]
    waited: float = 0.0


class Lost(Struct, frozen=True, tag="lost", omit_defaults=True):
    """No reply: the debug pod did not run, the exec failed, or the answer was cut. Says nothing about the network.

    ``asked``: whether the question was sent at all.
    """

    reason: str
    asked: bool = True


Reply = (
    DnsReply
    | ResolvConfReply
    | ConnectReply
    | EchoReply
    | CertificateReply
    | PathMtuReply
    | BurstReply
    | HttpReply
    | RtnetlinkReply
    | KernelReply
    | ConntrackReply
    | ServiceRulesReply
    | CniConfigReply
    | CanaryReply
    | Lost
)
