// @grpc/grpc-js over several servers: leader.js ADDRESSES TLS SERVICE-CONFIG
//
// Pays each request that comes as a line of hexadecimal digits; the answer is a line like
// it, or a status. Addresses have commas between them.
"use strict";

const fs = require("fs");
const readline = require("readline");
const grpc = require("@grpc/grpc-js");

const [addresses, folder, config] = process.argv.slice(2);
const METHOD = "/payswitch.v1.PaymentService/CreatePayment";
const LIMIT_MS = 60000;
const same = (bytes) => bytes;
const file = (name) => fs.readFileSync(`${folder}/${name}`);

const credentials = grpc.credentials.createSsl(
  file("ca.pem"), file("centre-centre-a.key"), file("centre-centre-a.pem"));
const client = new grpc.Client(`ipv4:${addresses}`, credentials, {
  "grpc.service_config": config,
  "grpc.ssl_target_name_override": "localhost",
  "grpc.default_authority": "localhost",
});

function pay(request) {
  return new Promise((resolve) => {
    client.makeUnaryRequest(METHOD, same, same, request, new grpc.Metadata(),
      { deadline: Date.now() + LIMIT_MS },
      (error, reply) => resolve(
        error ? `! ${grpc.status[error.code]} ${error.details}` : reply.toString("hex")));
  });
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(await pay(Buffer.from(line, "hex")));
  }
  client.close();
})();
