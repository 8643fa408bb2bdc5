"""`python -m eap`: the command line (see `eap.cli`)."""

from eap.cli import main

if __name__ == "__main__":
    main()
