"""Tables of what strangers wrote: shown as it is, without acting on the terminal, and whole where there is none.

Nothing in a text is markup, and no control character reaches the terminal.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WITHOUT_TERMINAL = 240


def plain(text: str) -> Text:
    """Return a cell that shows a text; what would not be seen of it is written as Python would."""
    from rich.text import Text

    return Text("".join(sign if sign.isprintable() or sign in "\n\t" else repr(sign)[1:-1] for sign in text))


def wide_console() -> Console:
    """Return a console as wide as the terminal; where output goes elsewhere, wide enough to cut no identifier short."""
    from rich.console import Console

    elsewhere = not Console().is_terminal and "COLUMNS" not in os.environ
    return Console(width=_WITHOUT_TERMINAL) if elsewhere else Console()
