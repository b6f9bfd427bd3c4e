#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One text, four addresses: what a ClusterIP with leading zeros is to Kubernetes, to Go, to CoreDNS and to the C library.
#
# Seen on 2026-11-29 with k8s.io/utils v0.0.0-20261023123148-ca04ba58ecab, CoreDNS 1.15.0 (package plugin/etcd/msg, of which the plugin
# kubernetes makes its answers) and glibc 2.36. API servers took such addresses before Kubernetes 1.36 and keep the Services that have
# them. kube-proxy reads them as Kubernetes does; CoreDNS takes the text for a name, so the Service's name becomes an alias (CNAME) of
# it, which is then asked upstream; what is passed to connect() goes to the octal address, which is somebody else's.
# Needs Go, its module proxy and a C library with getaddrinfo (python3); prints what it saw, and fails where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"

	"github.com/coredns/coredns/plugin/etcd/msg"
	"github.com/miekg/dns"
	netutils "k8s.io/utils/net"
)

func main() {
	text := "010.077.200.005"
	fmt.Println("kubernetes:", netutils.ParseIPSloppy(text))
	fmt.Println("go:", net.ParseIP(text))
	kind, _ := (&msg.Service{Host: text}).HostType()
	fmt.Println("coredns:", dns.TypeToString[kind])
}
GO
go mod init finding >/dev/null 2>&1
export GOFLAGS=-mod=mod
go get github.com/coredns/coredns/plugin/etcd/msg@v1.15.0 k8s.io/utils@v0.0.0-20261023123148-ca04ba58ecab >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
seen=$(go run .; python3 -c 'import socket; print("c library:", socket.gethostbyname("010.077.200.005"))')
echo "$seen"
wanted='kubernetes: 10.77.200.5
go: <nil>
coredns: CNAME
c library: 8.63.200.5'
[ "$seen" = "$wanted" ] || { echo "it is otherwise now"; exit 1; }
