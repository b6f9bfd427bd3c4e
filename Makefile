# SPDX-License-Identifier: Apache-2.0
# Everything a developer runs. The two commands of the README: make demo, make test.
SHELL := /bin/bash
PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
IMAGE := docker.io/lab/base:1
KUBERNETES ?=
export KUBERNETES
NAME ?=
NETWORK ?=
FAMILY ?=
ifeq ($(FAMILY),dual)
NETWORK := dual
endif
export NETWORK
UP = NETWORK=$(or $(NETWORK),flannel) lab/lab up $(NAME) | tail -n 1
E2E := e2e and not slow

.DEFAULT_GOAL := check
SITE := NO_MKDOCS_2_WARNING=1 mkdocs build --quiet
.PHONY: audit demo docs dist dist-test locked release check test test-python e2e e2e-all e2e-networks e2e-dual lab lab-down record score campaign peers bench throughput scale clean

.venv/ready: pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; python3 is $$(python3 -V)"; exit 1; }
	python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: .venv/ready  ## the main job on a bundle recorded from a real broken cluster; no cluster needed
	@echo '$$ kubectl netdoc check --from demo/kube-proxy-hung.json'
	@kubectl netdoc check --from demo/kube-proxy-hung.json; code=$$?; echo; \
	echo "(exit code $$code: 1 means that something is wrong. Your own cluster: kubectl netdoc check)"; [ $$code = 1 ]

docs: .venv/ready  ## the site, in build/site; fails on a warning or a broken link
	$(PY) tools/picture.py
	$(SITE)

dist: .venv/ready  ## wheel, sdist, an archive that needs no Python, checksums and krew's manifest, in dist/
	$(PY) -m release.build

dist-test: .venv/ready  ## the archive without this Python, krew's install, upgrade and uninstall, two builds alike; some minutes
	pytest -m release tests/release/test_release.py

locked:  ## what a release is built of and with, by version and hash, anew: release/locked/*.txt
	@set -e; python3 -m venv build/uv; build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv; \
	export SSL_CERT_FILE=$${SSL_CERT_FILE:-$$PIP_CERT}; [ "$$SSL_CERT_FILE" ] || unset SSL_CERT_FILE; \
	for pair in pyproject.toml:run release/locked/build.in:build release/locked/freeze.in:freeze; do \
	  build/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	    --custom-compile-command "make locked" $${pair%:*} -o release/locked/$${pair#*:}.txt; \
	done

audit:  ## known vulnerabilities of what a release is built of; fails where the data can't be had
	@set -e; python3 -m venv build/audit; build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit; \
	for file in release/locked/*.txt; do build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement $$file; done

release: .venv/ready  ## VERSION=1.2.3: tests, changelog, version, commit and tag; pushes nothing
	@$(PY) -m release.tag "$(VERSION)"

check: .venv/ready  ## all day: lint, types and the quick tests
	ruff check --quiet
	ruff format --check --quiet
	mypy
	lint-imports --no-cache
	pytest -n 2 -m "not e2e and not slow and not release"

test: .venv/ready  ## everything that needs no cluster
	ruff check --quiet
	ruff format --check --quiet
	mypy
	lint-imports --no-cache
	pytest -n 2 -m "not e2e and not release"

test-python:  ## the tests that need no cluster under another Python: VERSION=3.12 (pyenv's, or one on the PATH)
	@set -e; python=$$(ls -d ~/.pyenv/versions/$(VERSION).*/bin/python3 2>/dev/null | tail -n 1); \
	python=$${python:-$$(type -P python$(VERSION))} || { echo "there is no Python $(VERSION) here"; exit 1; }; \
	$$python -m venv build/python$(VERSION); export PATH=$(CURDIR)/build/python$(VERSION)/bin:$$PATH; \
	python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	python -m pytest -n 2 -m "not e2e and not release"

# KUBERNETES=1.31 … 1.36 and NETWORK=nftables: on a cluster of that version and network, k8s-1-31-nftables (lab/kubernetes.sh).
# lab/lab ends with 75 and one line that says why where a cluster can't be had at all.
e2e: .venv/ready  ## the same on a real cluster, which is brought up by itself
	@set -o pipefail; kubeconfig=$$($(UP)); code=$$?; \
	if [ $$code = 75 ] && [ "$$CI" != true ]; then exit 0; elif [ $$code != 0 ]; then exit $$code; fi; \
	NETDOC_LAB=$$kubeconfig NETDOC_IMAGE=$(IMAGE) pytest -m "$(E2E)" -v --durations=10 tests/e2e tests/apiserver

e2e-all:  ## with every fault that has a verdict
	@$(MAKE) e2e E2E=e2e

# Real policy engines (canal, cilium) and machinery broken on purpose, one network after the other; then flannel, which has no engine.
e2e-networks: .venv/ready  ## policies on canal and Cilium as predicted; Calico (VXLAN, BGP) and nftables: silent, and each fault's cause named
	@set -eo pipefail; for network in $(or $(NETWORK),canal cilium nftables calico-vxlan calico-bgp); do \
	  case $$network in canal|cilium) tests=tests/networks ;; *) tests="tests/networks/test_machinery.py tests/networks/test_faults.py" ;; esac; \
	  kubeconfig=$$(NETWORK=$$network lab/lab up $$network | tail -n 1); \
	  NETDOC_LAB=$$kubeconfig NETDOC_NETWORK=$$network NETDOC_IMAGE=$(IMAGE) pytest -m "e2e" -v --durations=5 $$tests; \
	  case $$network in canal|cilium) ;; *) lab/lab down $$network ;; esac; \
	done; \
	NETDOC_LAB=$$(NETWORK=flannel lab/lab up $(NAME) | tail -n 1) NETDOC_IMAGE=$(IMAGE) pytest -m e2e -v tests/e2e -k "policy"

e2e-dual: .venv/ready  ## a cluster with IPv4 and IPv6: silent, every path in both, a dead family named
	@set -eo pipefail; kubeconfig=$$(NETWORK=dual lab/lab up dual | tail -n 1); \
	NETDOC_DUAL=$$kubeconfig NETDOC_IMAGE=$(IMAGE) pytest -m e2e -v tests/families

lab:  ## a three-node cluster by hand, also with NETWORK=canal|cilium, FAMILY=dual or KUBERNETES=1.31; the last line printed is the path of its kubeconfig
	@lab/lab up $(NAME)

lab-down:
	@lab/lab down $(NAME)

record: .venv/ready  ## record the bundles in demo/ and tests/bundles again, on the lab
	NETDOC_LAB=$$($(UP)) NETDOC_IMAGE=$(IMAGE) $(PY) -m lab.record

score: .venv/ready  ## how often netdoc is right: every fault, pair and healthy variant (FAULTS="a b": only these), then docs/accuracy.md
	@set -o pipefail; kubeconfig=$$($(UP)) || exit $$?; \
	$(PY) -m bench.matrix --name $$(basename $$kubeconfig .kubeconfig) --kubeconfig $$kubeconfig $(FAULTS); code=$$?; $(PY) -m bench.score; exit $$code

campaign: .venv/ready  ## faults that nobody chose: N random mutations of SEED on a lab of their own, each judged once (NETWORK=canal: policies too)
	@set -o pipefail; kubeconfig=$$($(UP)) || exit $$?; \
	$(PY) -m bench.campaign --seed $(or $(SEED),1) -n $(or $(N),10) --minutes $(or $(MINUTES),100000) $(if $(ENOUGH),--enough $(ENOUGH)) --name $$(basename $$kubeconfig .kubeconfig) --kubeconfig $$kubeconfig; \
	code=$$?; $(PY) -m bench.campaign.figures $(or $(SEED),1); exit $$code

peers: .venv/ready  ## other tools on the same faults: builds them (half an hour the first time), then asks them about every fault (FAULTS="a b")
	@set -o pipefail; $(PY) -m bench.peers; kubeconfig=$$($(UP)) || exit $$?; \
	$(PY) -m bench.matrix --name $$(basename $$kubeconfig .kubeconfig) --kubeconfig $$kubeconfig --only-peers $(FAULTS)

bench: .venv/ready  ## the figures: start-up beside REV's (default: before issue 20), policies and all checks on synthetic clusters, then a full check on the lab
	$(PY) -m bench.startup $(REV)
	$(PY) -m bench.policies
	$(PY) -m bench.growth
	$(PY) -m bench.nodes_tier
	NETDOC_LAB=$$($(UP)) NETDOC_IMAGE=$(IMAGE) $(PY) -m bench

throughput: .venv/ready  ## netdoc bench beside iperf3 and netperf (Debian's packages) on the lab: the table of docs/performance.md
	NETDOC_LAB=$$($(UP)) NETDOC_IMAGE=$(IMAGE) $(PY) -m bench.throughput $(SAMPLES) $(SECONDS)

scale: .venv/ready  ## CPU and memory of a check on large clusters, on a real API server: SIZE="0.01 0.1 0.33 1" of 5,000 nodes, BASE=REV beside another revision
	$(PY) -m bench.scale --size $(or $(SIZE),0.01 0.1) $(if $(BASE),--base $(BASE))

clean:
	rm -rf .venv build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
