// OpenAI's client for Node.js against the speech service: openai_speech_check.mjs PORT KEY RECORDING EMPTY WORDS. Ends with 0 and `ok N` when
// N things held. RECORDING says WORDS; EMPTY is a file without a byte. The engine is the embedded one.
import { createReadStream } from 'node:fs';
import OpenAI from 'openai';

const [port, key, path, empty, words] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: key, maxRetries: 0 });
let held = 0;
function hold(what, condition) {
  if (!condition) {
    console.error('does not hold:', what);
    process.exit(1);
  }
  held += 1;
}
const transcribe = (more = {}) => client.audio.transcriptions.create({ file: createReadStream(path), model: 'whisper-1', ...more });

const plain = await transcribe();
hold('json', plain.text === words);
hold('usage', plain.usage.type === 'duration' && plain.usage.seconds >= 1);
hold('text', (await transcribe({ response_format: 'text' })) === `${words}\n`);
const srt = await transcribe({ response_format: 'srt' });
hold('srt', srt.startsWith('1\n00:00:0') && srt.includes(' --> '));
const vtt = await transcribe({ response_format: 'vtt' });
hold('vtt', vtt.startsWith('WEBVTT\n\n00:00:0'));
const verbose = await transcribe({ response_format: 'verbose_json', timestamp_granularities: ['word', 'segment'], language: 'en' });
hold('verbose', verbose.text === words && verbose.language === 'english');
hold('words', verbose.words.map((one) => one.word).join(' ') === words);
hold('segments', verbose.segments.map((one) => one.text).join(' ') === words);
const { response } = await transcribe().withResponse();
hold('engine', response.headers.get('x-model') === 'pocketsphinx-en-us' && response.headers.get('x-engine') === 'embedded');
const english = await client.audio.translations.create({ file: createReadStream(path), model: 'whisper-1', language: 'en' });
hold('translation', english.text === words);

const refused = async (what, kind, part, call) => {
  try {
    await call();
  } catch (error) {
    hold(`${what}: ${error}`, error instanceof kind && error.type === 'invalid_request_error' && error.message.includes(part));
    return;
  }
  hold(`${what} was not refused`, false);
};
await refused('a translation', OpenAI.BadRequestError, 'speech.engine', () =>
  client.audio.translations.create({ file: createReadStream(path), model: 'whisper-1' }),
);
await refused('a format', OpenAI.BadRequestError, 'response_format', () => transcribe({ response_format: 'xml' }));
await refused('a model', OpenAI.NotFoundError, 'model', () => transcribe({ model: 'gpt-9' }));
await refused('an empty file', OpenAI.BadRequestError, 'empty', () => transcribe({ file: createReadStream(empty) }));
console.log('ok', held);
