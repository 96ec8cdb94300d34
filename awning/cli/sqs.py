"""`awning sqs peek|send|drain|redrive QUEUE`: what a person does with queues, on the region of a data folder.

All but peek are ordinary AWS calls, with the keys that `awning env` would print; so permissions count. Data goes to stdout,
progress to stderr, and only on a terminal.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from awning.cli.control import ask
from awning.cli.env import variables
from awning.cli.fault import Fault
from awning.cli.folders import add_data, data_folder
from awning.cli.tables import plain, wide_console

_BATCH = 10
_LOOK = 0.2
_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", metavar="peek|send|drain|redrive", required=True)
    peek = _action(actions, "peek", "show messages without receiving them: no count changes, nothing is hidden")
    peek.add_argument("--limit", type=int, default=10, metavar="N", help="how many at most (default: 10, most: 1000)")
    peek.add_argument("--json", action="store_true", help="print JSON instead of a table")
    send = _action(actions, "send", "send messages: those given, or a file's")
    send.add_argument("body", nargs="*", metavar="BODY", help="a message's body")
    send.add_argument("--from", dest="file", metavar="FILE", help="send what drain wrote, JSON lines; - for stdin")
    send.add_argument("--delay", type=int, metavar="SECONDS", help="let them be visible later")
    send.add_argument("--group", metavar="ID", help="their MessageGroupId")
    drain = _action(actions, "drain", "write all visible messages as JSON lines, then delete them")
    drain.add_argument("--to", dest="file", default="-", metavar="FILE", help="append to a file (default: stdout)")
    drain.add_argument("--limit", type=int, metavar="N", help="end after so many messages")
    redrive = _action(actions, "redrive", "move a dead-letter queue's messages back, and wait until it is done")
    redrive.add_argument("--to", dest="target", metavar="QUEUE", help="where to (default: where each came from)")
    redrive.add_argument("--rate", type=int, metavar="N", help="messages a second, 1 to 500")


def _action(actions: Any, name: str, text: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    action.add_argument("queue", metavar="QUEUE", help="its name, URL or ARN")
    action.add_argument("--account", metavar="ID", help="the queue's account (default: 000000000000)")
    action.add_argument("--region", metavar="REGION", help="its region (default: $AWS_REGION, else us-east-1)")
    add_data(action)
    return action


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; returns 0, or 1 where a redrive failed."""
    place = _Place(arguments)
    if arguments.action == "peek":
        return _peek(place, arguments)
    from botocore.exceptions import BotoCoreError, ClientError

    actions = {"send": _send, "drain": _drain, "redrive": _redrive}
    try:
        return actions[arguments.action](_Queue(place), arguments)
    except ClientError as error:
        said = error.response.get("Error", {})
        raise Fault(f"{place.name}: {said.get('Message') or said.get('Code')}") from None
    except BotoCoreError as error:
        raise Fault(str(error).replace("\n", " ")) from None


class _Place:
    """Which queue is meant: its name, account and region, and the data folder of the region that has it."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.data = data_folder(arguments.data)
        self.region = arguments.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        self.account = arguments.account
        self.name = arguments.queue
        if self.name.startswith("arn:"):
            parts = self.name.split(":")
            if len(parts) != 6 or parts[2] != "sqs":
                raise Fault(f"{self.name} is not a queue's ARN.")
            self.region, self.account, self.name = parts[3:]
        elif "/" in self.name:
            _, account, self.name = ["", "", *self.name.rstrip("/").split("/")][-3:]
            self.account = account
        self.region = self.region or "us-east-1"
        self.account = self.account or "000000000000"
        if not (self.account.isdigit() and len(self.account) == 12):
            raise Fault(f"{self.account} is not an account: 12 digits.")

    def arn(self, name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:sqs:{self.region}:{self.account}:{name}"


class _Queue:
    """A queue through the API, as boto3's client does it."""

    def __init__(self, place: _Place) -> None:
        import botocore.session
        from botocore.config import Config

        state = ask(place.data, "status")
        found = variables(state["host"], int(state["port"]), None)
        key = found["AWS_ACCESS_KEY_ID"]
        self.place = place
        self.client: Any = botocore.session.Session().create_client(
            "sqs",
            region_name=place.region,
            endpoint_url=found["AWS_ENDPOINT_URL"],
            aws_access_key_id=place.account if key == "test" and place.account != "000000000000" else key,
            aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )
        self.url: str = self.client.get_queue_url(QueueName=place.name, QueueOwnerAWSAccountId=place.account)[
            "QueueUrl"
        ]

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages"]
        answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return int(answer["Attributes"][names[0]])


def _peek(place: _Place, arguments: argparse.Namespace) -> int:
    given = {"account": place.account, "region": place.region, "name": place.name, "limit": arguments.limit}
    answer = ask(place.data, "sqs.peek", **given)
    if arguments.json:
        print(json.dumps(answer, indent=2))
        return 0
    from rich.table import Table

    table = Table("sent (UTC)", "state", "received", "id", "body")
    for message in answer["messages"]:
        state = message["state"] + (f" until {_clock(message['until'])}" if message["until"] else "")
        whole = "(encrypted by a key of KMS)" if message["body"] is None else message["body"]
        body = " ".join(whole[: _WIDTH + 1].split())
        cut = body if len(whole) <= _WIDTH else f"{body[:_WIDTH]}… ({len(whole):,} characters)"
        table.add_row(_clock(message["sent"]), state, str(message["received"]), message["id"], plain(cut))
    console = wide_console()
    console.print(table)
    console.print(
        f"{place.name}: {answer['visible']:,} visible, {answer['in_flight']:,} in flight, {answer['delayed']:,} delayed",
        highlight=False,
    )
    return 0


def _send(queue: _Queue, arguments: argparse.Namespace) -> int:
    if bool(arguments.body) == (arguments.file is not None):
        raise Fault("Give bodies, or a file by --from.")
    entries = [{"MessageBody": body} for body in arguments.body] or list(_read(arguments.file))
    for entry in entries:
        entry.update({"DelaySeconds": arguments.delay} if arguments.delay is not None else {})
        entry.update({"MessageGroupId": arguments.group} if arguments.group is not None else {})
    sent = 0
    with _progress("Sending", len(entries)) as show:
        for batch in _batches(entries):
            done = queue.client.send_message_batch(QueueUrl=queue.url, Entries=_numbered(batch))
            sent += len(done.get("Successful", ()))
            _check(done, f"{sent:,} of {len(entries):,} messages were sent")
            show(sent)
    print(f"Sent {sent:,} {'message' if sent == 1 else 'messages'} to {queue.place.name}.", file=sys.stderr)
    return 0


def _drain(queue: _Queue, arguments: argparse.Namespace) -> int:
    limit = arguments.limit
    if limit is not None and limit < 1:
        raise Fault("The limit must be at least 1.")
    drained = 0
    total = min(queue.waiting(), limit or sys.maxsize)
    with _output(arguments.file) as output, _progress("Draining", total) as show:
        while limit is None or drained < limit:
            messages = queue.client.receive_message(
                QueueUrl=queue.url,
                MaxNumberOfMessages=_BATCH if limit is None else min(_BATCH, limit - drained),
                WaitTimeSeconds=1,
                VisibilityTimeout=60,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            if not messages:
                break
            _write(output, messages)
            handles = _numbered([{"ReceiptHandle": message["ReceiptHandle"]} for message in messages])
            _check(queue.client.delete_message_batch(QueueUrl=queue.url, Entries=handles), "a message was not deleted")
            drained += len(messages)
            show(drained)
    print(f"Drained {drained:,} {'message' if drained == 1 else 'messages'} from {queue.place.name}.", file=sys.stderr)
    return 0


def _redrive(queue: _Queue, arguments: argparse.Namespace) -> int:
    source = queue.place.arn(queue.place.name)
    given: dict[str, Any] = {"SourceArn": source}
    if arguments.target is not None:
        given["DestinationArn"] = queue.place.arn(arguments.target)
    if arguments.rate is not None:
        given["MaxNumberOfMessagesPerSecond"] = arguments.rate
    queue.client.start_message_move_task(**given)
    task: dict[str, Any] = {}
    with _progress("Moving", None) as show:
        while task.get("Status") not in ("COMPLETED", "CANCELLED", "FAILED"):
            time.sleep(_LOOK if task else 0)
            task = queue.client.list_message_move_tasks(SourceArn=source)["Results"][0]
            show(task["ApproximateNumberOfMessagesMoved"], task["ApproximateNumberOfMessagesToMove"])
    moved = f"{task['ApproximateNumberOfMessagesMoved']:,} of {task['ApproximateNumberOfMessagesToMove']:,} messages"
    if task["Status"] == "COMPLETED":
        print(f"Moved {moved} from {queue.place.name}.", file=sys.stderr)
        return 0
    reason = f": {task['FailureReason']}" if "FailureReason" in task else ""
    print(f"awning: The task is {task['Status']}{reason}; {moved} were moved.", file=sys.stderr)
    return 1


def _write(output: BinaryIO, messages: list[dict[str, Any]]) -> None:
    """Write messages as JSON lines, down to the disk where it is a file. Raises Fault; then nothing is to be deleted."""
    kept = ({name: value for name, value in message.items() if name != "ReceiptHandle"} for message in messages)
    lines = (
        json.dumps(message, ensure_ascii=False, default=lambda raw: base64.b64encode(raw).decode()) for message in kept
    )
    left = memoryview("".join(f"{line}\n" for line in lines).encode())
    try:
        while left:
            left = left[output.write(left) :]
        output.flush()
        if output is not sys.stdout.buffer:
            os.fsync(output.fileno())
    except OSError as error:
        raise Fault(f"The messages could not be written, and stay in the queue: {error}") from None


def _read(file: str) -> Iterator[dict[str, Any]]:
    """Read messages from JSON lines, as drain writes them. Raises Fault."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"{file}: {error}") from None
    for number, line in enumerate(filter(None, text.split("\n")), 1):
        try:
            message = json.loads(line)
            entry: dict[str, Any] = {"MessageBody": message["Body"]}
            if message.get("MessageAttributes"):
                entry["MessageAttributes"] = {
                    name: {**value, **_binary(value)} for name, value in message["MessageAttributes"].items()
                }
            group = message.get("Attributes", {}).get("MessageGroupId")
            entry.update({"MessageGroupId": group} if group else {})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Fault(f"{file}, line {number}: not a message as drain writes them.") from None
        yield entry


def _binary(value: dict[str, Any]) -> dict[str, bytes]:
    return {"BinaryValue": base64.b64decode(value["BinaryValue"])} if "BinaryValue" in value else {}


def _batches(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Part messages into batches of at most ten, and at most 1 MiB of bodies and what comes with them."""
    batch: list[dict[str, Any]] = []
    size = 0
    for entry in entries:
        own = len(json.dumps(entry, ensure_ascii=False, default=lambda raw: raw.decode("latin-1")).encode())
        if batch and (len(batch) == _BATCH or size + own > 1_048_576):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += own
    if batch:
        yield batch


def _numbered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"Id": str(number), **entry} for number, entry in enumerate(entries)]


def _check(done: dict[str, Any], so_far: str) -> None:
    for failed in done.get("Failed", ()):
        raise Fault(f"{failed.get('Message', failed['Code'])} ({so_far})")


@contextmanager
def _output(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdout.buffer
        return
    with ExitStack() as stack:
        try:
            output = stack.enter_context(Path(file).open("ab", buffering=0))
        except OSError as error:
            raise Fault(f"{file}: {error.strerror}") from None
        yield output


@contextmanager
def _progress(text: str, total: int | None) -> Iterator[Any]:
    """A progress bar on a terminal, nothing elsewhere; gives `show(done, total=None)`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = TextColumn(text), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done, total=None: bar.update(task, completed=done, **({"total": total} if total else {}))


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
