"""`python -m statestore` is the command `statestore`."""

import sys

from statestore.sdk.cli import main

if __name__ == "__main__":
    sys.exit(main())
