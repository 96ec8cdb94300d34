"""Background passes: what was marked is swept in small steps. Abandoned uploads stay, as on AWS."""

from __future__ import annotations

from awning.kit.call import Call
from awning.services.s3 import tables, upload_tables

STEP = 200
COMPLETED_KEPT = 7 * 86400
"""Seconds for which a repeated CompleteMultipartUpload gets its first answer."""


def sweep_deleted(call: Call) -> bool:
    """Give up some parts of a content that is no object's any more, or some uploads of a deleted bucket."""
    return upload_tables.sweep_content(call.db, call.blobs, call.memory.reading(), STEP) or upload_tables.sweep_bucket(
        call.db, STEP
    )


def forget_completed(call: Call) -> bool:
    """Forget some uploads that were completed long ago, and some renames."""
    before = int(call.now) - COMPLETED_KEPT
    more = tables.forget_renames(call.db, before, STEP)
    return upload_tables.forget_completed(call.db, before, STEP) or more
