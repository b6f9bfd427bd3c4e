"""What is run by hand, or by MkDocs, beside the program."""
