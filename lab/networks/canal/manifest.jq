# A manifest of Calico's -> the lab's. $tag: of the images made here. $settings: environment of calico-node.
def unused: ["bpffs", "sys-fs", "nodeproc", "lib-modules", "policysync"];
def image: sub("^docker.io/calico/(?<name>cni|node|kube-controllers):.*"; "docker.io/lab/calico-\(.name):\($tag)")
  | sub("^docker.io/flannel/flannel:.*"; "docker.io/lab/flannel:1");
def container: .image |= image | .imagePullPolicy = "Never"
  | .volumeMounts |= map(select(.name | IN(unused[]) | not))
  | if .resources.requests then .resources.requests = {cpu: "50m"} else . end
  | if .name == "calico-node" then .env |= map(select(.name | in($settings) | not)) + ($settings | to_entries | map({name: .key, value: .value})) else . end;
if .kind == "DaemonSet" or .kind == "Deployment" then
  .spec.template.spec |= (
    .volumes = ((.volumes // []) | map(select(.name | IN(unused[]) | not)))
    | .initContainers = ((.initContainers // []) | map(select(.name | IN("mount-bpffs", "upgrade-ipam") | not) | .volumeMounts //= [] | container))
    | .containers |= map(.volumeMounts //= [] | container))
elif .kind == "ClusterRole" and .metadata.name == "flannel" then
  # flannel 0.28 gets nodes as well
  .rules |= map(if .resources | index("nodes") then .verbs = ["get", "list", "watch"] else . end)
else . end
