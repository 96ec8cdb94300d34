"""The application's tests: against a region, with the worker's real policy, and with its clock moved."""

from __future__ import annotations

import urllib.error
import urllib.request

import boto3
import orders
import pytest
from botocore.exceptions import ClientError


@pytest.fixture(autouse=True)
def shop(aws_environment):
    boto3.client("s3").create_bucket(Bucket=orders.BUCKET)
    boto3.client("sqs").create_queue(QueueName=orders.QUEUE)


@pytest.fixture
def worker(region):
    return region.role(orders.WORKER_POLICY, name="worker").session()


def test_an_order_is_printed_once(worker):
    orders.place("17", ["tea", "bread"])
    assert orders.print_next(worker) == "17: tea, bread"
    assert orders.print_next(worker) is None


def test_a_worker_may_not_place_orders(worker):
    with pytest.raises(ClientError, match="AccessDenied"):
        worker.client("s3").put_object(Bucket=orders.BUCKET, Key="18.json", Body=b"[]")


def test_what_a_worker_failed_to_print_comes_back_after_five_minutes(worker, region):
    boto3.client("sqs").send_message(
        QueueUrl=boto3.client("sqs").get_queue_url(QueueName=orders.QUEUE)["QueueUrl"], MessageBody="19"
    )
    with pytest.raises(ClientError):
        orders.print_next(worker)  # there is no such order yet
    boto3.client("s3").put_object(Bucket=orders.BUCKET, Key="19.json", Body=b'["late"]')
    assert orders.print_next(worker) is None
    region.clock.advance(minutes=5, seconds=1)
    assert orders.print_next(worker) == "19: late"


def test_a_link_is_good_for_an_hour(region):
    orders.place("20", ["milk"])
    url = orders.link("20")
    assert urllib.request.urlopen(url).read() == b'["milk"]'
    region.clock.advance(minutes=61)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url)


def test_each_test_begins_empty():
    assert "Contents" not in boto3.client("s3").list_objects_v2(Bucket=orders.BUCKET)
