"""The built-in checks: one file a check, one value named ``check`` in each."""
