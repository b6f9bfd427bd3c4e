# SPDX-License-Identifier: Apache-2.0
"""The labs of `make e2e-networks`: NETDOC_LAB is the kubeconfig of one, NETDOC_NETWORK the network that it has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.faults.runner import Lab
from tests.e2e.conftest import Netdoc
from tests.networks.observe import furnish, remove


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def network() -> str:
    """The network's name."""
    if "NETDOC_NETWORK" not in os.environ:
        pytest.skip("no lab with a policy engine: run make e2e-networks")
    return os.environ["NETDOC_NETWORK"]


@pytest.fixture(scope="session")
def lab(network: str) -> Lab:
    kubeconfig = Path(os.environ["NETDOC_LAB"])
    return Lab(kubeconfig, kubeconfig.stem)


@pytest.fixture(scope="session")
def netdoc(lab: Lab) -> Netdoc:
    return Netdoc(lab)


@pytest.fixture(scope="module")
def address(lab: Lab) -> Iterator[str]:
    """The server's address; the pods are there and no policy is."""
    furnish(lab)
    remove(lab)
    yield lab.kubectl("-n", "pol-a", "get", "pod", "server", "-o", "jsonpath={.status.podIP}")
    lab.kubectl("delete", "namespace", "pol-a", "pol-b", "--wait=false")


@pytest.fixture
def clean(lab: Lab, address: str) -> Iterator[str]:
    """The server's address; policies are removed afterwards."""
    yield address
    remove(lab)
