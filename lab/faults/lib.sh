# SPDX-License-Identifier: Apache-2.0
# The words that the faults in this folder are written in. runner.py sources it before every command of a fault and sets
# KUBECONFIG, LAB_NAME (the cluster's name), STATE (a folder that lasts from inject to restore) and FAULTS (this folder).
# shellcheck shell=bash disable=SC2034
set -euo pipefail
CONTROL_PLANE=$LAB_NAME-control-plane WORKER=$LAB_NAME-worker WORKER2=$LAB_NAME-worker2

on() { docker exec -i "$@"; }   # on NODE COMMAND...

node_ip() { kubectl get node "$1" -o jsonpath='{.status.addresses[?(@.type=="InternalIP")].address}'; }
pod_range() { kubectl get node "$1" -o jsonpath='{.spec.podCIDR}'; }
tunnel_end() { pod_range "$1" | sed 's,/.*,,'; }   # the address of flannel's end on a node
tunnel_mac() { kubectl get node "$1" -o jsonpath='{.metadata.annotations}' | grep -oE '([0-9a-f]{2}:){5}[0-9a-f]{2}'; }   # as told
pod_ip() { kubectl -n "${2:-shop}" get pod "$1" -o jsonpath='{.status.podIP}'; }
service_ip() { kubectl -n "${2:-shop}" get service "$1" -o jsonpath='{.spec.clusterIP}'; }
web_pod() { # web_pod NODE: the first one there
  kubectl -n shop get pod -l app=web --field-selector "spec.nodeName=$1,status.phase=Running" -o jsonpath='{.items[0].metadata.name}'
}

# probe POD ARGUMENT...: probe.py in a pod of the namespace shop; a line that begins with "ok" or "failed"
probe() { local pod=$1; shift; kubectl -n shop exec -i "$pod" -- python3 - "$@" <"$FAULTS/probe.py"; }

# in_pod NODE NAMESPACE POD COMMAND...: the node's command in the pod's network namespace
in_pod() {
  local node=$1 namespace=$2 pod=$3 sandbox pid; shift 3
  sandbox=$(on "$node" ctr -n k8s.io containers ls -q \
    "labels.\"io.kubernetes.pod.name\"==$pod,labels.\"io.kubernetes.pod.namespace\"==$namespace,labels.\"io.cri-containerd.kind\"==sandbox" | tail -n1)
  pid=$(on "$node" ctr -n k8s.io tasks ls | awk -v sandbox="$sandbox" '$1 == sandbox {print $2}')
  on "$node" nsenter -t "$pid" -n "$@"
}

# pod_link NODE NAMESPACE POD: the node's end of the pod's eth0
pod_link() {
  local peer; peer=$(in_pod "$1" "$2" "$3" ip -o link show eth0 | grep -oE '@if[0-9]+' | tr -dc 0-9)
  on "$1" ip -o link | awk -F': ' -v peer="$peer" '$1 == peer {sub("@.*", "", $2); print $2}'
}

# queued NODE NUMBER "WAY AMOUNT" [NAMESPACE POD]: netem.py has that queue of packets, on the node or in the pod's network; unqueued ends it
queued() {
  local node=$1 number=$2 way=$3 start; shift 3
  on $node sh -c "cat >/run/queue-$number.py" <"$FAULTS/netem.py"
  start="setsid python3 /run/queue-$number.py $number $way >/run/queue-$number.log 2>&1 </dev/null & echo \$! >/run/queue-$number.pid"
  if [ $# = 0 ]; then on $node sh -c "$start" </dev/null; else in_pod $node $1 $2 sh -c "$start" </dev/null; fi
}
unqueued() { on $1 sh -c "kill \$(cat /run/queue-$2.pid); rm -f /run/queue-$2.*" </dev/null || true; }   # unqueued NODE NUMBER

# patch KIND NAME YAML merges, patch_at KIND NAME PATH VALUE replaces one value; both in the namespace shop.
patch() { kubectl -n shop patch "$1" "$2" --type merge -p "$3"; }
patch_at() { kubectl -n shop patch "$1" "$2" --type json -p "[{op: replace, path: $3, value: $4}]"; }

# rolled_out NAMESPACE KIND/NAME: waits; the runner sets the deadline
rolled_out() { kubectl -n "$1" rollout status "$2" --timeout=120s; }

corefile() { kubectl -n kube-system get configmap coredns -o jsonpath='{.data.Corefile}'; }
set_corefile() { # set_corefile FILE: and start CoreDNS again with it
  kubectl -n kube-system create configmap coredns --from-file=Corefile="$1" --dry-run=client -o yaml | kubectl replace -f -
  kubectl -n kube-system delete pod -l k8s-app=kube-dns   # quicker than a rollout
}

set_flannel() { # set_flannel KEY <JSON: a part of flannel's configuration, read by agents that start from now on
  python3 -c 'import json, sys; print(json.dumps({"data": {sys.argv[1]: sys.stdin.read()}}))' "$1" >"$STATE/flannel.patch"
  kubectl -n kube-flannel patch configmap kube-flannel-cfg --type merge --patch-file "$STATE/flannel.patch"
}
set_net_conf() { printf %s "$1" | set_flannel net-conf.json; }

# The rules of kube-proxy, gone; flannel's and the others' stay.
flush_kube_proxy() { on "$1" sh -c 'iptables-save | grep -v KUBE- | iptables-restore; nft delete table ip kube-proxy 2>/dev/null || true'; }

fake_node() { # fake_node NAME PODCIDR: a Ready Node object without a machine, to which nothing is scheduled
  kubectl create -f - <<YAML
{apiVersion: v1, kind: Node, metadata: {name: $1}, spec: {podCIDR: $2, podCIDRs: [$2], unschedulable: true}}
YAML
  kubectl patch node "$1" --subresource=status --type merge \
    -p '{"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": "'"$(date -u +%FT%TZ)"'"}]}}'
}

crd() { # crd KIND PLURAL.GROUP VERSION [SCOPE]: a type without a schema, as soon as it is served
  kubectl apply -f - <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $2, annotations: {api-approved.kubernetes.io: unapproved}}
spec:
  group: ${2#*.}
  scope: ${4:-Namespaced}
  names: {kind: $1, plural: ${2%%.*}, singular: ${1,,}, listKind: $1List}
  versions:
  - {name: $3, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
YAML
  kubectl wait --for=condition=Established crd/$2 --timeout=30s
  until kubectl get --raw /apis/${2#*.}/$3/${2%%.*} >/dev/null; do sleep 0.5; done
}
said() { # said KIND NAME STATUS: what a controller would write, in the namespace shop
  kubectl -n shop patch $1 $2 --subresource=status --type merge -p "{\"status\": $3}"
}
