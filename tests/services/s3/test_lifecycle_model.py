"""Lifecycles against a slow obvious model, which at each midnight looks at everything by every rule."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from awning.kit.call import Call, service_facts
from awning.services.s3 import lifecycle_work
from tests.services.s3.support import S3

DAY = 86400
LADDER = ["STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
COUNT = itertools.count()
KEYS = ["a", "a/1", "b"]

days = st.integers(1, 3)
plain = st.sampled_from([{}, {}, {"Prefix": "a"}, {"Prefix": "a/"}])
filters = st.one_of(
    plain,
    st.sampled_from([{"Tag": {"Key": "t", "Value": value}} for value in "01"]),
    st.sampled_from([{"ObjectSizeGreaterThan": 0}, {"ObjectSizeLessThan": 2}]),
    st.just({"And": {"Prefix": "a", "Tags": [{"Key": "t", "Value": "0"}]}}),
)
classes = st.sampled_from(["INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"])
stale = st.fixed_dictionaries({"NoncurrentDays": days}, optional={"NewerNoncurrentVersions": st.integers(1, 2)})
actions = st.one_of(
    st.fixed_dictionaries({"Expiration": st.fixed_dictionaries({"Days": days})}),
    st.fixed_dictionaries({"NoncurrentVersionExpiration": stale}),
    st.builds(lambda at, name: {"Transitions": [{"Days": at, "StorageClass": name}]}, days, classes),
    st.builds(
        lambda action, name: {"NoncurrentVersionTransitions": [{**action, "StorageClass": name}]}, stale, classes
    ),
)
plain_actions = st.one_of(
    st.just({"Expiration": {"ExpiredObjectDeleteMarker": True}}),
    st.fixed_dictionaries({"AbortIncompleteMultipartUpload": st.fixed_dictionaries({"DaysAfterInitiation": days})}),
)
states = st.sampled_from(["Enabled", "Enabled", "Enabled", "Disabled"])
rules = st.lists(
    st.one_of(
        st.builds(lambda state, given, action: {"Status": state, "Filter": given, **action}, states, filters, actions),
        st.builds(lambda state, given, action: {"Status": state, "Filter": given, **action}, states, plain, actions),
        st.builds(
            lambda state, given, action: {"Status": state, "Filter": given, **action}, states, plain, plain_actions
        ),
    ),
    min_size=2,
    max_size=4,
)
puts = st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers(0, 3), st.sampled_from([None, "t=0", "t=1"]))
passes = st.tuples(st.just("pass"), st.integers(1, 3))
steps = st.one_of(
    puts,
    puts,
    puts,
    passes,
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("upload"), st.sampled_from(KEYS)),
    st.tuples(st.just("switch"), st.sampled_from(["Enabled", "Suspended"])),
    st.tuples(st.just("rules"), rules),
)


@dataclass
class Version:
    """`tags` is None of a delete marker."""

    id: str
    size: int
    written: float
    tags: dict[str, str] | None
    storage_class: str = "STANDARD"


@dataclass
class Model:
    """`keys`: each key's versions, the newest first."""

    versioning: str | None = None
    rules: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, list[Version]] = field(default_factory=lambda: {key: [] for key in KEYS})
    uploads: list[tuple[str, float]] = field(default_factory=list)

    def add(self, key: str, version: Version) -> None:
        there = self.keys[key]
        if self.versioning is None:
            there.clear()
        elif version.id == "null":
            there[:] = [one for one in there if one.id != "null"]
        there.insert(0, version)

    def hide(self, key: str, now: float) -> None:
        """A marker whose id is not known is called "?"; the null version's is."""
        if self.versioning is None:
            self.keys[key].clear()
        else:
            self.add(key, Version("?" if self.versioning == "Enabled" else "null", 0, now, None))

    def night(self, now: float) -> None:
        """Do what is due at a midnight."""
        for key in self.keys:
            self._current(key, now)
            self._older(key, now)
            self._markers(key, now)
        enabled = [
            rule for rule in self.rules if rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule
        ]
        self.uploads = [
            (key, begun)
            for key, begun in self.uploads
            if not any(
                key.startswith(rule["Filter"].get("Prefix", ""))
                and is_due(begun, rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], now)
                for rule in enabled
            )
        ]

    def _fitting(self, key: str, version: Version) -> list[dict[str, Any]]:
        return [rule for rule in self.rules if rule["Status"] == "Enabled" and fits(rule["Filter"], key, version)]

    def _current(self, key: str, now: float) -> None:
        there = self.keys[key]
        if not there or there[0].tags is None:
            return
        version = there[0]
        fitting = self._fitting(key, version)
        ends = any(
            "Days" in r.get("Expiration", {}) and is_due(version.written, r["Expiration"]["Days"], now) for r in fitting
        )
        if ends and self.versioning is None:
            there.clear()
            return
        for rule in fitting:
            for move in rule.get("Transitions", []):
                if is_due(version.written, move["Days"], now):
                    sink(rule, version, move["StorageClass"])
        if ends:
            self.hide(key, now)

    def _older(self, key: str, now: float) -> None:
        there = self.keys[key]
        newer, kept = 0, there[:1]
        for before, version in itertools.pairwise(there):
            fitting = self._fitting(key, version)
            gone = False
            for rule in fitting:
                action = rule.get("NoncurrentVersionExpiration")
                if action and newer >= action.get("NewerNoncurrentVersions", 0):
                    gone = gone or is_due(before.written, action["NoncurrentDays"], now)
            if gone:
                continue
            kept.append(version)
            for rule in fitting:
                for move in rule.get("NoncurrentVersionTransitions", []):
                    enough = version.tags is not None and newer >= move.get("NewerNoncurrentVersions", 0)
                    if enough and is_due(before.written, move["NoncurrentDays"], now):
                        sink(rule, version, move["StorageClass"])
            newer += 1
        self.keys[key] = kept

    def _markers(self, key: str, now: float) -> None:
        there = self.keys[key]
        if len(there) != 1 or there[0].tags is not None:
            return
        for rule in self._fitting(key, there[0]):
            end = rule.get("Expiration", {})
            if end.get("ExpiredObjectDeleteMarker") or ("Days" in end and is_due(there[0].written, end["Days"], now)):
                there.clear()
                return


def is_due(since: float, days_: int, now: float) -> bool:
    """ "…adding the number of days… and rounding up the resulting time to the next day at midnight UTC"."""
    midnight = since + days_ * DAY
    midnight += DAY - midnight % DAY
    return now >= midnight


def fits(wanted: dict[str, Any], key: str, version: Version) -> bool:
    wanted = wanted.get("And", wanted)
    tags = wanted.get("Tags", [wanted["Tag"]] if "Tag" in wanted else [])
    if not key.startswith(wanted.get("Prefix", "")):
        return False
    if any((version.tags or {}).get(tag["Key"]) != tag["Value"] for tag in tags):
        return False
    return wanted.get("ObjectSizeGreaterThan", -1) < version.size < wanted.get("ObjectSizeLessThan", 1 << 60)


def sink(rule: dict[str, Any], version: Version, storage_class: str) -> None:
    """Everything is small here: only a rule that speaks of sizes moves it, and only down."""
    lower = LADDER.index(storage_class) > LADDER.index(version.storage_class)
    if lower and any("Size" in name for name in rule["Filter"]):
        version.storage_class = storage_class


def shown(s3: S3, bucket: str) -> dict[str, list[tuple[str, int, str]]]:
    """Each key's versions as they are listed: id, size and class; of a delete marker "?" or null, -1 and nothing."""
    listed = s3.list_object_versions(bucket=bucket)
    found: dict[str, list[tuple[bool, float, tuple[str, int, str]]]] = {key: [] for key in KEYS}
    order = {}
    for version in listed["Versions"]:
        entry = (version["VersionId"], version["Size"], version["StorageClass"])
        found[version["Key"]].append((version["IsLatest"], version["LastModified"], entry))
    for marker in listed["DeleteMarkers"]:
        id_ = "null" if marker["VersionId"] == "null" else "?"
        found[marker["Key"]].append((marker["IsLatest"], marker["LastModified"], (id_, -1, "")))
    for key, entries in found.items():
        assert sum(latest for latest, _, _ in entries) == (1 if entries else 0)
        order[key] = sorted(entry for _, _, entry in entries)
    return order


def expected(model: Model) -> dict[str, list[tuple[str, int, str]]]:
    return {
        key: sorted(
            (one.id, one.size, one.storage_class) if one.tags is not None else (one.id, -1, "") for one in versions
        )
        for key, versions in model.keys.items()
    }


def walk(s3: S3) -> None:
    """Let what is due be done, all in one transaction."""

    def run(call: Call) -> None:
        while lifecycle_work.walk_lifecycles(call):
            continue

    s3.loop.run_until_complete(s3.room.write(s3.room.call(service_facts("s3")), run))


def play(s3: S3, taken: list[tuple[Any, ...]]) -> None:
    bucket = f"life-{next(COUNT)}"
    s3.create_bucket(bucket=bucket)
    model = Model()
    for name, *args in [*taken, ("pass", 1), ("pass", 3)]:
        s3.clock.time += 100
        now = s3.clock.time
        if name == "put":
            key, size, tagging = args
            answer = s3.put_object(bucket=bucket, key=key, body=b"x" * size, tagging=tagging)
            tags = dict([tagging.split("=")]) if tagging else {}
            model.add(key, Version(answer.get("VersionId", "null"), size, now, tags))
        elif name == "delete":
            s3.delete_object(bucket=bucket, key=args[0])
            model.hide(args[0], now)
        elif name == "upload":
            s3.create_multipart_upload(bucket=bucket, key=args[0])
            model.uploads.append((args[0], now))
        elif name == "switch":
            s3.put_bucket_versioning(bucket=bucket, versioning_configuration={"Status": args[0]})
            model.versioning = args[0]
        elif name == "rules":
            s3.put_bucket_lifecycle_configuration(bucket=bucket, lifecycle_configuration={"Rules": args[0]})
            model.rules = args[0]
            walk(s3)
            model.night(now)
        else:
            for _ in range(args[0]):
                s3.clock.time = (s3.clock.time // DAY + 1) * DAY
                walk(s3)
                model.night(s3.clock.time)
        assert shown(s3, bucket) == expected(model)
        uploads = s3.list_multipart_uploads(bucket=bucket)["Uploads"]
        assert sorted((entry["Key"], entry["Initiated"]) for entry in uploads) == sorted(model.uploads)


@pytest.mark.parametrize("slices", [(4000, 300, 40), (2, 3, 1)])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(versioned=st.booleans(), first=rules, taken=st.lists(steps, min_size=6, max_size=25))
def test_lifecycles_do_what_the_model_does(
    s3: S3, slices: tuple[int, int, int], versioned: bool, first: list[dict[str, Any]], taken: list[tuple[Any, ...]]
) -> None:
    begin: list[tuple[Any, ...]] = [("switch", "Enabled")] if versioned else []
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(("WINDOW", "LOOKED_AT", "DONE"), slices, strict=True):
            patch.setattr(lifecycle_work, name, value)
        play(s3, [*begin, ("rules", first), *taken])
