// Walks through the Responses API with OpenAI's official client for Node, to show that the
// simulator serves a client that knows nothing of it.
//
// How to run it, with a simulator listening on 127.0.0.1:8089:
//
//     npm install
//     node client.mjs http://127.0.0.1:8089/v1
//
// It prints one line per step and ends with status 1 at the first step that goes wrong.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';

const baseURL = process.argv[2];
if (!baseURL) {
  console.error('usage: node client.mjs BASE_URL');
  process.exit(2);
}
const client = new OpenAI({ apiKey: 'any-key', baseURL, maxRetries: 0 });
const request = {
  model: 'gpt-4.1',
  input: 'Which rivers flow into the Black Sea?',
  background: true,
  metadata: { suite: 'openai-node' },
};

async function pollUntilEnded(id) {
  for (;;) {
    const response = await client.responses.retrieve(id);
    if (!['queued', 'in_progress'].includes(response.status)) return response;
    await sleep(50);
  }
}

async function step(name, run) {
  const detail = await run();
  console.log(`ok ${name}${detail ? `: ${detail}` : ''}`);
}

await step('create in the background and poll', async () => {
  const created = await client.responses.create(request);
  assert.match(created.id, /^resp_[0-9a-f]{48}$/);
  const final = await pollUntilEnded(created.id);
  assert.equal(final.status, 'completed');
  assert.equal(final.metadata.suite, 'openai-node');
  assert.ok(final.output_text.includes(request.input));
  assert.ok(final.usage.total_tokens > 0);
  return `${final.usage.total_tokens} tokens`;
});

await step('list input items', async () => {
  const created = await client.responses.create(request);
  const items = [];
  for await (const item of client.responses.inputItems.list(created.id)) items.push(item);
  assert.equal(items.length, 1);
  assert.equal(items[0].content[0].text, request.input);
});

await step('stream, leave, and resume behind the last event', async () => {
  const stream = await client.responses.create({ ...request, stream: true });
  let id;
  let last;
  for await (const event of stream) {
    id ??= event.response?.id;
    last = event.sequence_number;
    if (last === 2) break;
  }
  const resumed = await client.responses.retrieve(id, { stream: true, starting_after: last });
  let spelled = '';
  let final;
  for await (const event of resumed) {
    assert.equal(event.sequence_number, last + 1);
    last = event.sequence_number;
    if (event.type === 'response.output_text.delta') spelled += event.delta;
    if (event.type === 'response.completed') final = event.response;
  }
  assert.equal(final?.id, id);
  assert.equal(spelled, final.output[0].content[0].text);
  return `${last + 1} events`;
});

await step('cancel twice', async () => {
  const metadata = { simulator_fault: 'never_ends' };
  const created = await client.responses.create({ ...request, metadata });
  for (const _ of [1, 2]) {
    const cancelled = await client.responses.cancel(created.id);
    assert.equal(cancelled.status, 'cancelled');
  }
});

await step('structured output', async () => {
  const schema = {
    type: 'object',
    properties: { title: { type: 'string' }, points: { type: 'array', items: { type: 'string' } } },
    required: ['title', 'points'],
    additionalProperties: false,
  };
  const response = await client.responses.create({
    model: 'gpt-4.1',
    input: request.input,
    text: { format: { type: 'json_schema', name: 'outline', strict: true, schema } },
  });
  const parsed = JSON.parse(response.output_text);
  assert.equal(typeof parsed.title, 'string');
  assert.ok(Array.isArray(parsed.points));
});

await step('delete', async () => {
  const created = await client.responses.create(request);
  await client.responses.delete(created.id);
  await assert.rejects(client.responses.retrieve(created.id), OpenAI.NotFoundError);
});

await step('errors have their classes', async () => {
  await assert.rejects(client.responses.create({ ...request, model: 'gpt-0' }), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ ...request, temperature: 'hot' }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.code, 'invalid_type');
    assert.equal(error.param, 'temperature');
    return true;
  });
});
