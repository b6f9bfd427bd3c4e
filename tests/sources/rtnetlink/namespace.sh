# SPDX-License-Identifier: Apache-2.0
# A network namespace with what netdoc reads over rtnetlink, in the forms that the kernel has for it; then runs what it is given.
#     unshare -n sh tests/sources/rtnetlink/namespace.sh python3 -c …
set -e
ip link set lo up
ip link add br0 type bridge
ip link add eth0 type veth peer name far0
ip link add eth1 mtu 9000 type veth peer name far1
ip link add veth0 type veth peer name veth1
ip link add vxlan4 type vxlan id 42 dstport 4789 local 10.0.0.1 dev eth0
ip link add vxlan6 type vxlan id 16777215 dstport 8472 local fd00::1
ip link add external type vxlan dstport 8473 external
ip link set veth0 master br0
ip link add br1 type bridge
for port in 2 3 4; do ip link add veth$port mtu 900 type veth peer name far$port; ip link set veth$port master br1; done
bridge link set dev veth2 isolated on hairpin on learning off flood off bcast_flood off mcast_flood off guard on root_block on
bridge link set dev veth3 neigh_suppress on priority 9 cost 77
bridge link set dev veth3 locked on
ip addr add 10.0.0.1/24 dev eth0
ip addr add 10.9.9.1 peer 10.9.9.2/32 dev eth1
ip addr add fd00::1/64 dev eth0 nodad
ip addr add fd01::1 peer fd01::2 dev eth1 nodad
for link in br0 eth0 far0 eth1 far1 vxlan4 vxlan6 veth0 br1 veth2 far2 veth3 far3 veth4; do ip link set $link up; done

ip route add default via 10.0.0.254
ip route add 10.1.0.0/24 nexthop via 10.0.0.2 dev eth0 nexthop via 10.0.0.3 dev eth0 weight 5 nexthop dev eth1
ip route add 10.2.0.0/24 via inet6 fe80::9 dev eth0
ip route add 10.3.0.0/24 nexthop via inet6 fe80::9 dev eth0 nexthop via 10.0.0.4 dev eth0 onlink
ip nexthop add id 1 via 10.0.0.7 dev eth0
ip nexthop add id 2 dev eth1
ip nexthop add id 3 via fe80::7 dev eth0
ip nexthop add id 4 blackhole
ip nexthop add id 10 group 1/2
for id in 1 2 3 4 10; do ip route add 10.4.$id.0/24 nhid $id; done
ip route add blackhole 10.8.0.0/16
ip route add unreachable 10.9.0.0/16 metric 7
ip route add prohibit 10.10.0.0/16 table 100
ip route add throw 10.11.0.0/16 table 4096
ip route add 10.12.0.0/24 via 192.0.2.1 dev eth0 onlink mtu 1400 proto bird
ip route add 10.13.0.0/24 encap ip id 5 dst 10.0.0.8 dev vxlan4
ip -6 route add default via fe80::1 dev eth0
ip -6 route add fd10::/64 nexthop via fe80::2 dev eth0 nexthop via fe80::3 dev eth1
ip -6 route add fd11::/64 nhid 3
ip -6 route add blackhole fd12::/64

ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
ip neigh add 10.0.0.3 dev eth0 nud failed
ip neigh add fe80::9 lladdr 02:00:00:00:00:09 dev eth0 nud reachable
ip neigh add proxy 10.0.0.99 dev eth0
bridge fdb add 02:00:00:00:00:22 dev vxlan4 dst 10.0.0.2 self permanent
bridge fdb append 00:00:00:00:00:00 dev vxlan4 dst 10.0.0.3 vni 7 port 1234
bridge fdb add 02:00:00:00:00:23 dev vxlan6 dst fd00::2 self permanent
bridge fdb add 02:00:00:00:00:33 dev veth0 master static
bridge link set dev veth3 state 0

sysctl -qw net.ipv4.nexthop_compat_mode=${COMPATIBLE:-1}
exec "$@"
