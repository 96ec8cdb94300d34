"""The layout of S3's tables and its history. Its reasons stand in docs/decisions/0007.

A migration is only ever appended.
"""

from __future__ import annotations

from awning.store.schema import Schema

SCHEMA = Schema(
    migrations=(
        """
        CREATE TABLE buckets (
            bucket INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            created INTEGER NOT NULL,
            block INTEGER,           -- bits of the public access block; NULL: it has none
            policy TEXT,             -- id of its row in policies
            tags BLOB                -- JSON [[key, value]…]
        );
        CREATE INDEX buckets_by_account ON buckets (account, name);
        CREATE TABLE policies (policy TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE counters (bucket INTEGER PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL);

        CREATE TABLE objects (       -- the current version of each key, narrow, in the order of listings
            bucket INTEGER NOT NULL,
            key BLOB NOT NULL,
            size INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            etag TEXT NOT NULL,      -- with its quotes
            kind INTEGER NOT NULL,   -- checksum algorithm * 2 + (1 if composite)
            class TEXT NOT NULL,
            version TEXT,            -- NULL: the null version
            content INTEGER NOT NULL,
            PRIMARY KEY (bucket, key)
        ) WITHOUT ROWID;
        CREATE TABLE contents (      -- what a version consists of: inline, one blob, or parts
            content INTEGER PRIMARY KEY,
            headers BLOB NOT NULL,   -- JSON {member: value}
            checksum BLOB,
            tags BLOB,
            layout BLOB,             -- of parts: (number, end) pairs of unsigned 64-bit integers
            blob TEXT,
            body BLOB
        );
        CREATE UNIQUE INDEX contents_by_blob ON contents (blob) WHERE blob IS NOT NULL;

        CREATE TABLE uploads (
            id INTEGER PRIMARY KEY,
            content INTEGER,         -- NULL once it is completed: the content is the object's then
            bucket INTEGER NOT NULL,
            key BLOB NOT NULL,
            upload TEXT NOT NULL,
            initiated INTEGER NOT NULL,
            initiator BLOB NOT NULL, -- JSON {"ID": …}
            kind INTEGER NOT NULL,
            chosen INTEGER NOT NULL, -- the client named the algorithm
            class TEXT NOT NULL,
            changes INTEGER NOT NULL DEFAULT 0,
            completed INTEGER,       -- kept for a while, so that a repeated completion gives the same answer
            answer BLOB              -- JSON {"asked": digest of the completed parts, "etag": …}
        );
        CREATE UNIQUE INDEX uploads_by_key ON uploads (bucket, key, upload);
        CREATE INDEX uploads_completed ON uploads (completed) WHERE completed IS NOT NULL;
        CREATE TABLE parts (
            content INTEGER NOT NULL,
            number INTEGER NOT NULL,
            size INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            md5 BLOB NOT NULL,
            checksum BLOB NOT NULL,
            blob TEXT,
            body BLOB,
            PRIMARY KEY (content, number)
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX parts_by_blob ON parts (blob) WHERE blob IS NOT NULL;

        CREATE TABLE doomed_contents (content INTEGER PRIMARY KEY);
        CREATE TABLE doomed_buckets (bucket INTEGER PRIMARY KEY);
        """,
        "ALTER TABLE policies ADD COLUMN ids TEXT NOT NULL DEFAULT '{}'",
        """
        ALTER TABLE buckets ADD COLUMN notification TEXT;                     -- id of its row in notifications
        ALTER TABLE counters ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;  -- of its last event
        CREATE TABLE notifications (notification TEXT PRIMARY KEY, configuration BLOB NOT NULL) WITHOUT ROWID;
        """,
        """
        ALTER TABLE buckets ADD COLUMN versioning TEXT;  -- Enabled or Suspended; NULL: never was versioned
        ALTER TABLE objects ADD COLUMN age INTEGER;      -- as in versions; NULL: from before versioning, older than all others
        CREATE TABLE versions (      -- what is not current, and every delete marker, the newest of a key first
            bucket INTEGER NOT NULL,
            key BLOB NOT NULL,
            age INTEGER NOT NULL,    -- the number that its writing had in the bucket, negated
            version TEXT,            -- NULL: the null version
            size INTEGER NOT NULL,
            modified INTEGER NOT NULL,
            etag TEXT NOT NULL,
            kind INTEGER NOT NULL,
            class TEXT NOT NULL,
            content INTEGER,         -- NULL: a delete marker
            PRIMARY KEY (bucket, key, age)
        ) WITHOUT ROWID;
        CREATE UNIQUE INDEX null_versions ON versions (bucket, key) WHERE version IS NULL;
        """,
        """
        ALTER TABLE buckets ADD COLUMN settings TEXT;  -- id of its row in settings
        CREATE TABLE settings (settings TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;  -- JSON {name: value}
        ALTER TABLE contents ADD COLUMN seal BLOB;     -- how its bytes are encrypted; NULL: they are not
        ALTER TABLE contents ADD COLUMN extras BLOB;   -- JSON {name: value}: what few objects have
        """,
        """
        CREATE TABLE accounts (      -- what an account says of all its buckets
            account TEXT PRIMARY KEY,
            block INTEGER NOT NULL   -- as in buckets
        ) WITHOUT ROWID;
        """,
        """
        CREATE TABLE walks (         -- how far each bucket with a lifecycle has been gone through
            bucket INTEGER PRIMARY KEY,
            due INTEGER NOT NULL,    -- when the walk goes on
            begun INTEGER NOT NULL,
            phase INTEGER NOT NULL,  -- 0 current objects, 1 versions that are not, 2 uploads
            key BLOB NOT NULL,
            age INTEGER,
            since INTEGER,
            newer INTEGER NOT NULL
        );
        CREATE INDEX walks_by_due ON walks (due);
        CREATE TABLE restores (      -- contents of which it is to be told that a copy out of an archive has come, or gone
            content INTEGER PRIMARY KEY,
            bucket INTEGER NOT NULL,
            key BLOB NOT NULL,
            version TEXT,
            due INTEGER NOT NULL
        );
        CREATE INDEX restores_by_due ON restores (due);
        """,
        "ALTER TABLE parts ADD COLUMN salt BLOB NOT NULL DEFAULT x''",  # of the part's own encryption
        """
        CREATE TABLE renames (       -- by the client's token, so that the same request again changes nothing
            bucket INTEGER NOT NULL,
            token TEXT NOT NULL,
            asked BLOB NOT NULL,     -- digest of the request
            done INTEGER NOT NULL,
            PRIMARY KEY (bucket, token)
        ) WITHOUT ROWID;
        """,
        "CREATE INDEX uploads_in_order ON uploads (bucket, key)",  # and id, as lifecycles walk through them
        """
        CREATE TABLE mfa_steps (     -- of each MFA device, the half minute since the epoch of the last code that was taken
            serial TEXT PRIMARY KEY,
            step INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
        "CREATE INDEX renames_by_time ON renames (done)",
        """
        CREATE TABLE points (        -- access points
            point INTEGER PRIMARY KEY AUTOINCREMENT,
            account TEXT NOT NULL,
            region TEXT NOT NULL,
            name TEXT NOT NULL,
            alias TEXT NOT NULL UNIQUE,
            bucket INTEGER NOT NULL, -- another bucket of its name is not behind the point
            bucket_name TEXT NOT NULL,
            bucket_account TEXT NOT NULL,
            created INTEGER NOT NULL,
            block INTEGER NOT NULL,  -- as in buckets
            policy TEXT,             -- as in buckets
            tags BLOB                -- as in buckets
        );
        CREATE UNIQUE INDEX points_by_name ON points (account, region, name);
        CREATE INDEX points_by_bucket ON points (bucket, account);
        """,
    )
)
