"""The command line, ``python -m procession``: one file a subcommand, and what they print with."""
