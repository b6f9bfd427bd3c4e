# SPDX-License-Identifier: Apache-2.0
"""The agent's operation ``cni``: what a node's CNI configurations say, as libcni reads them (libcni/conf.go).

cni      {}: of each file in /etc/cni/net.d -> {"samples": [["ok", ms, [[name, network, [plugin types...], problem,
         has plugins, [plugin types in the network's folder...], problem there]...]]]}
"""

import json
import os
import time

from kubectl_netdoc.agent.base import OPERATIONS

MOST_CNI_FILE = 1024 * 1024

CNI = "/etc/cni/net.d"


def cni(ask, deadline):
    """Operation ``cni``."""
    start = time.perf_counter()
    rows = []
    for name in sorted(os.listdir(CNI)):
        if name.endswith((".conf", ".conflist", ".json")):
            rows += [described(name)]
    return {"samples": [["ok", (time.perf_counter() - start) * 1000, rows]]}


def described(name):
    """What is kept of a configuration: its name, its network's and its plugins' types, or what is wrong with it; of a list also
    whether it has plugins, and those in the folder that is called like its network, or what is wrong there.
    """
    try:
        found = configuration(name)
        if not name.endswith(".conflist"):
            return [name, str(found.get("name", "")), [plugin_type(found)], "", True, [], ""]
        network, plugins = found.get("name"), found.get("plugins")
        only = str(found.get("loadOnlyInlinedPlugins")).lower() == "true"
        if not isinstance(network, str):
            raise ValueError("it has no name")
        if ("plugins" in found or only) and not (plugins and isinstance(plugins, list)):
            raise ValueError("its list of plugins is missing or empty")
        folder, wrong = ([], "") if only else folder_of(network)
        return [name, network, [plugin_type(plugin) for plugin in plugins or ()], "", "plugins" in found, folder, wrong]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return [name, "", [], "%s: %s" % (type(error).__name__, error), True, [], ""]


def configuration(*path):
    """A CNI configuration."""
    with open(os.path.join(CNI, *path), errors="replace") as file:
        return json.loads(file.read(MOST_CNI_FILE))


def plugin_type(plugin):
    """A plugin's type."""
    if not isinstance(plugin, dict) or not plugin.get("type"):
        raise ValueError("a plugin has no type")
    return str(plugin["type"])


def folder_of(network):
    """The types of the plugins in the folder of a network, and what is wrong there."""
    folder = os.path.join(CNI, os.path.basename(network))
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".conf")) if os.path.isdir(folder) else []
        return [plugin_type(configuration(folder, name)) for name in names], ""
    except (OSError, ValueError) as error:
        return [], "%s: %s" % (type(error).__name__, error)


OPERATIONS.update({"cni": cni})
