"""``python -m graphpath``: the command line, where no script of it is on the path."""

from graphpath.cli import main

if __name__ == "__main__":
    main()
