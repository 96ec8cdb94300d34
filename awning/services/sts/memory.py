"""What sts keeps in memory: compiled policies, issuers' keys, wrong codes. The first two follow from elsewhere."""

from __future__ import annotations

import sqlite3

from awning.kit.attempts import Attempts
from awning.kit.compiled import Compiled
from awning.services.sts.issuers import Issuers


class Memory:
    """`compiled` follows from the text of policies, `issuers` from what the issuers publish, and `attempts` are
    an observation: no commit concerns them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.compiled = Compiled()
        self.issuers = Issuers()
        self.attempts = Attempts()
