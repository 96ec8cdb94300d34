"""The request log: what a line says, and that nobody waits for its reader."""

from __future__ import annotations

import io
import json
import os

from awning.gateway.journal import Journal


def test_a_line_says_what_was_asked_and_what_came_of_it() -> None:
    stream = io.StringIO()
    journal = Journal(stream)
    journal.request("id-1", "000000000000", "sqs.SendMessage", 403, 0.0012, "AccessDenied: no")
    journal.close()
    assert stream.getvalue().split(" ", 1)[1] == "403 sqs.SendMessage 000000000000 1.20ms id-1 AccessDenied: no\n"


def test_a_clients_words_cannot_write_lines_nor_speak_to_the_terminal() -> None:
    stream = io.StringIO()
    journal = Journal(stream)
    journal.request("id-1", "", "s3.GetObject", 404, 0.0, "NoSuchKey: a\r\nb\x1b[2J\x9bé")
    journal.close()
    assert stream.getvalue().endswith("NoSuchKey: a\\r\\nb\\x1b[2J\\x9bé\n")


def test_a_reader_that_stops_reading_holds_nobody_up_and_misses_lines_that_are_counted() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", buffering=0) as pipe:
        journal = Journal(stream, json_lines=True)
        for _ in range(200):
            journal.notice("x" * 5000)
        read = b""
        while b"dropped" not in read:
            journal.notice("more")
            read += pipe.read(65536)
        journal.close(0)
        dropped = sum(json.loads(line).get("dropped", 0) for line in read.splitlines() if line.endswith(b"}"))
        assert dropped > 0


def test_the_region_goes_on_when_the_logs_reader_is_gone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        journal = Journal(stream)
        journal.notice("nobody reads this")
        journal.close()
        journal.request("id-1", "", "s3.GetObject", 500, 0.0)
        journal.close()
