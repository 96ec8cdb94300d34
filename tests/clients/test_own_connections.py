"""What awning itself calls never reaches the API as root, however a URL is signed."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Any

from awning.net.client import Client, Reply
from tests.conftest import LiveRegion

POLICY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}}'


def call(method: str, url: str, body: bytes = b"") -> Reply:
    async def scenario() -> Reply:
        client = Client()
        try:
            return await client.request(method, url, body=body)
        finally:
            await client.close()

    return asyncio.run(scenario())


def presigned(live: LiveRegion, **keys: Any) -> str:
    return str(live.client("s3", **keys).generate_presigned_url("list_buckets"))


def test_a_url_signed_with_a_root_key_is_worth_nothing_to_a_web_hook(tmp_path: Any) -> None:
    own = {"AWNING_ROOT_ACCESS_KEY_ID": "OWNROOTKEY", "AWNING_ROOT_SECRET_ACCESS_KEY": "own-root-secret"}
    live = LiveRegion(tmp_path / "data", environment=own).start()
    iam = live.client("iam")
    iam.create_user(UserName="caller")
    iam.put_user_policy(UserName="caller", PolicyName="list", PolicyDocument=POLICY)
    user = iam.create_access_key(UserName="caller")["AccessKey"]
    for key, secret in (("test", "test"), ("123456789012", "test"), ("OWNROOTKEY", "own-root-secret")):
        url = presigned(live, key=key, secret=secret)
        with urllib.request.urlopen(url) as answer:
            assert answer.status == 200
        reply = call("GET", url)
        assert (reply.status, b"<Code>AccessDenied</Code>" in reply.body) == (403, True), key
    reply = call("GET", presigned(live, key=user["AccessKeyId"], secret=user["SecretAccessKey"]))
    assert (reply.status, b"ListAllMyBucketsResult" in reply.body) == (200, True)
    root = live.client("s3")
    root.create_bucket(Bucket="hooked")
    upload = root.generate_presigned_url("put_object", {"Bucket": "hooked", "Key": "key"})
    assert call("PUT", upload, b"by a web hook").status == 403
    assert "Contents" not in root.list_objects_v2(Bucket="hooked")
    assert live.stop() == 0
