"""A bucket with object lock, against a small obvious model: versions with what protects them, and a clock that moves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.services.s3 import errors
from awning.services.s3.locks import DAY
from tests.faults.audit import faults_in
from tests.services.s3 import test_versioning_model as versioning
from tests.services.s3.support import S3
from tests.services.s3.test_locks import CRC

COUNT = itertools.count()
KEYS = st.sampled_from(["a", "é/b"])
PLACES = st.integers(0, 4)
MODES = st.sampled_from(["GOVERNANCE", "COMPLIANCE"])
DAYS = st.integers(1, 3)
BYPASS = st.sampled_from([None, False, True])
LOCKED = st.tuples(st.just("put_locked"), KEYS, MODES, DAYS, st.sampled_from([None, "ON", "OFF"]))
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS),
    LOCKED,
    st.tuples(st.just("multipart"), KEYS),
    st.tuples(st.just("copy"), KEYS, KEYS, PLACES),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("remove"), KEYS, PLACES, BYPASS),
    st.tuples(st.just("remove"), KEYS, PLACES, BYPASS),
    st.tuples(st.just("remove_all"), KEYS, BYPASS),
    st.tuples(st.just("retain"), KEYS, PLACES, st.one_of(st.none(), MODES), DAYS, BYPASS),
    st.tuples(st.just("retain"), KEYS, PLACES, MODES, DAYS, BYPASS),
    st.tuples(st.just("hold"), KEYS, PLACES, st.sampled_from(["ON", "OFF"])),
    st.tuples(st.just("default"), st.one_of(st.none(), MODES), DAYS),
    st.tuples(st.just("wait"), DAYS),
)


@dataclass
class Version(versioning.Version):
    """A version and its lock: `until` counts with a `mode` only."""

    mode: str | None = None
    until: int = 0
    hold: str | None = None


@dataclass
class Model(versioning.Model):
    """What a bucket with object lock should have. `rule`: the mode and the days that new versions are retained."""

    rule: tuple[str | None, int] = (None, 0)
    keys: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def now(self) -> int:
        return int(self.s3.clock.time)

    def made(self, key: str, answer: dict[str, Any], body: bytes, **lock: Any) -> None:
        version = Version(answer["VersionId"], body, **lock)
        if version.mode is None and self.rule[0] is not None:
            version.mode, version.until = self.rule[0], self.now + self.rule[1] * DAY
        self.add(key, version)

    def at(self, key: str, place: int) -> Version | None:
        there = self.keys.get(key, [])
        return there[place % len(there)] if there else None

    def locked(self, version: Version, bypass: bool | None) -> bool:
        if version.hold == "ON":
            return True
        return version.until > self.now and not (bypass and version.mode == "GOVERNANCE")

    # Steps, by their names in STEPS.

    def put(self, key: str, size: int = 0, **params: Any) -> None:
        answer = self.s3.put_object(bucket=self.bucket, key=key, body=b"", checksum_crc64_nvme=CRC, **params)
        self.made(key, answer, b"")

    def put_locked(self, key: str, mode: str, days: int, hold: str | None) -> None:
        until = self.now + days * DAY
        lock = {"object_lock_mode": mode, "object_lock_retain_until_date": until, "object_lock_legal_hold_status": hold}
        answer = self.s3.put_object(bucket=self.bucket, key=key, body=b"", checksum_crc64_nvme=CRC, **lock)
        self.made(key, answer, b"", mode=mode, until=until, hold=hold)

    def multipart(self, key: str) -> None:
        named = {"bucket": self.bucket, "key": key}
        upload = self.s3.create_multipart_upload(**named)["UploadId"]
        part = {**named, "upload_id": upload, "part_number": 1}
        etag = self.s3.upload_part(**part, body=b"", checksum_crc64_nvme=CRC)["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        self.made(key, self.s3.complete_multipart_upload(**named, upload_id=upload, multipart_upload=parts), b"")

    def remove(self, key: str, place: int, bypass: bool | None) -> None:
        version = self.at(key, place)
        if version is None:
            return
        params = {"bucket": self.bucket, "key": key, "version_id": version.id, "bypass_governance_retention": bypass}
        try:
            self.s3.delete_object(**params)
        except errors.AccessDenied:
            assert self.locked(version, bypass)
        else:
            assert not self.locked(version, bypass)
            self.keys[key].remove(version)

    def remove_all(self, key: str, bypass: bool | None) -> None:
        there = self.keys.get(key, [])
        if there:
            asked = {"Objects": [{"Key": key, "VersionId": version.id} for version in there]}
            answer = self.s3.delete_objects(bucket=self.bucket, delete=asked, bypass_governance_retention=bypass)
            left = [version for version in there if self.locked(version, bypass)]
            assert [entry["VersionId"] for entry in answer["Errors"]] == [version.id for version in left]
            self.keys[key] = left

    def retain(self, key: str, place: int, mode: str | None, days: int, bypass: bool | None) -> None:
        version = self.at(key, place)
        if version is None or version.body is None:
            return
        until = self.now + days * DAY
        active = version.until > self.now and not (bypass and version.mode == "GOVERNANCE")
        allowed = not active or (mode == version.mode and until >= version.until)
        retention = {"Mode": mode, "RetainUntilDate": until} if mode else {}
        named = {"bucket": self.bucket, "key": key, "version_id": version.id}
        try:
            self.s3.put_object_retention(**named, retention=retention, bypass_governance_retention=bypass)
        except errors.AccessDenied:
            assert not allowed
        else:
            assert allowed
            version.mode, version.until = mode, until if mode else 0

    def hold(self, key: str, place: int, status: str) -> None:
        version = self.at(key, place)
        if version is not None and version.body is not None:
            named = {"bucket": self.bucket, "key": key, "version_id": version.id}
            self.s3.put_object_legal_hold(**named, legal_hold={"Status": status})
            version.hold = status

    def default(self, mode: str | None, days: int) -> None:
        rule = {"Rule": {"DefaultRetention": {"Mode": mode, "Days": days}}} if mode else {}
        configuration = {"ObjectLockEnabled": "Enabled", **rule}
        self.s3.put_object_lock_configuration(bucket=self.bucket, object_lock_configuration=configuration)
        self.rule = (mode, days)

    def wait(self, days: int) -> None:
        self.s3.clock.time += days * DAY

    # What is seen.

    def check(self) -> None:
        super().check()
        for key, version, _ in self.entries():
            assert isinstance(version, Version)
            if version.body is not None:
                head = self.s3.head_object(bucket=self.bucket, key=key, version_id=version.id)
                assert head.get("ObjectLockMode") == version.mode
                assert ("ObjectLockRetainUntilDate" in head) == (version.mode is not None)
                assert head.get("ObjectLockLegalHoldStatus") == version.hold

    def add(self, key: str, version: Any) -> None:
        self.keys.setdefault(key, []).insert(0, version if isinstance(version, Version) else Version(version.id, None))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.lists(LOCKED, min_size=2, max_size=4), steps=st.lists(STEPS, min_size=5, max_size=25))
def test_locked_versions_against_the_model(s3: S3, first: list[tuple[Any, ...]], steps: list[tuple[Any, ...]]) -> None:
    """At the end, once all that holds is let go and all time is over, the bucket can be emptied and deleted."""
    model = Model(s3, f"locked-{next(COUNT)}", "Enabled")
    s3.create_bucket(bucket=model.bucket, object_lock_enabled_for_bucket=True)
    for name, *arguments in [*first, *steps]:
        getattr(model, name)(*arguments)
        model.check()
    for key, there in model.keys.items():
        for place in range(len(there)):
            model.hold(key, place, "OFF")
    model.wait(10)
    for key in list(model.keys):
        model.remove_all(key, None)
        assert model.keys[key] == []
    s3.delete_bucket(bucket=model.bucket)
    s3.work()
    assert s3.rows("contents") == 0
    assert [fault for fault in faults_in(s3.folder.path) if "among the rooms" not in fault] == []
