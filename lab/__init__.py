"""A real cluster to test on, and the faults to break it with."""
