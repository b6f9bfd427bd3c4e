#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# CoreDNS 1.12 asks an upstream that refuses thousands of times for one lookup, and counts that nowhere but as misses of its cache.
#
# Seen with CoreDNS 1.12.1 and 1.15.0 on 2026-11-29, whose only upstream is a closed UDP port of the same host: the plugin forward
# tries again without a pause until the lookup's 5 s are over (1.12.1: some thousand sockets, busy CPU), 1.15.0 twice. Its metric
# coredns_proxy_request_duration_seconds_count, from which dashboards take "requests by upstream", has no series of such an upstream
# at all, in neither version; coredns_proxy_conn_cache_misses_total and coredns_proxy_healthcheck_failures_total do.
# Needs Go, its module proxy (five minutes to build both), python3 and the ports 15391 and 15392 of the loopback; prints what it saw,
# and fails where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
printf '.:15391 {\n  prometheus 127.0.0.1:15392\n  forward . 127.0.0.1:15394\n}\n' >Corefile
cat >ask.py <<'PY'
import socket, struct, time, urllib.request

for _ in range(50):
    try:
        urllib.request.urlopen("http://127.0.0.1:15392/metrics").read()
        break
    except OSError:
        time.sleep(0.2)
name = b"".join(bytes([len(part)]) + part for part in (b"a", b"example", b"org")) + b"\0"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    sender.settimeout(9)
    sender.sendto(struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1), ("127.0.0.1", 15391))
    rcode = sender.recv(512)[3] & 15
lines = urllib.request.urlopen("http://127.0.0.1:15392/metrics").read().decode().splitlines()
tries = sum(float(line.split()[-1]) for line in lines if line.startswith("coredns_proxy_conn_cache_misses_total"))
counted = any(line.startswith("coredns_proxy_request_duration_seconds_count") for line in lines)
print("SERVFAIL" if rcode == 2 else rcode, "thousands of tries" if tries > 1000 else "few tries", "counted" if counted else "not counted")
PY
for version in v1.12.1 v1.15.0; do
  mkdir "$version"
  printf 'module lab\n\ngo 1.24.0\n\nrequire github.com/coredns/coredns %s\n' "$version" >"$version/go.mod"
  printf '//go:build tools\n\npackage tools\n\nimport _ "github.com/coredns/coredns"\n' >"$version/tools.go"
  (cd "$version" && go mod tidy && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o coredns github.com/coredns/coredns) >/dev/null 2>&1
  "$version/coredns" -conf Corefile >/dev/null 2>&1 &
  server=$!
  echo "$version: $(python3 ask.py)" | tee -a seen
  kill "$server"
  wait "$server" || true
  server=
done
wanted='v1.12.1: SERVFAIL thousands of tries not counted
v1.15.0: SERVFAIL few tries not counted'
[ "$(cat seen)" = "$wanted" ] || { echo "it is otherwise now"; exit 1; }
