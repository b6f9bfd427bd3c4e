"""Checks for kubectl netdoc: every module of this package."""
