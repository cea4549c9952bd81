// Draws the route table of /openapi.json and sends requests to the server that served the page.
'use strict';

const element = (name, properties = {}, ...children) => {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
};

const typeOf = (schema) => {
  let text = [].concat(schema.type ?? 'any').join(' or ');
  if (schema.type === 'array') text = `array of ${typeOf(schema.items)}`;
  if (schema.format) text += ` (${schema.format})`;
  if (schema.enum) text += `: ${schema.enum.join(', ')}`;
  if (schema.minLength !== undefined) text += `, ${schema.minLength} to ${schema.maxLength} characters`;
  if (schema.minItems !== undefined) text += `, ${schema.minItems} to ${schema.maxItems}`;
  if (schema.minimum !== undefined) text += `, ${schema.minimum} to ${schema.maximum ?? 'any'}`;
  return text;
};

const rows = (schema, prefix = '') => Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
  const path = prefix + name;
  const inner = member.type === 'array' ? member.items : member;
  const row = element('tr', {},
    element('td', { textContent: path }),
    element('td', { textContent: typeOf(member) }),
    element('td', { textContent: (schema.required ?? []).includes(name) ? 'always' : 'optional' }),
    element('td', { textContent: (member.description ?? '').replaceAll('`', '') }));
  return [row, ...rows(inner, member.type === 'array' ? `${path}[].` : `${path}.`)];
});

const schemaTable = (title, schema) => {
  const body = rows(schema);
  if (body.length === 0) return [];
  const head = element('tr', {}, ...['name', 'type', 'present', 'meaning'].map((t) => element('th', { textContent: t, scope: 'col' })));
  return [element('h4', { textContent: title }), element('table', {}, element('thead', {}, head), element('tbody', {}, ...body))];
};

const parameterTable = (parameters) => schemaTable('Parameters', {
  properties: Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.schema])),
  required: parameters.filter((parameter) => parameter.required).map((parameter) => parameter.name),
});

const show = async (output, started, response) => {
  const type = response.headers.get('content-type') ?? '';
  const text = await response.text();
  const took = (performance.now() - started).toFixed(1);
  const good = response.ok ? 'muted' : 'status-bad';
  const body = /json/.test(type) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  output.replaceChildren(
    element('p', { className: good, textContent: `${response.status} ${response.statusText}, ${took} ms measured in this browser, X-Request-Id ${response.headers.get('x-request-id')}` }),
    element('pre', { textContent: body }));
};

const tryIt = (method, path, operation) => {
  const output = element('div');
  const fields = (operation.parameters ?? []).map((parameter) => ({
    parameter,
    input: element('input', { placeholder: typeOf(parameter.schema), ariaLabel: parameter.name }),
  }));
  const content = operation.requestBody?.content['application/json'];
  const area = content && element('textarea', { value: JSON.stringify(content.example ?? {}, null, 2), spellcheck: false, ariaLabel: 'Request body' });
  const send = async () => {
    let target = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value !== '') query.set(parameter.name, input.value);
    }
    if (query.size > 0) target += `?${query}`;
    const options = { method: method.toUpperCase() };
    if (area) Object.assign(options, { body: area.value, headers: { 'Content-Type': 'application/json' } });
    const started = performance.now();
    try {
      await show(output, started, await fetch(target, options));
    } catch (problem) {
      output.replaceChildren(element('p', { className: 'status-bad', textContent: `No answer: ${problem.message}` }));
    }
  };
  const table = fields.length === 0 ? [] : [element('table', {}, element('tbody', {}, ...fields.map(({ parameter, input }) =>
    element('tr', {}, element('td', { textContent: parameter.name }), element('td', {}, input), element('td', { textContent: parameter.schema.description ?? '' })))))];
  return element('details', {}, element('summary', { textContent: 'Try it' }), ...table, ...(area ? [area] : []),
    element('button', { type: 'button', textContent: 'Send', onclick: send }), output);
};

const section = (method, path, operation) => {
  const label = element('span', { className: `method ${method}`, textContent: method.toUpperCase() });
  const answer = operation.responses['200'].content;
  const [type, media] = Object.entries(answer)[0];
  const cost = operation['x-spend-points'] ? ` Costs ${operation['x-spend-points']} spend points.` : '';
  const request = operation.requestBody?.content['application/json'].schema;
  return element('section', { id: operation.operationId }, element('h3', {}, label, path),
    element('div', {}, element('p', { textContent: operation.summary + cost }),
      ...parameterTable(operation.parameters ?? []),
      ...(request ? schemaTable('Request body', request) : []),
      ...schemaTable('Answer', media.schema),
      element('p', { className: 'muted', textContent: `Answers ${type}; errors: ${Object.keys(operation.responses).filter((s) => s !== '200').join(', ') || 'none of its own'}.` }),
      tryIt(method, path, operation)));
};

const draw = (document_) => {
  document.getElementById('version').textContent = document_.info.version;
  document.getElementById('about').textContent = document_.info.description;
  const families = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const family = operation.tags[0];
      if (!families.has(family)) families.set(family, []);
      families.get(family).push({ method, path, operation });
    }
  }
  const contents = [];
  const sections = [];
  for (const [family, list] of families) {
    contents.push(element('h2', { textContent: family }));
    sections.push(element('h2', { textContent: family }));
    for (const { method, path, operation } of list) {
      contents.push(element('a', { href: `#${operation.operationId}`, textContent: `${method.toUpperCase()} ${path}` }));
      sections.push(section(method, path, operation));
    }
  }
  document.getElementById('contents').replaceChildren(...contents);
  document.getElementById('routes').replaceChildren(...sections);
};

fetch('/openapi.json').then((response) => response.json()).then(draw).catch((problem) => {
  document.getElementById('routes').replaceChildren(element('p', { className: 'status-bad', textContent: `The route table could not be read: ${problem.message}` }));
});
