"""Faults as data, and their runner."""
