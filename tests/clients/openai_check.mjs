// OpenAI's client for Node.js against the server: openai_check.mjs PORT MODEL KEY. Ends with 0 and `ok N` when N things held.
import OpenAI from 'openai';

const [port, model, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: key, maxRetries: 0 });
let held = 0;
function hold(what, condition) {
  if (!condition) {
    console.error('does not hold:', what);
    process.exit(1);
  }
  held += 1;
}

const ids = [];
for await (const one of client.models.list()) ids.push(one.id);
hold('list', ids.includes(model));
const preset = await client.embeddings.create({ model, input: 'the tide comes in' }); // base64 on the wire
const floats = await client.embeddings.create({ model, input: 'the tide comes in', encoding_format: 'float' });
hold('base64 is the same', JSON.stringify(preset.data[0].embedding) === JSON.stringify(floats.data[0].embedding.map(Math.fround)));
hold('usage', floats.usage.prompt_tokens > 0);
const several = await client.embeddings.create({ model, input: ['a tree', 'the tide'] });
hold('several', several.data.length === 2 && several.data[1].index === 1);
const refused = async (what, status, call) => {
  try {
    await call();
  } catch (error) {
    hold(`${what}: ${error}`, error.status === status && error.type === 'invalid_request_error' && error.message.length > 10);
    return;
  }
  hold(`${what} was not refused`, false);
};
await refused('model', 404, () => client.embeddings.create({ model: 'nothing', input: 'x' }));
await refused('input', 400, () => client.embeddings.create({ model, input: [] }));
await refused('dimensions', 400, () => client.embeddings.create({ model, input: 'x', dimensions: 100000 }));
await refused('path', 404, () => client.chat.completions.create({ model, messages: [] }));
console.log('ok', held);
