# SPDX-License-Identifier: Apache-2.0
"""Faults that nobody chose: mutations of a living lab, drawn at random, what they break, and what netdoc says of them.

    python -m bench.campaign --seed SEED -n N [--name CLUSTER] [--kubeconfig PATH] [--list]

For each number from 1 to N, all from the seed: read what there is (`inventory`) → draw a mutation (`draw`, a module a family)
→ apply it → ask the oracle (`oracle`: probes of its own, no netdoc) whether anything differs for the workload → netdoc, at
`--privileged` and at default flags → judge both reports (`judge`: it reads the mutation and the report, nothing else) → undo,
and prove with the oracle that all is as before. Each verdict is a file, ``bench/verdicts/campaign/SEED/NUMBER.json``, with the
commit; it is never written again. `figures` counts.
"""
