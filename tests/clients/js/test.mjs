// The AWS SDK for JavaScript against a live region: node test.mjs path|virtual NAME S3-ENDPOINT
// The other clients find the region by AWS_ENDPOINT_URL alone.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import dns from "node:dns";
import * as s3 from "@aws-sdk/client-s3";
import * as sns from "@aws-sdk/client-sns";
import * as sqs from "@aws-sdk/client-sqs";
import * as sts from "@aws-sdk/client-sts";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [style, name, endpoint] = process.argv.slice(2);

// *.localhost is the loopback (RFC 6761), which not every resolver that Node asks knows.
const resolve = dns.lookup;
dns.lookup = (host, ...rest) => resolve(host.endsWith(".localhost") ? "127.0.0.1" : host, ...rest);

async function objects() {
  const client = new s3.S3Client({ endpoint, forcePathStyle: style === "path", maxAttempts: 1 });
  const Bucket = name;
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  const Key = "a folder/ü+&=.txt";
  const put = await client.send(new s3.PutObjectCommand({ Bucket, Key, Body: "hello", Metadata: { colour: "blue" } }));
  const got = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
  assert.equal(await got.Body.transformToString(), "hello");
  assert.equal(got.ETag, put.ETag);
  assert.deepEqual(got.Metadata, { colour: "blue" });
  const list = await client.send(new s3.ListObjectsV2Command({ Bucket }));
  assert.deepEqual(list.Contents.map((item) => item.Key), [Key]);

  const upload = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key: "large" }));
  const { UploadId } = upload;
  const Parts = [];
  for (const [PartNumber, size] of [[1, 5 << 20], [2, 1000]]) {
    const Body = Buffer.alloc(size, PartNumber);
    const part = await client.send(new s3.UploadPartCommand({ Bucket, Key: "large", UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag: part.ETag });
  }
  await client.send(
    new s3.CompleteMultipartUploadCommand({ Bucket, Key: "large", UploadId, MultipartUpload: { Parts } }));
  const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: "large" }));
  assert.equal(head.ContentLength, (5 << 20) + 1000);

  const link = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
  assert.equal(await (await fetch(link)).text(), "hello");
  assert.equal((await fetch(link.replace("Expires=60", "Expires=61"))).status, 403);
  await assert.rejects(client.send(new s3.GetObjectCommand({ Bucket, Key: "missing" })), { name: "NoSuchKey" });
  const Objects = [{ Key }, { Key: "large" }];
  const gone = await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.equal(gone.Deleted.length, 2);
  await client.send(new s3.DeleteBucketCommand({ Bucket }));
}

// What a page of another origin may do: by the bucket's rules, with pre-signed URLs, by a form, and by its pre-flights.
async function pages() {
  const client = new s3.S3Client({ endpoint, forcePathStyle: style === "path", maxAttempts: 1 });
  const Bucket = `${name}-pages`;
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  const origin = "https://app.example.com";
  const rule = { AllowedOrigins: [origin], AllowedMethods: ["GET", "PUT", "POST"], AllowedHeaders: ["*"], ExposeHeaders: ["ETag"] };
  await client.send(new s3.PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [rule] } }));
  assert.deepEqual((await client.send(new s3.GetBucketCorsCommand({ Bucket }))).CORSRules, [rule]);

  const link = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: "put" }), { expiresIn: 60 });
  const asked = { Origin: origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type" };
  const preflight = await fetch(link, { method: "OPTIONS", headers: asked });
  assert.equal(preflight.status, 200);
  assert.equal(preflight.headers.get("access-control-allow-origin"), origin);
  assert.equal(preflight.headers.get("access-control-allow-headers"), "content-type");
  const put = await fetch(link, { method: "PUT", body: "by a page", headers: { Origin: origin } });
  assert.equal(put.status, 200);
  assert.equal(put.headers.get("access-control-expose-headers"), "ETag");
  const other = await fetch(link, { method: "OPTIONS", headers: { ...asked, Origin: "https://evil.example" } });
  assert.equal(other.status, 403);
  assert.match(await other.text(), /<Code>AccessForbidden<\/Code>/);
  const missing = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "none" }), { expiresIn: 60 });
  const refused = await fetch(missing, { headers: { Origin: origin } });
  assert.equal(refused.status, 404);
  assert.equal(refused.headers.get("access-control-allow-origin"), origin);

  const posted = await fetch(new URL(link).origin + (style === "path" ? `/${Bucket}` : "/"), {
    method: "POST", body: await form(client, Bucket, "posted", "by a form"), headers: { Origin: origin },
  });
  assert.equal(posted.status, 204);
  assert.equal(posted.headers.get("access-control-allow-origin"), origin);
  for (const [Key, text] of [["put", "by a page"], ["posted", "by a form"]]) {
    const got = await client.send(new s3.GetObjectCommand({ Bucket, Key }));
    assert.equal(await got.Body.transformToString(), text);
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key }));
  }
  await client.send(new s3.DeleteBucketCorsCommand({ Bucket }));
  await assert.rejects(client.send(new s3.GetBucketCorsCommand({ Bucket })), { name: "NoSuchCORSConfiguration" });
  await client.send(new s3.DeleteBucketCommand({ Bucket }));
}

// A form as "Browser-Based Uploads Using POST" of the S3 API reference has it signed.
async function form(client, bucket, key, text) {
  const { accessKeyId, secretAccessKey } = await client.config.credentials();
  const now = new Date();
  const stamp = now.toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [stamp.slice(0, 8), await client.config.region(), "s3", "aws4_request"];
  const fields = {
    key, "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-credential": [accessKeyId, ...scope].join("/"), "x-amz-date": stamp,
  };
  const conditions = [{ bucket }, ...Object.entries(fields).map(([field, value]) => ({ [field]: value }))];
  const expiration = new Date(now.getTime() + 60_000).toISOString();
  const policy = Buffer.from(JSON.stringify({ expiration, conditions })).toString("base64");
  const sign = (secret, value) => crypto.createHmac("sha256", secret).update(value).digest();
  const signature = sign(scope.reduce(sign, `AWS4${secretAccessKey}`), policy).toString("hex");
  const body = new FormData();
  for (const [field, value] of Object.entries({ ...fields, policy, "x-amz-signature": signature })) body.set(field, value);
  body.set("file", new Blob([text]), "file.txt");
  return body;
}

async function messages() {
  const client = new sqs.SQSClient({ maxAttempts: 1 });
  const { QueueUrl } = await client.send(new sqs.CreateQueueCommand({ QueueName: name }));
  const MessageAttributes = { n: { DataType: "Number", StringValue: "42" } };
  await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: "hello ü", MessageAttributes }));
  const got = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl, MessageAttributeNames: ["All"] }));
  assert.equal(got.Messages[0].Body, "hello ü");
  assert.equal(got.Messages[0].MessageAttributes.n.StringValue, "42");
  await client.send(new sqs.DeleteMessageCommand({ QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle }));
  await client.send(new sqs.DeleteQueueCommand({ QueueUrl }));
  await assert.rejects(client.send(new sqs.GetQueueUrlCommand({ QueueName: name })), { name: "QueueDoesNotExist" });
}

async function deadLetters() {
  const client = new sqs.SQSClient({ maxAttempts: 1 });
  const create = async (QueueName, Attributes) => (await client.send(new sqs.CreateQueueCommand({ QueueName, Attributes }))).QueueUrl;
  const dead = await create(`${name}-dead`);
  const SourceArn = `arn:aws:sqs:us-east-1:000000000000:${name}-dead`;
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 1 });
  const QueueUrl = await create(`${name}-jobs`, { RedrivePolicy, VisibilityTimeout: "0" });
  await client.send(new sqs.SendMessageCommand({ QueueUrl, MessageBody: "poison" }));
  await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }));
  assert.equal((await client.send(new sqs.ReceiveMessageCommand({ QueueUrl }))).Messages, undefined);
  const sources = await client.send(new sqs.ListDeadLetterSourceQueuesCommand({ QueueUrl: dead }));
  assert.deepEqual(sources.queueUrls, [QueueUrl]);
  const { TaskHandle } = await client.send(new sqs.StartMessageMoveTaskCommand({ SourceArn }));
  assert.ok(TaskHandle);
  const back = await client.send(new sqs.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  assert.equal(back.Messages[0].Body, "poison");
  const { Results } = await client.send(new sqs.ListMessageMoveTasksCommand({ SourceArn }));
  assert.equal(Results[0].Status, "COMPLETED");
}

async function topics() {
  const client = new sns.SNSClient({ maxAttempts: 1 });
  const queues = new sqs.SQSClient({ maxAttempts: 1 });
  const { TopicArn } = await client.send(new sns.CreateTopicCommand({ Name: name, Tags: [{ Key: "k", Value: "v" }] }));
  const { QueueUrl } = await queues.send(new sqs.CreateQueueCommand({ QueueName: `${name}-news` }));
  const Endpoint = `arn:aws:sqs:us-east-1:000000000000:${name}-news`;
  const Condition = { ArnEquals: { "aws:SourceArn": TopicArn } };
  const Statement = { Effect: "Allow", Principal: { Service: "sns.amazonaws.com" }, Action: "sqs:SendMessage", Resource: Endpoint, Condition };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement });
  await queues.send(new sqs.SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  const FilterPolicy = JSON.stringify({ colour: ["blue"] });
  const { SubscriptionArn } = await client.send(
    new sns.SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint, Attributes: { FilterPolicy }, ReturnSubscriptionArn: true }));
  const MessageAttributes = (StringValue) => ({ colour: { DataType: "String", StringValue } });
  await client.send(new sns.PublishCommand({ TopicArn, Message: "no", MessageAttributes: MessageAttributes("red") }));
  const sent = await client.send(new sns.PublishBatchCommand({
    TopicArn,
    PublishBatchRequestEntries: [{ Id: "1", Message: "grüße", Subject: "S", MessageAttributes: MessageAttributes("blue") }],
  }));
  const got = await queues.send(new sqs.ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  const told = JSON.parse(got.Messages[0].Body);
  assert.deepEqual([told.Message, told.Subject, told.MessageId], ["grüße", "S", sent.Successful[0].MessageId]);
  assert.equal(told.MessageAttributes.colour.Value, "blue");
  const { Attributes } = await client.send(new sns.GetSubscriptionAttributesCommand({ SubscriptionArn }));
  assert.equal(Attributes.FilterPolicy, FilterPolicy);
  const tags = await client.send(new sns.ListTagsForResourceCommand({ ResourceArn: TopicArn }));
  assert.deepEqual(tags.Tags, [{ Key: "k", Value: "v" }]);
  await client.send(new sns.UnsubscribeCommand({ SubscriptionArn }));
  await client.send(new sns.DeleteTopicCommand({ TopicArn }));
  const publish = new sns.PublishCommand({ TopicArn, Message: "m" });
  await assert.rejects(client.send(publish), { name: "NotFoundException" });
}

async function identity() {
  const client = new sts.STSClient({ maxAttempts: 1 });
  assert.equal((await client.send(new sts.GetCallerIdentityCommand({}))).Account, "000000000000");
  const stranger = new sts.STSClient({ credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "x" } });
  await assert.rejects(stranger.send(new sts.GetCallerIdentityCommand({})), { name: "InvalidClientTokenId" });
}

await objects();
await pages();
await messages();
await deadLetters();
await topics();
await identity();
console.log("all is well");
