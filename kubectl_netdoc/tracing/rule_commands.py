# SPDX-License-Identifier: Apache-2.0
"""The commands that show a rule on its node, of whatever backend it is, and remove it."""

from __future__ import annotations

from kubectl_netdoc.measurements.trace import Rule
from kubectl_netdoc.remediation.commands import on_node, shell_word


def show(node: str, rule: Rule) -> str:
    """Return the command that shows a rule with its neighbours and counters, as a command template."""
    if rule.backend == "legacy":
        line = f"{_old_tool(rule)} -t {shell_word(rule.table)} -L {shell_word(rule.chain)} -v -n --line-numbers"
    elif rule.backend == "tc":
        line = f"tc -s filter show dev {shell_word(rule.table)} {rule.chain}"
    elif rule.backend == "xfrm":
        line = f"ip -s xfrm policy get {rule.handle}"
    else:
        line = f"nft -a list chain {rule.family} {shell_word(rule.table)} {shell_word(rule.chain)}"
    return on_node(shell_word(node), line)


def removing(rule: Rule) -> str:
    """Return the line that removes a rule on its node; "" for a chain's policy, which can't be removed."""
    if rule.handle == "policy":
        return ""
    if rule.backend == "legacy":
        return f"{_old_tool(rule)} -t {shell_word(rule.table)} -D {shell_word(rule.chain)} {rule.handle}"
    if rule.backend == "tc":
        return f"tc filter del dev {shell_word(rule.table)} {rule.chain} protocol {rule.family} {rule.handle}"
    if rule.backend == "xfrm":
        return f"ip xfrm policy delete {rule.handle}"
    return f"nft delete rule {rule.family} {shell_word(rule.table)} {shell_word(rule.chain)} handle {rule.handle}"


def showing_and_removing(node: str, rule: Rule) -> tuple[str, ...]:
    """Return both commands, as far as there are any."""
    line = removing(rule)
    return (show(node, rule), on_node(shell_word(node), line)) if line else (show(node, rule),)


def _old_tool(rule: Rule) -> str:
    return "ip6tables-legacy" if rule.family == "ip6" else "iptables-legacy"
