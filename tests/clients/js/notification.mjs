// AWS's own validator of notifications: node notification.mjs FILE, with the region's authority in NODE_EXTRA_CA_CERTS.
import assert from "node:assert/strict";
import fs from "node:fs";
import MessageValidator from "sns-validator";

const message = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const validator = new MessageValidator(/^localhost(:\d+)?$/);
const validate = (given) => new Promise((done) => validator.validate(given, (error) => done(error)));

assert.equal(await validate({ ...message }), null);
assert.match((await validate({ ...message, Message: "forged" })).message, /signature/i);
console.log("all is well");
