"""Replicating: brings versions to where their bucket's rules want them, as the role of its configuration.

A replica has the id, the place among its key's versions, the date and the entity tag of its original. What is brought twice, or
in another order than it came about, comes to the same: what is there is made like the original as that is now.
S3 user guide, "Replicating objects within and across Regions", "Setting up permissions for live replication".
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from awning.contracts import Deliver, FindRole, ReplicateVersion, Sender
from awning.kit.call import Call, Facts
from awning.kit.deliveries import TryAgain, Undeliverable
from awning.kit.roles import decide_as, may_assume, session_of
from awning.services.s3 import (
    bucket_tables,
    checksums,
    encryption,
    errors,
    event_records,
    history,
    lists,
    locks,
    names,
    notifications,
    owners,
    reading,
    receiving,
    replication,
    replication_rules,
    tables,
    upload_tables,
    version_ids,
    version_tables,
)
from awning.services.s3.bucket_tables import Bucket
from awning.services.s3.checksums import Wanted
from awning.services.s3.encryption_headers import AES256, Asked
from awning.services.s3.locks import Lock
from awning.services.s3.policies import guard
from awning.services.s3.reading import Layout
from awning.services.s3.replication_rules import COMPLETED, EXTRA, FAILED, REPLICA, Rule
from awning.services.s3.tables import NewContent, Object, Stored
from awning.services.s3.upload_tables import Part
from awning.services.s3.version_tables import Marker, Place
from awning.store.errors import BatchFailed, WritesRefused

SERVICE: Final = "s3.amazonaws.com"
SESSION: Final = "s3-replication"
_PAGE: Final = 100
_SECONDS: Final = 1.0
"""Before what changed while it was under way is tried again."""
_NOTHING: Final = Stored(None, None)


class ReplicationFailed(Undeliverable):
    """A replication that no further try will bring about. `reason`: as the S3 user guide has it in "Amazon S3 replication failure
    reasons"."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class Plan(NamedTuple):
    """What is to be brought where. `version` is None for the null version. `there`: it is there already, and only to be made like
    its original. `acting`: a call of the role; `with_tags`: it may replicate tags."""

    source: Bucket
    target: Bucket
    key: bytes
    version: str | None
    age: int
    found: Object | Marker
    rule: Rule
    there: bool
    acting: Call
    with_tags: bool

    @property
    def name(self) -> str:
        return self.key.decode("utf-8", "surrogateescape")


class Copies(NamedTuple):
    """Bytes that have been copied and belong to no object yet: a whole, or parts, each with its salt."""

    seal: bytes | None
    whole: Stored
    parts: list[tuple[Part, Stored, bytes]]

    def blobs(self) -> list[str]:
        """The ids of the files."""
        stored = [self.whole, *(each for _, each, _ in self.parts)]
        return [each.blob for each in stored if each.blob is not None]


async def carry(call: Call, letter: ReplicateVersion) -> None:
    """For Service.carries: bring a version to its destination. Raises ReplicationFailed."""
    plan = _plan(call, letter)
    if plan is None:
        return
    copies: Copies | None = None
    if isinstance(plan.found, Object) and not plan.there:
        copies = await _copy(plan, plan.found)
    laid: list[int] = []
    try:
        if copies is not None and isinstance(plan.found, Object) and plan.found.layout is not None:
            await _lay(call, plan.found.layout, copies, laid)
        await call.commit(_place, letter, plan, copies, laid)
    except (Undeliverable, TryAgain):
        if copies is not None and copies.blobs():
            await call.commit(_discard, copies)
        raise
    except (BatchFailed, WritesRefused) as error:
        # Only where it certainly was not committed; what a crash leaves the store collects.
        if copies is not None and (isinstance(error, WritesRefused) or error.full):
            _drop(call, copies)
        raise
    finally:
        call.memory.making.difference_update(laid)


def given_up(call: Call, letter: Deliver, reason: str) -> None:
    """For Service.given_up: note and tell that a replication failed, in the transaction that drops it."""
    if not isinstance(letter, ReplicateVersion):
        return
    source = bucket_tables.bucket_of(call.db, letter.source)
    found = None if source is None else _find(call, source, letter, body=False)
    if source is None or found is None:
        return
    target = names.bucket_of_arn(letter.arn)
    if isinstance(found, Object):
        _mark(call, found.content, target, FAILED)
    configured = replication.of(call, source)
    rule = None if configured is None else replication_rules.by_name(configured, letter.rule, target)
    if rule is not None and rule.metrics:
        why = reason.removeprefix(f"{ReplicationFailed.__name__}: ").partition(":")[0]
        _tell(call, source, letter, found, rule, "Replication:OperationFailedReplication", {"failureReason": why})


# What is to be done, and whether it may be ---------------------------------------------------------------------------


def _plan(call: Call, letter: ReplicateVersion) -> Plan | None:
    """Return what a letter asks for by committed state; None where its version is gone. Raises ReplicationFailed."""
    source = bucket_tables.bucket_of(call.db, letter.source)
    found = None if source is None else _find(call, source, letter, body=True)
    if source is None or found is None:
        return None
    key, name = replication.key_of(letter), names.bucket_of_arn(letter.arn)
    configured = replication.of(call, source)
    rule = None if configured is None else replication_rules.by_name(configured, letter.rule, name)
    if configured is None or rule is None:
        raise ReplicationFailed(
            "SrcBucketReplicationConfigMissing", f"No rule of {source.name} leads to {name} any more."
        )
    target = _target(call, source, rule)
    version, age = history.wanted(letter.version)
    if age is None:
        place = version_tables.place_of(call.db, source.bucket, key, None, None)
        age = place.age if place is not None else 0
    there = version_tables.place_of(call.db, target.bucket, key, version, None if version is None else age)
    if there is None and not letter.whole:
        raise ReplicationFailed("DstObjectHardDeleted", f"The replica is not in {name} any more.")
    acting = _acting(call, source, configured.role)
    with_tags = _check(acting, source, target, key.decode("utf-8", "surrogateescape"), found, rule)
    return Plan(source, target, key, version, age, found, rule, there is not None, acting, with_tags)


def _find(call: Call, source: Bucket, letter: ReplicateVersion, body: bool) -> Object | Marker | None:
    wanted = history.wanted(letter.version)
    return version_tables.find(call.db, source.bucket, replication.key_of(letter), *wanted, body)


def _target(call: Call, source: Bucket, rule: Rule) -> Bucket:
    """Return a rule's destination, if it can take replicas now. Raises ReplicationFailed."""
    target = bucket_tables.find_bucket(call.db, rule.bucket)
    if target is None:
        raise ReplicationFailed("DstBucketNotFound", f"There is no bucket {rule.bucket}.")
    if target.versioning != history.ENABLED:
        raise ReplicationFailed("DstBucketUnversioned", f"The bucket {rule.bucket} does not keep versions.")
    if rule.account is not None and rule.account != target.account:
        raise ReplicationFailed(
            "DstPutObjectNotPermitted", f"The bucket {rule.bucket} is not account {rule.account}'s."
        )
    if locks.of_bucket(call, source) is not None and locks.of_bucket(call, target) is None:
        raise ReplicationFailed("DstBucketObjectLockConfigMissing", f"The bucket {rule.bucket} has no object lock.")
    return target


def _acting(call: Call, source: Bucket, role: str) -> Call:
    """Return a call of the role, assumed for the source bucket. Raises ReplicationFailed."""
    facts = call.ask(FindRole(role))
    if facts is None:
        raise ReplicationFailed("AssumeRoleNotPermitted", f"There is no role {role}.")
    trust = call.memory.trusts.get("trust", role, facts.trust, facts.trust_ids)
    if not may_assume(Sender(SERVICE, names.bucket_arn(source.name), source.account), facts, trust, call.now):
        raise ReplicationFailed("AssumeRoleNotPermitted", f"The role {role} does not trust {SERVICE}.")
    session = session_of(facts, SESSION, call.now)
    return call.room.call(Facts("", session, facts.account, source.region))


def _check(acting: Call, source: Bucket, target: Bucket, key: str, found: Object | Marker, rule: Rule) -> bool:
    """Check what the role needs; return whether it may replicate tags, which it need not. Raises ReplicationFailed."""
    original, replica = names.object_arn(source.name, key), names.object_arn(target.name, key)

    def need(action: str, bucket: Bucket, arn: str, reason: str) -> None:
        if not _may(acting, action, bucket, arn):
            raise ReplicationFailed(
                reason, f"{acting.principal.arn} is not authorized to perform: {action} on resource: {arn}"
            )

    of_source = names.bucket_arn(source.name)
    need("s3:GetReplicationConfiguration", source, of_source, "SrcBucketReplicationConfigMissing")
    need("s3:ListBucket", source, of_source, "SrcHeadObjectNotPermitted")
    if isinstance(found, Marker):
        need("s3:ReplicateDelete", target, replica, "DstDelObjNotPermitted")
        return False
    need("s3:GetObjectVersionForReplication", source, original, "SrcGetObjectNotPermitted")
    need("s3:GetObjectVersionAcl", source, original, "SrcGetAclNotPermitted")
    _check_owner(acting, source, found)
    lock = locks.of_extras(found.extras)
    if lock.retention is not None:
        need("s3:GetObjectRetention", source, original, "SrcGetObjectNotPermitted")
    if lock.hold is not None:
        need("s3:GetObjectLegalHold", source, original, "SrcGetObjectNotPermitted")
    need("s3:ReplicateObject", target, replica, "DstPutObjectNotPermitted")
    if rule.owner_override:
        need("s3:ObjectOwnerOverrideToBucketOwner", target, replica, "DstPutAclNotPermitted")
    reads = _may(acting, "s3:GetObjectVersionTagging", source, original)
    return reads and _may(acting, "s3:ReplicateTags", target, replica)


def _may(acting: Call, action: str, bucket: Bucket, arn: str) -> bool:
    says = guard(acting, arn)
    return says is not None and decide_as(acting.principal, action, arn, says, acting.now, bucket.region).allowed


def _check_owner(acting: Call, source: Bucket, found: Object) -> None:
    """An object that is not the bucket's owner's is replicated only where its list lets that owner read it and the list.

    S3 user guide, "Requirements and considerations for replication". Raises ReplicationFailed.
    """
    if owners.mode(acting, source) == owners.ENFORCED or owners.owner_of(source, found.extras) == source.account:
        return
    me = names.owner_id(source.account)
    given = {permission for grantee, permission in owners.grants_of(source, found.extras) if grantee == me}
    if lists.FULL not in given and not given >= {"READ", "READ_ACP"}:
        raise ReplicationFailed(
            "SrcGetObjectNotPermitted", "The object is another account's, which does not let it be read."
        )


# Copying bytes -------------------------------------------------------------------------------------------------------


async def _copy(plan: Plan, found: Object) -> Copies:
    """Copy the bytes of an object, encrypted anew. Raises ReplicationFailed where KMS refuses that."""
    acting = plan.acting
    try:
        keys = encryption.open_for(acting, plan.source, plan.name, found.seal)
    except errors.ServiceError as error:
        raise _of_kms("Src", "SrcGetObjectNotPermitted", error) from error
    try:
        sealing = encryption.choose(acting, plan.target, plan.name, plan.key, _asked(plan, found))
    except errors.ServiceError as error:
        raise _of_kms("Dst", "DstPutObjectNotPermitted", error) from error
    wanted = Wanted(checksums.algorithm_of(found.kind))
    if found.layout is None:
        cipher = None if sealing.keys is None else sealing.keys.whole()
        blocks = reading.blocks_of(acting, found, 0, found.size, keys)
        received = await receiving.receive(acting, wanted, None, blocks, cipher=cipher)
        copies = Copies(sealing.seal, received.stored, [])
        if found.checksum is not None and not found.kind & 1 and received.checksum != found.checksum:
            _drop(acting, copies)
            raise OSError(f"What was read of {plan.source.name}/{plan.name} is not what was written.")
        return copies
    copies = Copies(sealing.seal, _NOTHING, [])
    try:
        await _copy_parts(plan, found, keys, sealing.keys, wanted, copies)
    except BaseException:
        _drop(acting, copies)
        raise
    return copies


async def _copy_parts(
    plan: Plan,
    found: Object,
    keys: encryption.Keys | None,
    new: encryption.Keys | None,
    wanted: Wanted,
    copies: Copies,
) -> None:
    """Copy one part after another; what is there of them stands in `copies` at each moment."""
    acting = plan.acting
    assert found.layout is not None
    layout = Layout.read(found.layout)
    for index, number in enumerate(layout.numbers):
        if index % _PAGE == 0:
            page = upload_tables.parts_after(acting.db, found.content, number - 1, _PAGE)
        if index % _PAGE >= len(page):
            raise TryAgain("The version went while it was copied.", 0.0)
        part = page[index % _PAGE]
        salt = b"" if new is None else acting.random(encryption.SALT)
        cipher = None if new is None else new.part(number, salt)
        blocks = reading.blocks_of(acting, found, *layout.span(index), keys)
        received = await receiving.receive(acting, wanted, part.md5, blocks, cipher=cipher)
        copies.parts.append((part, received.stored, salt))


def _asked(plan: Plan, found: Object) -> Asked | None:
    """How a replica is encrypted: as its original is, under the rule's own key (user guide, "Replicating encrypted objects")."""
    if found.seal is None:
        return None
    if encryption.is_of_kms(found.seal):
        return Asked(encryption.shown(found.seal)["ServerSideEncryption"], plan.rule.kms_key)
    return Asked(AES256)


def _of_kms(side: str, denied: str, error: errors.ServiceError) -> ReplicationFailed:
    if isinstance(error, errors.AccessDenied):
        return ReplicationFailed(denied, error.message)
    missing = isinstance(error, errors.KmsNotFound)
    return ReplicationFailed(f"{side}KmsKey{'NotFound' if missing else 'InvalidState'}", error.message)


def _drop(call: Call, copies: Copies) -> None:
    for blob in copies.blobs():
        call.blobs.drop(blob)


def _discard(call: Call, copies: Copies) -> None:
    for blob in copies.blobs():
        call.blobs.discard(call.db, blob)


# Making it visible ---------------------------------------------------------------------------------------------------


async def _lay(call: Call, layout: bytes, copies: Copies, laid: list[int]) -> None:
    """Write copied parts down in slices, there may be 10,000, as those of a content that is given up: nothing shows it, and
    should it come to nothing it is swept. What is written down leaves `copies`; the content's number is put into `laid`."""
    while copies.parts:
        await call.commit(_lay_slice, layout, copies, laid)
        del copies.parts[:_PAGE]


def _lay_slice(call: Call, layout: bytes, copies: Copies, laid: list[int]) -> None:
    if not laid:
        nothing = NewContent(0, "", 0, b"", b"{}", None, "", _NOTHING, copies.seal)
        laid.append(tables.insert_content(call.db, nothing))
        tables.doom_content(call.db, laid[0])
        call.memory.making.add(laid[0])
    upload_tables.insert_parts(call.db, laid[0], layout, copies.parts[:_PAGE])


def _place(call: Call, letter: ReplicateVersion, plan: Plan, copies: Copies | None, laid: list[int]) -> None:
    """Put a replica in its place, or make it like its original, and note that it is done. laid: the content that has its parts.

    Raises TryAgain, ReplicationFailed."""
    source = bucket_tables.bucket_of(call.db, letter.source)
    found = None if source is None else _find(call, source, letter, body=False)
    if source is None or found is None:
        if copies is not None:
            _discard(call, copies)
        return
    target = _target(call, source, plan.rule)
    if target.bucket != plan.target.bucket:
        raise TryAgain("The destination was made anew meanwhile.", _SECONDS)
    named = (plan.version, None if plan.version is None else plan.age)
    there = version_tables.place_of(call.db, target.bucket, plan.key, *named)
    if there is not None:
        _check_same(call, plan, found, there)
        if there.content is not None and isinstance(found, Object):
            _renew(call, plan, source, target, found, there.content, letter.what)
        if copies is not None:
            _discard(call, copies)
    elif isinstance(found, Marker):
        _put(call, plan, target, found.modified)
    elif copies is None:
        raise TryAgain("The replica went meanwhile.", _SECONDS)
    elif not isinstance(found, Object) or not isinstance(plan.found, Object) or found.etag != plan.found.etag:
        raise TryAgain("The null version was made anew meanwhile.", 0.0)
    else:
        _insert(call, plan, source, target, found, copies, laid)
    if isinstance(found, Object):
        _mark(call, found.content, target.name, COMPLETED)
    if plan.rule.threshold is not None and call.now - letter.at > plan.rule.threshold:
        _tell(call, source, letter, found, plan.rule, "Replication:OperationMissedThreshold", {})
        _tell(call, source, letter, found, plan.rule, "Replication:OperationReplicatedAfterThreshold", {})


def _check_same(call: Call, plan: Plan, found: Object | Marker, there: Place) -> None:
    """Refuse to take the destination's own null version for a replica. Raises ReplicationFailed."""
    same = (there.content is None) == isinstance(found, Marker)
    if same and there.content is not None and isinstance(found, Object):
        own = (
            plan.version is None
            and replication_rules.of_extras(tables.extras_of_content(call.db, there.content)) is None
        )
        same = there.etag == found.etag and not own
    if not same:
        raise ReplicationFailed("SrcObjectNotEligible", f"{plan.target.name} has a null version of its own.")


def _insert(
    call: Call, plan: Plan, source: Bucket, target: Bucket, found: Object, copies: Copies, laid: list[int]
) -> None:
    """Make copied bytes the replica of a version."""
    extras = owners.merged(None, {EXTRA: REPLICA, **_ownership(call, plan, source, target, found)})
    lock = locks.of_extras(found.extras)
    extras = locks.on_new(call, target, None if lock == locks.Lock() else lock, extras)
    storage_class = plan.rule.storage_class or found.storage_class
    tags = found.tags if plan.with_tags else None
    new = NewContent(
        found.size,
        found.etag,
        found.kind,
        found.checksum or b"",
        found.headers,
        tags,
        storage_class,
        copies.whole,
        copies.seal,
        extras,
    )
    content = tables.adopt_content(call.db, laid[0], new) if laid else tables.insert_content(call.db, new)
    _put(call, plan, target, (found.size, found.modified, found.etag, found.kind, storage_class, content))
    if target.notification is not None:
        event = "ObjectCreated:Put" if found.layout is None else "ObjectCreated:CompleteMultipartUpload"
        notifications.notify(call, target, event, plan.name, found.size, found.etag, plan.version)


def _put(call: Call, plan: Plan, target: Bucket, row: tuple[int, int, str, int, str, int] | int) -> None:
    if not history.receive(call, target, plan.key, (plan.version, plan.age), row):
        raise ReplicationFailed("SrcObjectNotEligible", f"Another version stands at its place in {target.name}.")
    if isinstance(row, int) and target.notification is not None:
        event, told = "ObjectRemoved:DeleteMarkerCreated", event_records.NOTHING_MD5
        notifications.notify(call, target, event, plan.name, etag=told, version=plan.version)


def _renew(call: Call, plan: Plan, source: Bucket, target: Bucket, found: Object, content: int, what: str) -> None:
    """Make tags, lock and list of what is there those of the other version."""
    facts = tables.facts_of(call.db, content)
    if plan.with_tags and facts.tags != found.tags:
        tables.set_object_tags(call.db, content, found.tags)
    further: dict[str, Any] = {"owner": None, "acl": None, **_ownership(call, plan, source, target, found)}
    if owners.mode(call, target) == owners.ENFORCED:
        further = {}
    if locks.of_bucket(call, source) is not None:
        arn = names.object_arn(target.name, plan.name)
        changed = what == "OBJECT_LOCK"
        bypass = changed and _may(plan.acting, "s3:BypassGovernanceRetention", target, arn)
        lock = _renewed(locks.of_extras(facts.extras), locks.of_extras(found.extras), call.now, changed, bypass)
        further["retention"] = None if lock.retention is None else [*lock.retention]
        further["hold"] = lock.hold
    extras = owners.merged(facts.extras, further)
    if extras != facts.extras:
        tables.set_extras(call.db, content, extras)


def _renewed(there: Lock, wanted: Lock, now: float, changed: bool, bypass: bool) -> Lock:
    """Return the lock that a replica gets by its original's: never a weaker one than the destination's own, unless the original's
    was changed. What no lock is at the source is left to the destination's default; compliance is never shortened."""
    retention, hold = there.retention, there.hold
    if (wanted.retention is not None or bypass) and there.allows(wanted.retention, now, bypass):
        retention = wanted.retention
    if wanted.hold == locks.ON or (changed and wanted.hold is not None):
        hold = wanted.hold
    return Lock(retention, hold)


def _ownership(call: Call, plan: Plan, source: Bucket, target: Bucket, found: Object) -> dict[str, Any]:
    """Return what a replica's extras say of its owner and its list: its original's, unless the destination's owner gets it.

    S3 user guide, "Changing the replica owner". Where a bucket's owner owns all in it there is nothing to say.
    """
    if owners.mode(call, target) == owners.ENFORCED or plan.rule.owner_override:
        return {}
    owner = source.account
    grants = lists.private(names.owner_id(owner))
    if owners.mode(call, source) != owners.ENFORCED:
        owner = owners.owner_of(source, found.extras)
        grants = owners.grants_of(source, found.extras)
    said: dict[str, Any] = {}
    if owner != target.account:
        said["owner"] = owner
    if grants != lists.private(owners.id_of(owner)):
        said["acl"] = grants
    return said


def _mark(call: Call, content: int, target: str, state: str) -> None:
    """Note what has become of a version at a destination; a replica stays one."""
    extras = tables.extras_of_content(call.db, content)
    if isinstance(replication_rules.of_extras(extras), dict):
        tables.set_extras(call.db, content, replication_rules.marked(extras, {target: state}))


def _tell(
    call: Call,
    source: Bucket,
    letter: ReplicateVersion,
    found: Object | Marker,
    rule: Rule,
    event: str,
    further: dict[str, str],
) -> None:
    """Tell an event of a replication (S3 user guide, "Receiving replication failure events")."""
    if source.notification is None:
        return
    about = {
        "replicationRuleId": rule.id,
        "destinationBucket": letter.arn,
        "s3Operation": letter.what,
        "requestTime": event_records.when(letter.at),
        **further,
    }
    size, etag = (found.size, found.etag) if isinstance(found, Object) else (None, None)
    version = None if letter.version == version_ids.NULL else letter.version
    key = replication.key_of(letter).decode("utf-8", "surrogateescape")
    notifications.notify(call, source, event, key, size, etag, version, {"replicationEventData": about})
