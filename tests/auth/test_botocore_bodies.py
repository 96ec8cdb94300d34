"""The trailing checksum that botocore itself writes over HTTPS."""

from __future__ import annotations

import io

from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum

from awning.auth.payload import UnsignedChunks
from awning.auth.streaming import ChunkDecoder


def test_botocores_chunked_body_comes_out_with_its_checksum():
    for size in (0, 5, 100_000):
        data = bytes(size)
        wrapper = AwsChunkedWrapper(
            io.BytesIO(data), checksum_cls=Crc32Checksum, checksum_name="x-amz-checksum-crc32", chunk_size=16384
        )
        decoder = ChunkDecoder(UnsignedChunks(), size, frozenset({"x-amz-checksum-crc32"}))
        assert decoder.feed(wrapper.read()) == data
        checksum = Crc32Checksum()
        checksum.update(data)
        assert decoder.finish() == {"x-amz-checksum-crc32": checksum.b64digest()}
