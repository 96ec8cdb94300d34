"""Encryption at rest. S3 user guide, "Protecting data with server-side encryption" and the pages below it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from awning.kit.errors import ServiceError
from awning.services.s3 import encryption, errors
from awning.store.segments import SEGMENT
from awning.store.vault import Unsealable
from tests.services.s3.sealed import ANOTHER, ARN, KEY, KINDS, SHOWN, of_source, own, rule, said, to_read
from tests.services.s3.support import S3

PLAIN = b"nobody may read this on the disk; " * 8192
"""Some 270 KiB: five segments."""
MIB = 1024 * 1024


def on_disk(s3: S3) -> Iterator[bytes]:
    """All bytes of the data folder, the database's write-ahead log among them."""
    for path in s3.folder.path.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 10, 65_536, 65_537, len(PLAIN), 3 * MIB + 5])
def test_what_is_put_is_got_whole_and_by_range(s3: S3, kind: str, size: int) -> None:
    data = (PLAIN * 13)[:size]
    s3.put_object(bucket="box", key="k", body=data, **KINDS[kind])
    reads = to_read(KINDS[kind])
    assert s3.get("box", "k", **reads) == data
    for first, last in ((0, 0), (1, 65_535), (65_535, 65_536), (65_536, 200_000), (size - 1, size + 9)):
        if 0 <= first < size:
            got = s3.get_object(bucket="box", key="k", range=f"bytes={first}-{last}", **reads)
            assert got["ContentLength"] == len(data[first : last + 1])
            assert s3.read(got) == data[first : last + 1]


@pytest.mark.parametrize("segments", [0, 1, 4, 5, 16, 17])
def test_ranges_begin_and_end_about_every_segments_edge(s3: S3, segments: int) -> None:
    """Four segments are read at once, and sixteen by a thread: each edge, and a byte before and behind it."""
    for size in (segments * SEGMENT + beyond for beyond in (-1, 0, 1)):
        if size < 0:
            continue
        data = os.urandom(size)
        s3.put_object(bucket="box", key="k", body=data)
        edges = {edge + beyond for edge in (0, SEGMENT, 4 * SEGMENT, 16 * SEGMENT, size) for beyond in (-1, 0, 1)}
        for first in (edge for edge in edges if 0 <= edge < size):
            for last in (edge for edge in edges if first <= edge):
                assert s3.get("box", "k", range=f"bytes={first}-{last}") == data[first : last + 1], (size, first, last)


@pytest.mark.parametrize("kind", KINDS)
def test_the_disk_shows_nothing(s3: S3, kind: str) -> None:
    """Bytes on disk are unreadable without the key: in the database, its log, and the files of blobs and parts."""
    params = KINDS[kind]
    s3.put_object(bucket="box", key="small", body=PLAIN[:1000], **params)
    s3.put_object(bucket="box", key="large", body=PLAIN, **params)
    upload = s3.create_multipart_upload(bucket="box", key="parts", **params)["UploadId"]
    named = {"bucket": "box", "key": "parts", "upload_id": upload, **to_read(params)}
    s3.upload_part(**named, part_number=1, body=PLAIN)
    s3.upload_part(**named, part_number=2, body=PLAIN[:5000])
    s3.copy_object(
        bucket="box", key="copy", copy_source="box/small", **params, **(of_source() if kind == "sse-c" else {})
    )
    for found in on_disk(s3):
        assert b"nobody may" not in found
        assert KEY not in found
        assert base64.b64encode(KEY) not in found


def test_the_default_layer_may_be_off(s3: S3) -> None:
    """Then nothing is claimed, and what asks for encryption gets it all the same."""
    s3.neighbours.encrypts = False
    put = s3.put_object(bucket="box", key="k", body=PLAIN)
    assert "ServerSideEncryption" not in put
    assert "ServerSideEncryption" not in s3.head_object(bucket="box", key="k")
    assert any(b"nobody may" in found for found in on_disk(s3))
    with pytest.raises(errors.ServerSideEncryptionConfigurationNotFoundError):
        s3.get_bucket_encryption(bucket="box")
    assert s3.put_object(bucket="box", key="k", body=b"", server_side_encryption="AES256")["ServerSideEncryption"]
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256", None))
    assert s3.put_object(bucket="box", key="k", body=b"")["ServerSideEncryption"] == "AES256"


def test_objects_from_before_stay_readable_and_show_no_encryption(s3: S3) -> None:
    s3.neighbours.encrypts = False
    s3.put_object(bucket="box", key="old", body=PLAIN)
    upload = s3.create_multipart_upload(bucket="box", key="parts")["UploadId"]
    s3.room.memory.data_keys.by_default = s3.neighbours.encrypts = True
    part = s3.upload_part(bucket="box", key="parts", upload_id=upload, part_number=1, body=PLAIN)
    assert "ServerSideEncryption" not in part
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(bucket="box", key="parts", upload_id=upload, multipart_upload=done)
    for key in ("old", "parts"):
        assert s3.get("box", key) == PLAIN
        assert "ServerSideEncryption" not in s3.head_object(bucket="box", key=key)
    copied = s3.copy_object(bucket="box", key="new", copy_source="box/old")
    assert copied["ServerSideEncryption"] == "AES256"
    assert s3.get("box", "new") == PLAIN


# What replies show ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_reply_says_how_the_object_is_encrypted(s3: S3, kind: str) -> None:
    """The "Response Syntax" of each operation in the API reference; CompleteMultipartUpload echoes no key of the client's."""
    params, shown = KINDS[kind], SHOWN[kind]
    reads = to_read(params)
    assert said(s3.put_object(bucket="box", key="k", body=b"1", **params)) == shown
    assert said(s3.get_object(bucket="box", key="k", **reads)) == shown
    assert said(s3.head_object(bucket="box", key="k", **reads)) == shown
    assert said(s3.get_object_attributes(bucket="box", key="k", object_attributes=["ETag"], **reads)) == {}
    s3.put_object(bucket="box", key="plain", body=b"1")
    assert said(s3.copy_object(bucket="box", key="c", copy_source="box/plain", **params)) == shown
    created = s3.create_multipart_upload(bucket="box", key="m", **params)
    assert said(created) == shown
    named = {"bucket": "box", "key": "m", "upload_id": created["UploadId"]}
    part = s3.upload_part(**named, part_number=1, body=PLAIN[:100], **reads)
    assert said(part) == shown
    assert said(s3.upload_part_copy(**named, part_number=1, copy_source="box/plain", **reads)) == shown
    part = s3.upload_part(**named, part_number=1, body=PLAIN[:100], **reads)
    assert [one["ETag"] for one in s3.list_parts(**named)["Parts"]] == [part["ETag"]]
    done = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    expected = {} if kind == "sse-c" else shown
    for _ in range(2):  # the second is a repetition of the first
        assert said(s3.complete_multipart_upload(**named, multipart_upload=done)) == expected
    assert said(s3.head_object(bucket="box", key="m", **reads)) == shown
    assert s3.get("box", "m", **reads) == PLAIN[:100]


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_tag_is_the_md5_only_under_the_regions_own_key(s3: S3, kind: str) -> None:
    """S3 API reference, Object, "ETag": objects under SSE-C or SSE-KMS have entity tags that are not an MD5."""
    md5 = f'"{hashlib.md5(b"same").hexdigest()}"'
    tags = [s3.put_object(bucket="box", key="k", body=b"same", **KINDS[kind])["ETag"] for _ in range(2)]
    assert (tags == [md5, md5]) == (kind == "sse-s3")
    assert len(set(tags)) == (1 if kind == "sse-s3" else 2)
    assert all(len(tag) == 34 for tag in tags)
    assert s3.head_object(bucket="box", key="k", **to_read(KINDS[kind]))["ETag"] == tags[1]
    s3.put_object(
        bucket="box", key="k", body=b"same", content_md5=base64.b64encode(hashlib.md5(b"same").digest()).decode()
    )
    with pytest.raises(errors.BadDigest):
        s3.put_object(
            bucket="box",
            key="k",
            body=b"other",
            content_md5=base64.b64encode(hashlib.md5(b"same").digest()).decode(),
            **KINDS[kind],
        )


@pytest.mark.parametrize("kind", KINDS)
def test_objects_of_parts(s3: S3, kind: str) -> None:
    """Each part has a key of its own; one that is uploaded again, another. Ranges across parts, and parts by number."""
    params = KINDS[kind]
    reads = to_read(params)
    upload = s3.create_multipart_upload(bucket="box", key="k", **params)["UploadId"]
    named = {"bucket": "box", "key": "k", "upload_id": upload}
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), b"end"]
    s3.upload_part(**named, part_number=2, body=b"replaced", **reads)
    s3.put_object(bucket="box", key="source", body=b"<" + bodies[0] + b">")
    first = s3.upload_part_copy(
        **named, part_number=1, copy_source="box/source", copy_source_range=f"bytes=1-{5 * MIB}", **reads
    )["CopyPartResult"]
    others = [
        s3.upload_part(**named, part_number=number, body=body, **reads)
        for number, body in ((2, bodies[1]), (9, bodies[2]))
    ]
    done = [{"PartNumber": n, "ETag": part["ETag"]} for n, part in zip((1, 2, 9), (first, *others), strict=True)]
    tag = s3.complete_multipart_upload(**named, multipart_upload={"Parts": done})["ETag"]
    joined = b"".join(bytes.fromhex(part["ETag"].strip('"')) for part in done)
    assert tag == f'"{hashlib.md5(joined).hexdigest()}-3"'
    whole = b"".join(bodies)
    assert s3.get("box", "k", **reads) == whole
    for one, last in ((0, 10), (5 * MIB - 1, 5 * MIB), (5 * MIB - 70_000, len(whole)), (MIB, 9 * MIB)):
        assert s3.get("box", "k", range=f"bytes={one}-{last}", **reads) == whole[one : last + 1]
    assert [s3.get("box", "k", part_number=n, **reads) for n in (1, 2, 3)] == bodies
    s3.delete_object(bucket="box", key="k")
    s3.delete_object(bucket="box", key="source")
    s3.work()
    assert s3.files() == []


def test_versions_have_keys_of_their_own(s3: S3) -> None:
    s3.put_bucket_versioning(bucket="box", versioning_configuration={"Status": "Enabled"})
    first = s3.put_object(bucket="box", key="k", body=b"one", **own(KEY))["VersionId"]
    second = s3.put_object(bucket="box", key="k", body=b"two", **own(ANOTHER))["VersionId"]
    third = s3.put_object(bucket="box", key="k", body=b"three")["VersionId"]
    assert s3.get("box", "k", version_id=first, **own(KEY)) == b"one"
    assert s3.get("box", "k", version_id=second, **own(ANOTHER)) == b"two"
    with pytest.raises(errors.AccessDenied):
        s3.get_object(bucket="box", key="k", version_id=second, **own(KEY))
    for version in (third, second):
        s3.delete_object(bucket="box", key="k", version_id=version)
    assert s3.get("box", "k", **own(KEY)) == b"one"


# SSE-C ---------------------------------------------------------------------------------------------------------------

WRONG_HEADERS: list[tuple[dict[str, Any], type[ServiceError], str]] = [
    (
        {"server_side_encryption": "AES256"},
        errors.InvalidArgument,
        "is incompatible with the encryption method specified",
    ),
    ({"sse_customer_algorithm": "AES192"}, errors.InvalidEncryptionAlgorithmError, "Supported value: AES256."),
    ({"sse_customer_algorithm": None}, errors.InvalidArgument, "must provide a valid encryption algorithm."),
    ({"sse_customer_key": None}, errors.InvalidArgument, "must provide an appropriate secret key."),
    (
        {"sse_customer_key_md5": None},
        errors.InvalidArgument,
        "must provide the client calculated MD5 of the secret key.",
    ),
    (
        {"sse_customer_key_md5": "A" * 22 + "=="},
        errors.InvalidArgument,
        "The calculated MD5 hash of the key did not match",
    ),
    ({"sse_customer_key": "no base64"}, errors.InvalidArgument, "The calculated MD5 hash of the key did not match"),
    (own(b"too short"), errors.InvalidArgument, "The secret key was invalid for the specified algorithm."),
]


@pytest.mark.parametrize(("wrong", "error", "text"), WRONG_HEADERS)
def test_the_three_headers_of_a_clients_own_key_are_held_against_each_other(
    s3: S3, wrong: dict[str, Any], error: type[ServiceError], text: str
) -> None:
    for make in (
        lambda **params: s3.put_object(bucket="box", key="k", body=b"1", **params),
        lambda **params: s3.create_multipart_upload(bucket="box", key="k", **params),
    ):
        with pytest.raises(error) as caught:
            make(**{**own(), **wrong})
        assert text in caught.value.message
        assert caught.value.members["ArgumentName"] == "x-amz-server-side-encryption"
    assert s3.list_objects_v2(bucket="box")["KeyCount"] == 0


def test_what_is_under_a_clients_own_key_is_read_by_it_alone(s3: S3) -> None:
    """S3 user guide, "Using server-side encryption with customer-provided keys"."""
    s3.put_object(bucket="box", key="k", body=PLAIN, **own())
    named: dict[str, Any] = {"bucket": "box", "key": "k"}
    reads = (
        lambda **params: s3.get_object(**named, **params),
        lambda **params: s3.head_object(**named, **params),
        lambda **params: s3.get_object_attributes(**named, object_attributes=["ETag"], **params),
    )
    for read in reads:
        with pytest.raises(errors.InvalidRequest, match="stored using a form of Server Side Encryption"):
            read()
        with pytest.raises(errors.AccessDenied, match="must provide the correct secret key") as caught:
            read(**own(ANOTHER))
        assert caught.value.status == 403
        with pytest.raises(errors.AccessDenied):
            read(**own(b"too short"))
        read(**own())
    s3.put_object(bucket="box", key="plain", body=b"1")
    for name in ("get_object", "head_object"):
        with pytest.raises(errors.InvalidRequest, match="not applicable to this object"):
            getattr(s3, name)(bucket="box", key="plain", **own())
    s3.delete_object(**named)  # which needs no key


def test_a_clients_own_key_goes_over_no_open_wire(s3: S3) -> None:
    """S3 rejects SSE-C over HTTP; what stays on this machine is no wire."""
    for facts, taken in (
        ({"source_ip": "127.0.0.1"}, True),
        ({"source_ip": "::1"}, True),
        ({"source_ip": "10.0.0.7", "secure": True}, True),
        ({"source_ip": "10.0.0.7"}, False),
    ):
        if taken:
            s3.put_object(as_=s3.call(**facts), bucket="box", key="k", body=b"1", **own())
        else:
            with pytest.raises(errors.InvalidRequest, match="must be made over a secure connection"):
                s3.put_object(as_=s3.call(**facts), bucket="box", key="k", body=b"1", **own())


def test_parts_come_with_the_key_of_their_upload(s3: S3) -> None:
    upload = s3.create_multipart_upload(bucket="box", key="k", checksum_algorithm="SHA256", **own())["UploadId"]
    named = {"bucket": "box", "key": "k", "upload_id": upload}
    digest = base64.b64encode(hashlib.sha256(b"1").digest()).decode()
    part = {**named, "part_number": 1, "body": b"1", "checksum_sha256": digest}
    with pytest.raises(errors.InvalidRequest, match="Subsequent part requests must include the appropriate"):
        s3.upload_part(**part)
    with pytest.raises(errors.InvalidRequest, match="did not match the ones used originally"):
        s3.upload_part(**part, **own(ANOTHER))
    tag = s3.upload_part(**part, **own())["ETag"]
    with pytest.raises(errors.InvalidRequest, match="did not match the ones used originally"):
        s3.list_parts(**named, **own(ANOTHER))
    assert len(s3.list_parts(**named)["Parts"]) == 1
    done = {"Parts": [{"PartNumber": 1, "ETag": tag, "ChecksumSHA256": digest}]}
    with pytest.raises(errors.InvalidArgument, match="must provide a valid encryption algorithm"):
        s3.complete_multipart_upload(**named, multipart_upload=done)
    with pytest.raises(errors.InvalidRequest, match="did not match the ones used originally"):
        s3.complete_multipart_upload(**named, multipart_upload=done, **own(ANOTHER))
    assert s3.complete_multipart_upload(**named, multipart_upload=done, **own())["ChecksumSHA256"]
    other = s3.create_multipart_upload(bucket="box", key="plain")["UploadId"]
    with pytest.raises(errors.InvalidRequest, match="Subsequent part requests must include the appropriate"):
        s3.upload_part(bucket="box", key="plain", upload_id=other, part_number=1, body=b"1", **own())


# Copies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_copies_from_any_encryption_to_any(s3: S3, source: str, target: str) -> None:
    s3.put_object(bucket="box", key="from", body=PLAIN, **KINDS[source])
    given = {} if source != "sse-c" else of_source()
    writes = KINDS[target] if target != "sse-c" else own(ANOTHER)
    copied = s3.copy_object(bucket="box", key="to", copy_source="box/from", **writes, **given)
    assert s3.get("box", "to", **to_read(writes)) == PLAIN
    md5 = hashlib.md5(PLAIN).hexdigest()
    assert (copied["CopyObjectResult"]["ETag"] == f'"{md5}"') == (target == "sse-s3")


def test_a_copys_source_under_a_clients_own_key(s3: S3) -> None:
    s3.put_object(bucket="box", key="from", body=b"1", **own())
    s3.put_object(bucket="box", key="plain", body=b"1")
    upload = s3.create_multipart_upload(bucket="box", key="m")["UploadId"]
    for copy in (
        lambda **params: s3.copy_object(bucket="box", key="to", **params),
        lambda **params: s3.upload_part_copy(bucket="box", key="m", upload_id=upload, part_number=1, **params),
    ):
        with pytest.raises(errors.InvalidRequest, match="stored using a form of"):
            copy(copy_source="box/from")
        with pytest.raises(errors.AccessDenied):
            copy(copy_source="box/from", **of_source(ANOTHER))
        with pytest.raises(errors.InvalidRequest, match="not applicable"):
            copy(copy_source="box/plain", **of_source())
        copy(copy_source="box/from", **of_source())
    assert s3.head_object(bucket="box", key="to")["ServerSideEncryption"] == "AES256"


def test_a_copy_onto_itself_may_change_how_it_is_encrypted(s3: S3) -> None:
    """API reference, CopyObject: "without changing the object's metadata, storage class, … or encryption attributes"."""
    s3.put_object(bucket="box", key="k", body=b"1")
    named = {"bucket": "box", "key": "k", "copy_source": "box/k"}
    with pytest.raises(errors.InvalidRequest, match="This copy request is illegal"):
        s3.copy_object(**named)
    assert s3.copy_object(**named, server_side_encryption="AES256")["ServerSideEncryption"] == "AES256"
    assert s3.copy_object(**named, **KINDS["sse-kms"])["SSEKMSKeyId"] == f"{ARN}/1234"
    s3.put_bucket_encryption(bucket="box", server_side_encryption_configuration=rule("AES256", None))
    assert said(s3.copy_object(**named)) == SHOWN["sse-s3"]
    assert s3.get("box", "k") == b"1"


# What is altered -----------------------------------------------------------------------------------------------------


def test_what_was_altered_on_disk_is_not_handed_out(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=PLAIN)
    s3.put_object(bucket="box", key="small", body=b"text")
    (file,) = s3.files()
    whole = file.read_bytes()
    width = 65_536 + 16
    for altered in (
        whole[:100] + b"?" + whole[101:],
        whole[width : 2 * width] + whole[:width] + whole[2 * width :],
        whole[:-1],
        whole[:width],
        b"",
    ):
        file.write_bytes(altered)
        with pytest.raises(Unsealable):
            s3.get("box", "k")
    file.write_bytes(whole)
    assert s3.get("box", "k") == PLAIN

    def swap(call: Any) -> None:
        """Give one object the seal and the bytes of another."""
        row = call.db.execute("SELECT seal, body FROM contents WHERE body IS NOT NULL").fetchone()
        call.db.execute("UPDATE contents SET seal = ?, body = ?, blob = NULL WHERE blob IS NOT NULL", row)

    s3.loop.run_until_complete(s3.room.write(s3.call(), swap))
    assert s3.get("box", "small") == b"text"
    with pytest.raises(Unsealable):
        s3.get("box", "k")


def test_a_seal_says_what_it_is_without_being_opened(s3: S3) -> None:
    for number, (kind, params) in enumerate(KINDS.items(), 1):
        s3.put_object(bucket="box", key=kind, body=b"1", **params)
        query = "SELECT seal FROM contents JOIN objects USING (content) WHERE key = ?"
        (seal,) = s3.room.database.reader.execute(query, (kind.encode(),)).fetchone()
        assert len(seal) < 400, number
        assert encryption.is_customers(seal) == (kind == "sse-c")
        assert encryption.is_of_kms(seal) == (kind in ("sse-kms", "bucket key", "dsse-kms"))
        assert encryption.has_md5(seal) == (kind == "sse-s3")
        assert (encryption.kms_key_of(seal) is not None) == encryption.is_of_kms(seal)
    assert orjson.loads(orjson.dumps(encryption.shown(seal))) == {}


def test_a_download_that_is_given_up_lets_go_of_its_file(s3: S3) -> None:
    s3.put_object(bucket="box", key="k", body=PLAIN * 20)
    before = len(os.listdir("/proc/self/fd"))

    async def give_up(body: Any, pieces: int) -> None:
        for _ in range(pieces):
            await anext(body)
        await body.aclose()
        await body.aclose()

    for pieces in (0, 1, 20):
        s3.loop.run_until_complete(give_up(s3.get_object(bucket="box", key="k")["Body"], pieces))
    s3.get_object(bucket="box", key="k")  # and one that nobody took
    for _ in range(500):  # what a thread still reads is closed when it has read
        if len(os.listdir("/proc/self/fd")) == before:
            break
        s3.loop.run_until_complete(asyncio.sleep(0.01))
    assert len(os.listdir("/proc/self/fd")) == before
