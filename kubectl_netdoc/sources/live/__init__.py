"""A live cluster: lists, debug pods, exec."""
