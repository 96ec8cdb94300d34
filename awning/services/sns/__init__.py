"""SNS: topics, their subscriptions, and the fan-out of messages. The door of the room; nothing happens here.

tables.py      all state               memory.py      what is derived
names.py       ARNs                    conditions.py  the condition keys
topics.py tags.py permissions.py subscriptions.py publishing.py phones.py platforms.py     the operations
attributes.py subscription_attributes.py message_attributes.py      what each may be
fanout.py      from a message to its deliveries       offers.py     what other rooms may ask
outgoing.py    the log of what is not sent further
filters.py filter_rules.py    filter policies         retries.py    delivery policies
notification.py signing.py seals.py       the documents that subscribers get, and their signatures
endpoints.py webhooks.py mail.py          endpoints outside the region, and how they are served
"""

from __future__ import annotations

from awning.contracts import MailTo, MayPublish, PostToEndpoint, PublishToTopic
from awning.kit.service import Service, Work
from awning.services.sns import (
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
    carries={PostToEndpoint: webhooks.post, MailTo: mail.spool},
    given_up=fanout.given_up,
    work=(
        Work("forget duplicates", work.forget_duplicates, every=30.0),
        Work("trim the log", outgoing.trim, every=30.0),
    ),
    controls={"log": outgoing.show},
)
