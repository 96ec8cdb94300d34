"""Loading models: the cache, what it keeps, and what happens when it is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from awning.protocols.honours import CoverageError
from awning.protocols.registry import FORMAT, Registry, read_botocore, strip
from awning.protocols.source import Source
from awning.protocols.sqs_query import query_copy
from tests.protocols.support import json_wire, parse


def test_a_model_is_loaded_once_and_kept_on_disk(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "deep" / "cache")
    model = registry.model("sts", ("query",))
    assert registry.model("sts", ("query",)) is model
    (file,) = (tmp_path / "deep" / "cache").iterdir()
    assert file.name.startswith("sts-")
    assert file.name.endswith(f"-{FORMAT}.model")
    assert b"documentation" not in file.read_bytes()
    again = Registry(tmp_path / "deep" / "cache").model("sts", ("query",))
    assert set(again.operations) == set(model.operations)
    assert again.operations["AssumeRole"].function_name == "assume_role"


@pytest.mark.parametrize("damage", [b"", b"garbage", b"00000000{}", None])
def test_a_damaged_cache_is_built_again(tmp_path: Path, damage: bytes | None) -> None:
    Registry(tmp_path).model("sts", ("query",))
    (file,) = tmp_path.iterdir()
    good = file.read_bytes()
    file.write_bytes(good[:-100] + b" " * 100 if damage is None else damage)
    assert "AssumeRole" in Registry(tmp_path).model("sts", ("query",)).operations
    assert file.read_bytes() == good
    assert list(tmp_path.iterdir()) == [file]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "AssumeRole" in Registry(tmp_path / "file" / "cache").model("sts", ("query",)).operations
    assert "cannot keep" in caplog.text


def test_unknown_services_and_formats(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no service 'nothing'"):
        Registry(None).model("nothing", ("json",))
    with pytest.raises(LookupError, match="does not speak smoke"):
        Registry(None).model("sts", ("smoke",))
    with pytest.raises(LookupError, match="no query form"):
        Registry(None).model("dynamodb", ("json", "query"))


def test_stripping_keeps_members_that_are_called_like_traits() -> None:
    found = strip(read_botocore("sqs"))
    assert set(found["shapes"]["SendMessageRequest"]["members"]) == set(
        read_botocore("sqs")["shapes"]["SendMessageRequest"]["members"]
    )
    assert found["metadata"]["targetPrefix"] == "AmazonSQS"


def test_the_query_copy_leaves_the_original_alone() -> None:
    original = strip(read_botocore("sqs"))
    copied = query_copy("sqs", original)
    assert "locationName" not in original["shapes"]["QueueAttributeMap"]
    assert copied["shapes"]["QueueAttributeMap"]["locationName"] == "Attribute"
    assert copied["metadata"]["protocol"] == "query"
    unnamed = [
        name
        for name, shape in copied["shapes"].items()
        if shape["type"] in ("list", "map") and "locationName" not in shape.get("member", shape.get("key", {}))
    ]
    assert unnamed == [], "botocore has a list or map that the query form has no name for"


def test_rooms_are_verified_in_turn_and_again_only_when_they_change(tmp_path: Path) -> None:
    class Room:
        name = "room"

        def __init__(self, fits: bool, written: str = "1") -> None:
            self.fits = fits
            self.written = written
            self.checked = False
            self.loaded = False

        def stamp(self) -> str:
            return self.written

        def check(self) -> None:
            self.checked = self.loaded = True
            if not self.fits:
                raise CoverageError("does not fit")

        def forget(self) -> None:
            self.loaded = False

    good = Room(True)
    Registry(None).verify([good])
    assert good.checked
    with pytest.raises(CoverageError):
        Registry(None).verify([good, Room(False)])
    with pytest.raises(CoverageError):
        Registry(tmp_path).verify([Room(False)])
    for written, checked in (("1", True), ("1", False), ("2", True), ("2", False)):
        room = Room(True, written)
        Registry(tmp_path).verify([room])
        assert room.checked is checked
        assert not room.loaded


def test_generated_source_can_be_read_and_traced() -> None:
    model = Registry(None).model("sqs", ("json", "query"))
    bound = model.operations["DeleteMessage"].bind(("queue_url", "receipt_handle"), {}, {})
    parse(model, json_wire("DeleteMessage", {"QueueUrl": "u", "ReceiptHandle": "r"}), bound)
    text = str(bound.sources["json"])
    assert text.startswith("# sqs DeleteMessage reads json\n")
    assert "out['queue_url'] = value" in text
    compile(text, "dumped", "exec")
    source = Source("a test")
    source.function("broken", "x").line("raise LookupError(x)")
    with pytest.raises(LookupError) as caught:
        source.compile("broken")(1)
    assert "raise LookupError(x)" in str(caught.traceback[-1].statement)


def test_a_source_gives_each_thing_its_own_name() -> None:
    source = Source("a test")
    assert [source.constant("one", 1), source.constant("one", 2)] == ["ONE", "ONE_2"]
    source.helper(len)
    source.helper(len)
    with pytest.raises(ValueError, match="two helpers"):
        source.helper(max, "len")
