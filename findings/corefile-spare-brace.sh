#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A closing brace too many in a Corefile is no error: the parser takes it for the zone of one more server block.
#
# Seen with github.com/coredns/caddy v1.1.4, the parser of CoreDNS 1.12.1 and 1.15.0, on 2026-11-28. A block without a name is
# dropped, without a word, when it is the only one. So whoever counts braces to tell a broken Corefile from a good one calls broken
# what CoreDNS starts with, and whoever only asks the parser misses that a server is not there.
# Needs Go and the Go module proxy; prints what it saw, and fails where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"strings"

	"github.com/coredns/caddy/caddyfile"
)

func main() {
	for _, text := range []string{".:53 {\n  whoami\n}\n}\n", "{\n  whoami\n}\n"} {
		blocks, err := caddyfile.Parse("Corefile", strings.NewReader(text), nil)
		fmt.Printf("%d blocks, error %v:", len(blocks), err)
		for _, block := range blocks {
			fmt.Printf(" %q with %d directives", block.Keys, len(block.Tokens))
		}
		fmt.Println()
	}
}
GO
go mod init finding >/dev/null 2>&1
GOFLAGS=-mod=mod GOPATH=$folder/go go get github.com/coredns/caddy@v1.1.4 >/dev/null 2>&1
seen=$(GOFLAGS=-mod=mod GOPATH=$folder/go go run .)
echo "$seen"
wanted='2 blocks, error <nil>: [".:53"] with 1 directives ["}"] with 0 directives
0 blocks, error <nil>:'
[ "$seen" = "$wanted" ] || { echo "it is otherwise now"; exit 1; }
