# SPDX-License-Identifier: Apache-2.0
"""Writes the files of deploy/ that are made of others: the rights that ``rbac`` prints, and copies for chart and kustomize.

python -m tools.deploy_files
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from kubectl_netdoc import __version__

DEPLOY = Path(__file__).parents[1] / "deploy"
MADE = "# SPDX-License-Identifier: Apache-2.0\n# Made by: python -m tools.deploy_files\n"
RULES = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "netdoc", "namespace": "netdoc"},
}


def rights(tier: str, form: str) -> str:
    """Return what ``rbac`` prints for a run that nobody sits at, bound to the account of deploy/."""
    flags = ["--offline", "--watch", "--tier", tier, "--for-serviceaccount", "netdoc:netdoc", "-o", form]
    command = [sys.executable, "-m", "kubectl_netdoc", "rbac", *flags]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return printed.replace(f"; kubectl-netdoc {__version__}.", ".")  # a release must not change it


def files() -> dict[str, str]:
    """Return the content of each file by its place in deploy/."""
    alerts, dashboard = (DEPLOY / "alerts.yaml").read_text(), (DEPLOY / "dashboard.json").read_text()
    rules = RULES | {"spec": yaml.safe_load(alerts)}
    return {
        "kustomize/base/rbac.yaml": f"{MADE}{rights('pods', 'yaml')}",
        "kustomize/monitoring/rules.yaml": MADE + yaml.safe_dump(rules, sort_keys=False, width=1000),
        "kustomize/monitoring/dashboard.json": dashboard,
        "chart/files/rbac-api.json": rights("api", "json"),
        "chart/files/rbac-pods.json": rights("pods", "json"),
        "chart/files/alerts.yaml": alerts,
        "chart/files/dashboard.json": dashboard,
    }


def main() -> None:
    """Write them."""
    for name, content in files().items():
        (DEPLOY / name).parent.mkdir(parents=True, exist_ok=True)
        (DEPLOY / name).write_text(content)


if __name__ == "__main__":
    main()
