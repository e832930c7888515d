// @grpc/grpc-js against the server: client.js ADDRESS TLS
//
// Each case prints a JSON line. Messages are bytes, made by hand, so that nothing has to
// be generated.
"use strict";

const crypto = require("crypto");
const fs = require("fs");
const grpc = require("@grpc/grpc-js");

const [address, folder] = process.argv.slice(2);
const SERVICE = "/payswitch.v1.PaymentService/";
const LIMIT_MS = 60000;
const same = (bytes) => bytes;
const file = (name) => fs.readFileSync(`${folder}/${name}`);

function client(name, options = {}) {
  const credentials = grpc.credentials.createSsl(
    file("ca.pem"), file(`${name}.key`), file(`${name}.pem`));
  return new grpc.Client(address, credentials, options);
}

// --- messages ------------------------------------------------------------------------

function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}
const part = (number, bytes) =>
  Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);

let references = 0;
function payments(ids) {
  return Buffer.concat(ids.map((id) => part(1, Buffer.concat([
    part(1, id), part(2, Buffer.from("ANY")), number(3, 100),
    part(4, Buffer.from(`JS-${++references}`)), number(5, 1),
  ]))));
}
const newIds = (count) => Array.from({ length: count }, () => crypto.randomBytes(16));

function readVarint(bytes, at) {
  let value = 0, scale = 1;
  for (;;) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    scale *= 128;
    if (byte < 128) return [value, at];
  }
}

// The ids and results of a reply's outcomes, in order.
function outcomes(reply) {
  const found = [];
  for (let at = 0; at < reply.length;) {
    let size;
    [size, at] = readVarint(reply, at + 1);
    const outcome = reply.subarray(at, at + size);
    found.push({ id: outcome.subarray(2, 18), result: outcome[19] });
    at += size;
  }
  return found;
}

function check(found, ids) {
  if (found.length !== ids.length) throw Error(`${found.length} for ${ids.length}`);
  found.forEach((one, i) => {
    if (!one.id.equals(ids[i]) || one.result !== 1)
      throw Error(`outcome ${i} has result ${one.result}`);
  });
}

// --- calls ---------------------------------------------------------------------------

const soon = (ms = LIMIT_MS) => ({ deadline: Date.now() + ms });

function call(to, path, request, options = soon(), metadata = new grpc.Metadata()) {
  return new Promise((resolve, reject) => {
    to.makeUnaryRequest(path, same, same, request, metadata, options,
      (error, reply) => (error ? reject(error) : resolve(reply)));
  });
}

async function fails(code, promise) {
  try {
    await promise;
  } catch (error) {
    if (error.code === code) return error;
    throw error;
  }
  throw Error(`${grpc.status[code]} was expected`);
}

async function pay(to, path, ids, metadata) {
  check(outcomes(await call(to, SERVICE + path, payments(ids), soon(), metadata)), ids);
}

// What a stream of replies brings until it ends; its status.
function all(stream, onReply) {
  return new Promise((resolve) => {
    stream.on("data", onReply);
    stream.on("error", () => {});
    stream.on("status", resolve);
  });
}

const cases = {
  unary: (centre) => pay(centre, "CreatePayment", newIds(1)),
  large: (centre) => pay(centre, "CreatePayments", newIds(8190)),
  parallel: (centre) =>
    Promise.all(newIds(500).map((id) => pay(centre, "CreatePayment", [id]))),
  metadata: (centre) => {
    const metadata = new grpc.Metadata();
    metadata.set("x-trace", "something of ours");
    metadata.set("x-trace-bin", Buffer.from([0, 255, 128]));
    return pay(centre, "CreatePayment", newIds(1), metadata);
  },
  details: async (centre) => {
    const request = part(1, Buffer.from("short"));
    const error = await fails(
      grpc.status.INVALID_ARGUMENT, call(centre, SERVICE + "GetPayment", request));
    const [details] = error.metadata.get("grpc-status-details-bin");
    if (!details.includes("BadRequest")) throw Error("no details");
  },
  // Of 64 MiB Node itself never says to the library that the call has ended.
  too_large: (centre) => fails(
    grpc.status.RESOURCE_EXHAUSTED,
    call(centre, SERVICE + "CreatePayments", Buffer.alloc(8 << 20))),
  no_method: (centre) =>
    fails(grpc.status.UNIMPLEMENTED, call(centre, SERVICE + "Nothing", Buffer.alloc(0))),
  half_close: async (centre) => {
    const ids = newIds(300), found = [];
    const stream = centre.makeBidiStreamRequest(
      SERVICE + "StreamPayments", same, same, soon());
    const done = all(stream, (reply) => found.push(...outcomes(reply)));
    for (const id of ids) stream.write(payments([id]));
    stream.end();
    const status = await done;
    if (status.code !== grpc.status.OK) throw Error(status.details);
    check(found, ids);
  },
  cancel: async (centre) => {
    const stream = centre.makeBidiStreamRequest(
      SERVICE + "StreamPayments", same, same, soon());
    const done = all(stream, () => stream.cancel());
    stream.write(payments(newIds(1)));
    const status = await done;
    if (status.code !== grpc.status.CANCELLED) throw Error(status.details);
  },
  server_stream: async (_, biller) => {
    let pages = 0;
    const stream = biller.makeServerStreamRequest(
      "/payswitch.v1.BillerService/FollowFeed", same, same, number(2, 1), soon());
    const status = await all(stream, () => { pages += 1; });
    if (status.code !== grpc.status.OK || !pages) throw Error(`${pages} pages`);
  },
  deadline: async (_, biller) => {
    const stream = biller.makeServerStreamRequest(
      "/payswitch.v1.BillerService/FollowFeed", same, same, Buffer.alloc(0), soon(300));
    const begun = Date.now();
    const status = await all(stream, () => {});
    // A server that is within a message has no place for a status, and resets the stream:
    // that Node's library calls cancelled, where others know that their time is over.
    const torn = status.code === grpc.status.CANCELLED && Date.now() - begun >= 300;
    if (status.code !== grpc.status.DEADLINE_EXCEEDED && !torn) throw Error(status.details);
  },
  gzip: async (_, __) => {
    const zipped = client("centre-centre-a", {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip });
    await fails(grpc.status.UNIMPLEMENTED,
      call(zipped, SERVICE + "CreatePayment", payments(newIds(1))));
    zipped.close();
  },
};

async function main() {
  const centre = client("centre-centre-a");
  const biller = client("biller-land");
  for (const [name, run] of Object.entries(cases)) {
    let said = "";
    try {
      await run(centre, biller);
      // Whatever was done, the connection still serves.
      await pay(centre, "CreatePayment", newIds(1));
    } catch (error) {
      said = String(error);
    }
    console.log(JSON.stringify({ case: name, ok: said === "", said }));
  }
  centre.close();
  biller.close();
}

main();
