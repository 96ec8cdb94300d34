"""Sessions as they are stored: every member comes back from the disk as it was, the secrets sealed."""

from __future__ import annotations

import sqlite3
from dataclasses import fields
from pathlib import Path

from awning.services.sts.tables import SCHEMA, Session, add_session, find_session
from awning.store.vault import Seal


def test_every_member_of_a_session_comes_back(tmp_path: Path) -> None:
    session = Session(
        access_key_id="ASIAEXAMPLE",
        secret="the secret",
        token="the token",
        account="123456789012",
        kind="role",
        source_arn="arn:aws:iam::123456789012:role/r",
        source_id="AROAEXAMPLE",
        name="work",
        created=1.0,
        expires=2.0,
        policy="{}",
        policy_arns=["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        tags={"team": "red"},
        transitive_tags=["team"],
        source_identity="alice",
        mfa=1.5,
        provider="arn:aws:iam::123456789012:oidc-provider/example.com",
        provider_facts={"example.com:sub": "somebody", "example.com:aud": ["app"]},
    )
    assert not [one.name for one in fields(session) if getattr(session, one.name) in (None, "", [], {})]
    path = tmp_path / "sts.db"
    db = sqlite3.connect(path)
    for script in SCHEMA.migrations:
        db.executescript(script)
    add_session(db, Seal(bytes(32)), session)
    db.commit()
    db.close()
    assert find_session(sqlite3.connect(path), Seal(bytes(32)), "ASIAEXAMPLE") == session
    assert b"the secret" not in path.read_bytes()
    assert b"the token" not in path.read_bytes()
