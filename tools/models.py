"""Writes awning/protocols/models: the rooms' models from the installed botocore, for where an older one is installed.

Run again when a room is added, or the newest botocore is wanted. `--check` only compares.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping

import botocore
import orjson

from awning.protocols.registry import SHIPPED, read_botocore, shipped_file, shipped_version, strip
from awning.region import ROOMS


def built() -> dict[str, bytes]:
    """The models as they are to be, by service."""
    return {room.model: orjson.dumps(strip(read_botocore(room.model))) for room in ROOMS}


def faults(models: Mapping[str, bytes]) -> list[str]:
    """Say which of the kept models are missing, or differ though they are from the installed botocore."""
    found = [f"{name} is missing" for name in models if not shipped_file(name).is_file()]
    if shipped_version() == botocore.__version__:
        present = [name for name in models if shipped_file(name).is_file()]
        found += [
            f"{name} is old" for name in present if gzip.decompress(shipped_file(name).read_bytes()) != models[name]
        ]
    return found


def main(arguments: list[str]) -> int:
    """Write them, or with --check compare; returns 1 where they are not as they are to be."""
    models = built()
    if "--check" in arguments:
        wrong = faults(models)
        print("\n".join([*wrong, "Run python -m tools.models."] if wrong else ["The models are as they are to be."]))
        return 1 if wrong else 0
    SHIPPED.mkdir(exist_ok=True)
    for name, model in models.items():
        shipped_file(name).write_bytes(gzip.compress(model, 9, mtime=0))
    (SHIPPED / "VERSION").write_text(f"{botocore.__version__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
