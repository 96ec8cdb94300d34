"""What SNS says of a text that should be JSON and is not. Pure.

It names the first thing that is wrong as Jackson, the parser of the service, does; other faults are told in general.
"""

from __future__ import annotations

import re

_WHERE = "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: "
_NAME = re.compile(r"\s*\{\s*(?P<wrong>[^\s\"}])")
_TOKEN = re.compile(r"\s*(?P<token>[A-Za-z_$][A-Za-z0-9_$]*)")
_KNOWN = frozenset({"null", "true", "false"})


def not_json(text: str) -> str:
    """Return what is to be said of a text that could not be parsed."""
    said = "failed to parse JSON."
    if "\n" in text:
        return said
    if found := _NAME.match(text):
        wrong = found["wrong"]
        where = f"{_WHERE}{found.end()}]"
        return (
            f"{said} Unexpected character ('{wrong}' (code {ord(wrong)})): "
            f"was expecting double-quote to start field name{where}"
        )
    if (found := _TOKEN.match(text)) and found["token"] not in _KNOWN:
        return (
            f"{said} Unrecognized token '{found['token']}': was expecting (JSON String, Number, Array, Object or token "
            f"'null', 'true' or 'false'){_WHERE}{found.end() + 1}]"
        )
    return said
