"""The coverage page says what a room's declarations honour and refuse."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from awning.kit.operation import ALL, operation
from awning.kit.service import Service
from awning.protocols.registry import Registry
from awning.store.schema import Schema
from tools.coverage_page import main, render


def room() -> Service:
    module = ModuleType("tests.example")

    @operation(
        honours={"attributes": {"DelaySeconds", "Policy"}},
        defaults={"tags": {}, "attributes.FifoQueue": "false"},
    )
    def create_queue(call: Any, queue_name: str, attributes: Any = None) -> dict[str, Any]:
        return {}

    @operation(
        honours={"entries": {"Id": ALL, "MessageBody": ALL, "MessageSystemAttributes": ALL}},
    )
    def send_message_batch(call: Any, queue_url: str, entries: Any) -> dict[str, Any]:
        return {}

    for function in (create_queue, send_message_batch):
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    return Service(name="sqs", model="sqs", protocols=("json", "query"), modules=[module], schema=Schema(()))


def test_the_page_tells_what_is_honoured_and_what_is_refused() -> None:
    lines = render([room()], Registry(None)).splitlines()
    assert "| [sqs](#sqs) | json, query | 2 | 23 |" in lines
    (create,) = [line for line in lines if line.startswith("| CreateQueue |")]
    honoured, refused = create.split("|")[2:4]
    assert honoured == " `QueueName`, `Attributes[Policy, DelaySeconds]` "
    assert "`Attributes[FifoQueue] (unless 'false')`" in refused
    assert "`Attributes[All, VisibilityTimeout, " in refused
    assert "`tags (unless {})`" in refused
    (batch,) = [line for line in lines if line.startswith("| SendMessageBatch |")]
    assert "`Entries.Id`" in batch.split("|")[2]
    assert "`Entries.DelaySeconds`" in batch.split("|")[3]
    assert any(line.startswith("Refused by name: AddPermission, ") for line in lines)


def test_other_arguments_are_refused(capsys: Any) -> None:
    assert main(["--colour"]) == 2
    assert "usage" in capsys.readouterr().err
