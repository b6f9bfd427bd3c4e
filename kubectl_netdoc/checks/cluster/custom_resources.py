# SPDX-License-Identifier: Apache-2.0
"""Are the network's custom resources served in the versions in which they are used?

## What it looks at
The CustomResourceDefinitions of what netdoc reads (the Gateway API, network policies, CNIs, meshes): the versions that each
serves, and those in which its objects have been stored (status.storedVersions).

## Why it matters
A newer release of definitions stops serving old versions. Whoever still asks for one gets 404: a controller that was not updated
sees none of the objects any more, and handles no new ones, without an error in the objects themselves. A version that is stored
can't be removed from a definition, so that a later release of it is refused.

## What it can't see
In which version a controller asks. Whether objects are really stored in an old version still: the list tells of the past.

## Sources
Kubernetes: Versions in CustomResourceDefinitions (storage, "Upgrade existing objects to a new stored version").
"""

from __future__ import annotations

from collections.abc import Iterator

from kubectl_netdoc.api import (
    DEFINITION,
    READ,
    ROUTES,
    Check,
    Cluster,
    Code,
    Explains,
    Facts,
    Finding,
    Needs,
    ObjectRef,
    Risk,
    Severity,
    Subject,
    joined,
)

LEFT = Code(
    id="CRS001",
    severity=Severity.INFO,
    risk=Risk.SAFE,
    title="Custom resource that is no longer served in a version in which it was written",
    message="CustomResourceDefinition {name} no longer serves {left}, in which objects of it were written; it serves {served}. "
    "Controllers and manifests that ask for {left} get 404, and a release of the definition without {left} will be refused",
    fix="See that controllers and manifests use {served}. Then have each object written once more, and take {left} out of the "
    "definition's status.storedVersions (Kubernetes documents how).",
    commands=("kubectl get crd {name} -o jsonpath={{.status.storedVersions}}",),
    explains=(Explains(("GWR007",), "objects"),),
)


def analyse(facts: Facts) -> Iterator[Finding]:
    """Report each definition that has left a version behind."""
    for found in facts.cluster.all(DEFINITION):
        if (found.group, found.kind) in READ and found.left and found.served:
            subject = Subject("CustomResourceDefinition", found.name)
            objects = _unhandled(facts.cluster, found.kind)
            yield LEFT.on(subject, left=joined(found.left), served=joined(found.served), objects=objects)


def _unhandled(cluster: Cluster, kind: str) -> list[ObjectRef]:
    """The routes of a kind that no controller has written a status to: what their controller does not see."""
    routes = (item for each in ROUTES if each.name == kind and cluster.readable(each) for item in cluster.all(each))
    return [ObjectRef(kind, item.name, item.namespace) for item in routes if not item.status.parents]


check = Check(
    id="custom_resources",
    title="Custom resources of the network are served in the versions that are used",
    prefix="CRS",
    needs=Needs(kinds=(DEFINITION,), hints=ROUTES),
    codes=(LEFT,),
    analyse=analyse,
)
