// The mix of `tidegate load normal` for k6: text detection single and batch, embeddings, history, statistics.
//
// Use    k6 run --vus 50 --duration 60s -e HOST=http://127.0.0.1:8000 k6.js
//        -e TIDEGATE_KEY=...  a key    -e REPEATS=0.72  share of repeats    -e REQUESTS=file  what `tidegate generate` wrote
import { check } from 'k6';
import http from 'k6/http';
import { SharedArray } from 'k6/data';

const host = __ENV.HOST || 'http://127.0.0.1:8000';
const repeats = Number(__ENV.REPEATS || '0.72');
const hotKeys = 1000;
const headers = { 'Content-Type': 'application/json' };
if (__ENV.TIDEGATE_KEY) headers.Authorization = `Bearer ${__ENV.TIDEGATE_KEY}`;
const recorded = __ENV.REQUESTS
  ? new SharedArray('requests', () => open(__ENV.REQUESTS).split('\n').filter((line) => line))
  : null;

export const options = { thresholds: { http_req_failed: ['rate<0.001'], http_req_duration: ['p(95)<75'] } };

const nouns = 'harbour window report teacher river machine garden letter evening question market bridge'.split(' ');
const verbs = 'watched carried followed described repaired forgot remembered painted measured explained'.split(' ');

// The same numbers for the same key (mulberry32).
function dice(key) {
  let state = (key + 0x6d2b79f5) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function prose(key, length) {
  const next = dice(key);
  const pick = (list) => list[Math.floor(next() * list.length)];
  const wanted = length * (0.4 + 2.1 * next());
  let text = '';
  while (text.length < wanted) text += `The ${pick(nouns)} ${pick(verbs)} a ${pick(nouns)}. `;
  return text;
}

// Each virtual user numbers its own questions; an earlier one comes again with probability `repeats`.
const counts = {};
function question(name) {
  const count = counts[name] || 0;
  if (count > 0 && Math.random() < repeats) return __VU * 1e6 + Math.floor(Math.min(count, hotKeys) ** Math.random()) - 1;
  counts[name] = count + 1;
  return __VU * 1e6 + count;
}

const mix = [
  [35, () => ['POST', '/api/v1/detect/text', { text: prose(question('single'), 800) }]],
  [5, () => {
    const key = question('batch');
    const items = [];
    for (let i = 0; i < 2 + (key % 7); i += 1) items.push({ item_id: String(i), text: prose(key * 8 + i, 400) });
    return ['POST', '/api/v1/batch/text', { items }];
  }],
  [5, () => ['POST', '/v1/embeddings', { model: 'tidegate-hash-embed-1', input: prose(question('embed'), 200) }]],
  [5, () => ['GET', '/api/v1/analyze/history?limit=20', null]],
  [3, () => ['GET', '/api/v1/analyze/stats', null]],
  [2, () => ['GET', '/api/compliance/statistics', null]],
];
const total = mix.reduce((sum, [weight]) => sum + weight, 0);

function drawn() {
  if (recorded) {
    const one = JSON.parse(recorded[(__ITER * 7919 + __VU) % recorded.length]);
    return [one.method, one.target, one.body || null];
  }
  let at = Math.random() * total;
  for (const [weight, make] of mix) {
    at -= weight;
    if (at < 0) return make();
  }
  return mix[0][1]();
}

export default function ask() {
  const [method, target, body] = drawn();
  const answer = http.request(method, host + target, body ? JSON.stringify(body) : null, { headers, tags: { name: target.split('?')[0] } });
  check(answer, { 'answered below 400': (a) => a.status > 0 && a.status < 400 });
}
