"""SQS: queues and their messages. The door of the room; nothing happens here.

tables.py fifo_tables.py  all state   engine.py     the order of a standard queue, pure
memory.py      what is derived       fifo.py       the order of a FIFO queue, pure
numbers.py fair.py                                  what the former is made of
lookup.py      from URL to queue     lines.py      what calls do to an order, and undo
tagged.py      tags by ARN           principals.py whom a policy may name
queues.py tags.py permissions.py                    the operations on queues
sending.py receiving.py deleting.py hiding.py      the operations on messages
redrive.py     dead-letter rules, pure              moving.py      from one queue to another
groups.py      ids of groups         duplicates.py exactly-once sending
contents.py    what is stored of what it says      delays.py      another delay for what is there
datakeys.py    the data keys of KMS that seal it
attempts.py    repeated receives     offers.py      what other rooms may ask and send
moves.py       the operations on move tasks         peeking.py     what a person may look at
"""

from __future__ import annotations

from awning.contracts import MaySend, SendToQueue
from awning.kit.service import Service, Work
from awning.services.sqs import (
    datakeys,
    delays,
    deleting,
    duplicates,
    hiding,
    memory,
    moves,
    offers,
    peeking,
    permissions,
    queues,
    receiving,
    sending,
    tables,
    tagged,
    tags,
    work,
)

SERVICE = Service(
    name="sqs",
    model="sqs",
    protocols=("json", "query"),
    modules=(queues, tags, permissions, sending, receiving, deleting, hiding, moves),
    schema=tables.SCHEMA,
    memory=memory.build,
    guard=memory.guard,
    answers={MaySend: offers.may_send},
    accepts={SendToQueue: offers.send_to_queue},
    tags=tagged.tags_of,
    work=(
        Work("survey", work.survey, every=5.0),
        Work("sweep", work.sweep, every=5.0),
        Work("move messages", moves.carry_out, every=0.5),
        Work("delay messages", delays.carry_on, every=0.5),
        Work("forget kept receives", work.forget_receives, every=3600.0),
        Work("forget data keys", datakeys.forget_data_keys, every=60.0),
        Work("forget duplicates", duplicates.forget_duplicates, every=5.0),
        Work("forget deleted queues", work.forget_deleted_queues, every=60.0),
    ),
    controls={"peek": peeking.peek},
    gauges=work.gauges,
    leave=memory.leave,
)
