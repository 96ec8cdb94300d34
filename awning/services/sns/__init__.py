"""SNS: topics, their subscriptions, and the fan-out of messages. The door of the room; nothing happens here.

tables.py      all state               memory.py      what is derived
archive_tables.py ended_tables.py      the queries of archives, and of subscriptions that have ended
names.py       ARNs                    conditions.py  the condition keys
topics.py tags.py permissions.py subscriptions.py publishing.py phones.py platforms.py     the operations
attributes.py subscription_attributes.py message_attributes.py      what each may be
fanout.py      from a message to its deliveries       offers.py     what other rooms may ask
archive.py replays.py         what FIFO topics keep, and its replay
outgoing.py    the log of what is not sent further
filters.py filter_rules.py    filter policies         retries.py    delivery policies
notification.py signing.py seals.py       the documents that subscribers get, and their signatures
endpoints.py webhooks.py mail.py          endpoints outside the region, and how they are served
"""

from __future__ import annotations

from awning.contracts import MailTo, MayPublish, PostToEndpoint, Publication, PublishToTopic
from awning.kit.service import Service, Work
from awning.services.sns import (
    archive,
    conditions,
    fanout,
    mail,
    memory,
    offers,
    outgoing,
    permissions,
    phones,
    platforms,
    publishing,
    subscriptions,
    tables,
    tags,
    topics,
    webhooks,
    work,
)

SERVICE = Service(
    name="sns",
    model="sns",
    protocols=("query",),
    modules=(topics, tags, permissions, subscriptions, publishing, phones, platforms),
    schema=tables.SCHEMA,
    memory=memory.build,
    guard=memory.guard,
    tags=conditions.tags_of,
    condition_keys=("sns:endpoint", "sns:protocol"),
    answers={MayPublish: offers.may_publish},
    accepts={PublishToTopic: offers.publish_to_topic},
    carries={PostToEndpoint: webhooks.post, MailTo: mail.spool, Publication: offers.publish_signed},
    given_up=fanout.given_up,
    work=(
        Work("replay", archive.replay, every=1.0),
        Work("forget archived messages", archive.forget, every=60.0),
        Work("forget duplicates", work.forget_duplicates, every=30.0),
        Work("forget ended subscriptions", work.forget_ended, every=300.0),
        Work("trim the log", outgoing.trim, every=30.0),
    ),
    controls={"log": outgoing.show},
)
