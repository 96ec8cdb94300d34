"""`python -m bench`, which `make bench` runs: awning and all peers in turn, or only the servers that are named.

It ends with 1 if a workload of awning's failed.
"""

import argparse
import sys

from bench.compare import add_options, run
from bench.servers import SERVERS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("servers", nargs="*", metavar="SERVER", help=f"of {', '.join(SERVERS)}; default: all of them")
    add_options(parser)
    options = parser.parse_args()
    unknown = [name for name in options.servers if name not in SERVERS]
    if unknown:
        parser.error(f"no server is called {', '.join(unknown)}")
    return run(options, options.servers or list(SERVERS))


if __name__ == "__main__":
    sys.exit(main())
