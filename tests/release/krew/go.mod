// What tests/release/test_release.py builds krew and its validator from.
module krew

go 1.25

require sigs.k8s.io/krew v0.5.0
