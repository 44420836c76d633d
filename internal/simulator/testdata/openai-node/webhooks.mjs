// Receives the simulator's webhooks with OpenAI's official client for Node and with the reference
// library of Standard Webhooks, to show that both take the genuine ones and refuse the forged.
//
// How to run it, with a simulator listening on 127.0.0.1:8089:
//
//     npm install
//     node webhooks.mjs http://127.0.0.1:8089
//
// It prints one line per step and ends with status 1 at the first step that goes wrong. It leaves
// the simulator without webhooks and faults.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import OpenAI from 'openai';
import { Webhook } from 'standardwebhooks';

const simulator = process.argv[2];
if (!simulator) {
  console.error('usage: node webhooks.mjs SIMULATOR_URL');
  process.exit(2);
}
const secret = `whsec_${Buffer.from('thirty-two bytes of a webhook key').toString('base64')}`;
const client = new OpenAI({ apiKey: 'any-key', baseURL: `${simulator}/v1`, maxRetries: 0, webhookSecret: secret });

const waiting = [];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  response.writeHead(204).end();
  waiting.shift()?.({ headers: request.headers, body: Buffer.concat(chunks).toString() });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');

async function put(path, body) {
  const answer = await fetch(`${simulator}/_sim/${path}`, { method: 'PUT', body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

// ended creates a response and returns its id and the webhook that tells its end.
async function ended(metadata) {
  const arrived = new Promise((resolve) => waiting.push(resolve));
  const { id } = await client.responses.create({ model: 'gpt-4.1', input: 'Hello.', background: true, metadata });
  return { id, ...(await arrived) };
}

await put('config', {
  webhooks: [{ url: `http://127.0.0.1:${server.address().port}/`, secrets: [secret] }],
  queued: '0s',
  running: '100ms',
});

for (const [metadata, type] of [
  [{}, 'response.completed'],
  [{ simulator_fault: 'fail=server_error' }, 'response.failed'],
  [{ simulator_fault: 'incomplete=content_filter' }, 'response.incomplete'],
]) {
  const { id, headers, body } = await ended(metadata);
  const event = await client.webhooks.unwrap(body, headers);
  assert.equal(event.type, type);
  assert.equal(event.data.id, id);
  assert.deepEqual(new Webhook(secret).verify(body, headers), event);
  console.log(`ok ${type}`);
}

for (const forge of ['signature', 'secret', 'timestamp', 'body', 'unsigned']) {
  const { headers, body } = await ended({ simulator_fault: `op=webhook,forge=${forge}` });
  await assert.rejects(async () => client.webhooks.unwrap(body, headers));
  assert.throws(() => new Webhook(secret).verify(body, headers));
  console.log(`ok forged: ${forge}`);
}

await put('config', { webhooks: [] });
server.close();
