"""What every writer does with a result besides its format: refuse what is not modelled, lay its own status over the reply.

Knows no format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awning.protocols.wire import Reply


def unknown_member(operation: str, path: str, names: Any, known: Any) -> None:
    """Our own fault: an operation returned a member that its output does not have. Raises TypeError."""
    for name in names:
        if name not in known and not (isinstance(name, str) and name.startswith("@")):
            raise TypeError(f"{operation}: the reply has no member {path}{name}")


def finish(result: Mapping[str, Any], reply: Reply) -> Reply:
    """Lay an operation's own status and headers over its reply."""
    if "@status" in result:
        reply.status = result["@status"]
    if "@headers" in result:
        reply.headers.extend(result["@headers"])
    return reply
