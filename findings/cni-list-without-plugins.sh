#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A CNI list needs no plugins, and one that has plugins runs others too: those in the folder beside it that is called like its network.
#
# Seen with github.com/containernetworking/cni v1.1.2 (containerd 1.7) and v1.3.1 (containerd 2.4), the library of the runtimes, on
# 2026-11-29. The older one calls such a list broken, and passes over the folder without a word where the list has plugins. So the
# same files are two different networks before and after an upgrade of the runtime. And SPEC.md of CNI 1.1 says of `plugins` that the
# folder is merged where loadOnlyInlinedPlugins is true, while the library (and the paragraph before it) does so where it is false.
# Needs Go and the Go module proxy; prints what it saw, and fails where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
mkdir -p "$folder/net.d/mine"
echo '{"cniVersion": "1.0.0", "name": "mine"}' >"$folder/net.d/10-none.conflist"
echo '{"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "bridge"}]}' >"$folder/net.d/20-one.conflist"
echo '{"cniVersion": "1.0.0", "name": "mine", "loadOnlyInlinedPlugins": true, "plugins": [{"type": "bridge"}]}' >"$folder/net.d/30-only.conflist"
echo '{"type": "portmap"}' >"$folder/net.d/mine/1.conf"
export GOFLAGS=-mod=mod GOPATH=$folder/go
for version in v1.1.2 v1.3.1; do
  mkdir "$folder/$version"
  cd "$folder/$version"
  cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
)

func main() {
	files, _ := filepath.Glob(os.Args[1] + "/*.conflist")
	for _, file := range files {
		list, err := libcni.ConfListFromFile(file)
		fmt.Printf("%s:", filepath.Base(file))
		if err != nil {
			fmt.Printf(" %v\n", err)
			continue
		}
		for _, plugin := range list.Plugins {
			fmt.Printf(" %s", plugin.Network.Type)
		}
		fmt.Println()
	}
}
GO
  go mod init finding >/dev/null 2>&1
  go get "github.com/containernetworking/cni@$version" >/dev/null 2>&1
  echo "libcni $version"
  go run . "$folder/net.d"
done >"$folder/seen"
cat "$folder/seen"
paragraph=$(grep -h '^- `plugins` (list)' "$folder"/go/pkg/mod/github.com/containernetworking/cni@v1.3.1/SPEC.md)
echo "SPEC.md of v1.3.1: ${paragraph##*, and }"
wanted="libcni v1.1.2
10-none.conflist: error parsing configuration list: no 'plugins' key
20-one.conflist: bridge
30-only.conflist: bridge
libcni v1.3.1
10-none.conflist: portmap
20-one.conflist: bridge portmap
30-only.conflist: bridge"
[[ $(cat "$folder/seen") == "$wanted" && $paragraph == *"\`loadOnlyInlinedPlugins\` is true, the final set"* ]] || { echo "it is otherwise now"; exit 1; }
