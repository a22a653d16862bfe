"""The command line: ``graphpath VERB ...``. One module per verb; each parses, calls, and prints.

app            the verbs together, and ``main``
arguments      options that several verbs share
output         ``--table``, ``--csv``, ``--json``, ``--parquet``
progress       bars with rate and time left
failures       errors as one sentence and an exit status
"""

from graphpath.errors import UnsupportedSystem

try:
    from graphpath.cli.app import app, main
except UnsupportedSystem as error:  # before there is a verb that could say it
    raise SystemExit(f"graphpath: {error}") from None

__all__ = ["app", "main"]
