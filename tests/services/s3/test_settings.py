"""What buckets are configured with: one document each, under an id that never names another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from awning.kit.call import Call
from awning.services.s3 import bucket_tables, errors, settings
from awning.services.s3.bucket_tables import Bucket
from tests.services.s3.support import S3


def run(s3: S3, function: Callable[[Call, Bucket], Any]) -> Any:
    def unit(call: Call) -> Any:
        bucket = bucket_tables.find_bucket(call.db, "box")
        assert bucket is not None
        return function(call, bucket)

    return s3.loop.run_until_complete(s3.room.write(s3.call(), unit))


def test_settings_stand_until_they_are_taken_away(s3: S3) -> None:
    s3.create_bucket(bucket="box")
    assert run(s3, settings.of) == {}
    run(s3, lambda call, bucket: settings.put(call, bucket, "cors", [1]))
    run(s3, lambda call, bucket: settings.put(call, bucket, "payer", "Requester"))
    assert run(s3, settings.of) == {"cors": [1], "payer": "Requester"}
    run(s3, lambda call, bucket: settings.put(call, bucket, "cors", None))
    run(s3, lambda call, bucket: settings.put(call, bucket, "payer", None))
    assert run(s3, lambda call, bucket: bucket.settings) is None
    assert run(s3, lambda call, _: call.db.execute("SELECT count(*) FROM settings").fetchone()[0]) == 0


def test_what_is_made_of_a_setting_is_made_once_for_each_document(s3: S3) -> None:
    s3.create_bucket(bucket="box")
    made: list[Any] = []

    def count(call: Call, bucket: Bucket) -> Any:
        return settings.compiled(call, bucket, "cors", lambda value: made.append(value) or len(made))

    assert run(s3, count) is None
    run(s3, lambda call, bucket: settings.put(call, bucket, "cors", [1]))
    assert [run(s3, count), run(s3, count)] == [1, 1]
    run(s3, lambda call, bucket: settings.put(call, bucket, "cors", [2]))
    assert run(s3, count) == 2
    assert made == [[1], [2]]


def test_a_setting_goes_with_its_transaction_and_its_bucket(s3: S3) -> None:
    s3.create_bucket(bucket="box")
    run(s3, lambda call, bucket: settings.put(call, bucket, "cors", [1]))

    def fail(call: Call, bucket: Bucket) -> None:
        settings.put(call, bucket, "cors", [2])
        again = bucket_tables.find_bucket(call.db, "box")
        assert again is not None
        assert settings.of(call, again) == {"cors": [2]}
        raise errors.NoSuchKey("k")

    with pytest.raises(errors.NoSuchKey):
        run(s3, fail)
    assert run(s3, settings.of) == {"cors": [1]}
    s3.delete_bucket(bucket="box")
    s3.create_bucket(bucket="box")
    assert run(s3, settings.of) == {}
    assert run(s3, lambda call, _: call.db.execute("SELECT count(*) FROM settings").fetchone()[0]) == 0
