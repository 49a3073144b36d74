// control-model.test.mjs - every constraint of every member of the service's published
// model, each broken in turn, and each met at its very limit: what the model says is
// what the server says, in AWS's words.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { dataFolder, keys, scratch, serve } from './lib.mjs';

const folder = dataFolder();
const file = folder && join(folder, 'aws/healthlake-model/service-2.json');
const skip = !(file && existsSync(file)) && 'no model';
const model = skip ? undefined : JSON.parse(readFileSync(file, 'utf8'));
const arn = 'arn:aws:healthlake:us-east-1:000000000000:datastore/fhir/0123456789abcdef0123456789abcdef';
/** A value that the pattern of a shape takes; the shapes with one that plain letters do not meet. */
const SAMPLES = { S3Uri: 's3://bucket/key', IamRoleArn: 'arn:aws:iam::000000000000:role/r',
  EncryptionKeyID: 'alias/k', AmazonResourceName: arn,
  LambdaArn: 'arn:aws:lambda:us-east-1:000000000000:function:f',
  ProfileId: 'a'.repeat(32) };
let place, store, signer;

before(async () => {
  place = scratch();
  store = await serve(join(place.folder, 'data'));
  signer = new SignatureV4({ credentials: keys, region: 'us-east-1', service: 'healthlake', sha256: Sha256 });
});
after(async () => {
  await store?.stop();
  place?.remove();
});

async function call(operation, body) {
  const url = new URL(store.origin);
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const signed = await signer.sign(new HttpRequest({ method: 'POST', protocol: url.protocol,
    hostname: url.hostname, port: Number(url.port), path: '/', body: text, headers: { host: url.host,
      'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `HealthLake.${operation}` } }));
  const answer = await fetch(url, { method: 'POST', body: text, headers: signed.headers });
  const json = await answer.json();
  assert.equal(answer.status === 200, json.__type === undefined, JSON.stringify(json));
  return { status: answer.status, type: json.__type?.split('#').pop(), message: json.message ?? json.Message,
    header: answer.headers.get('x-amzn-errortype') };
}

const shapeOf = (name) => ({ name, ...model.shapes[name] });
const letters = (length) => 'a'.repeat(length);

/** A value that breaks nothing. */
function sample(name) {
  const s = shapeOf(name);
  switch (s.type) {
    case 'string': {
      if (s.enum) return s.enum[0];
      const plain = letters(Math.max(s.min ?? 1, 1));
      return SAMPLES[name] ?? plain;
    }
    case 'integer': case 'long': return s.min ?? 1;
    case 'boolean': return true;
    case 'timestamp': return 1600000000.5;
    case 'list': return Array.from({ length: Math.max(s.min ?? 0, 1) }, () => sample(s.member.shape));
    case 'structure': {
      const wanted = s.union ? [Object.keys(s.members)[0]] : s.required ?? [];
      return Object.fromEntries(wanted.map((m) => [m, sample(s.members[m].shape)]));
    }
    default: throw new Error(`no sample of ${name} (${s.type})`);
  }
}

/** Every place in a shape: [{ path, shape, put(value) -> request }]. */
function places(name, put = (value) => value, path = []) {
  const s = shapeOf(name), found = [{ path, shape: s, put }];
  if (s.type === 'structure') {
    for (const [member, { shape }] of Object.entries(s.members)) {
      const around = (value) => put({ ...(s.union ? {} : sample(name)), [member]: value });
      found.push(...places(shape, around, [...path, member]));
    }
  } else if (s.type === 'list') {
    found.push(...places(s.member.shape, (value) => put([value]), [...path, '1', 'member']));
  }
  return found;
}

const camel = (path) => path.map((p) => p[0].toLowerCase() + p.slice(1)).join('.');
const at = (path, words) => `at '${camel(path)}' failed to satisfy constraint: Member must ${words}`;

/** Values that break one constraint, with the words that must say so. */
function broken({ path, shape: s, put }) {
  const list = [];
  const add = (value, words) => list.push({ body: put(value), words: at(path, words) });
  const text = s.type === 'string' && !s.enum, pattern = s.pattern && new RegExp(`^(?:${s.pattern})$`, 'us');
  if (s.enum) add('NO_SUCH_VALUE', `satisfy enum value set: [${s.enum.join(', ')}]`);
  if (text && s.min) add(letters(s.min - 1), `have length greater than or equal to ${s.min}`);
  if (text && s.max) add(letters(s.max + 1), `have length less than or equal to ${s.max}`);
  const odd = ['\u0001', '<', '_', 'é', '\u0301'].map((c) => `${c}${letters(s.min ?? 0)}`)
    .find((value) => pattern && !pattern.test(value));
  if (text && odd) add(odd, `satisfy regular expression pattern: ${s.pattern}`);
  if (s.type === 'integer' && s.min !== undefined)
    add(s.min - 1, `have value greater than or equal to ${s.min}`);
  if (s.type === 'integer' && s.max !== undefined)
    add(s.max + 1, `have value less than or equal to ${s.max}`);
  if (s.type === 'list' && s.max)
    add(Array.from({ length: s.max + 1 }, () => sample(s.member.shape)),
      `have length less than or equal to ${s.max}`);
  if (s.type === 'list' && s.min) add([], `have length greater than or equal to ${s.min}`);
  for (const member of s.required ?? []) {
    const value = { ...sample(s.name) };
    delete value[member];
    list.push({ body: put(value), words: at([...path, member], 'not be null') });
  }
  return list;
}

/** Values of a kind that cannot be read. */
const unreadable = ({ path, shape: s, put }) => (path.length === 0 ? [] : {
  string: [1, true, [], {}], integer: ['x', 1.5, true, []], long: ['x'], boolean: ['true', 1],
  timestamp: ['now', true, {}], list: ['a', {}], structure: ['a', [], 1],
}[s.type].map((value) => put(value)));

/** The longest and the shortest that may be. */
function limits({ shape: s, put }) {
  if (s.type === 'string' && !s.enum && !SAMPLES[s.name])
    return [s.min ?? 0, s.max].filter((n) => n !== undefined && n < 20_000).map((n) => put(letters(n)));
  if (s.type === 'string' && s.enum) return s.enum.map((value) => put(value));
  if (s.type === 'integer') return [s.min, s.max].filter((n) => n !== undefined).map((n) => put(n));
  return [];
}

const operations = skip ? [] : Object.keys(model.operations).filter((name) => !/Transformation|Agent/.test(name));

test('the model has the operations that are met', { skip }, () => assert.equal(operations.length, 14));

for (const operation of operations) {
  const input = () => model.operations[operation].input.shape;
  test(`${operation}: each constraint, broken`, { skip }, async () => {
    let count = 0;
    for (const where of places(input())) {
      for (const { body, words } of broken(where)) {
        const answer = await call(operation, body);
        const said = `${operation} ${JSON.stringify(body).slice(0, 300)}: ${JSON.stringify(answer)}`;
        assert.equal(answer.status, 400, said);
        assert.equal(answer.type, 'ValidationException', said);
        assert.equal(answer.header, 'ValidationException', said);
        assert.ok(answer.message.includes(words), `${said}\nnot: ${words}`);
        assert.match(answer.message, /^\d+ validation errors? detected: Value /, said);
        count++;
      }
    }
    assert.ok(count > 0);
  });

  test(`${operation}: each member of another kind`, { skip }, async () => {
    for (const where of places(input())) {
      for (const body of unreadable(where)) {
        const answer = await call(operation, body);
        const said = `${operation} ${JSON.stringify(body).slice(0, 300)}: ${JSON.stringify(answer)}`;
        assert.equal(answer.status, 400, said);
        assert.equal(answer.type, 'SerializationException', said);
      }
    }
    assert.equal((await call(operation, '[')).type, 'SerializationException');
    assert.equal((await call(operation, '[]')).type, 'SerializationException');
  });

  test(`${operation}: each limit, just met`, { skip }, async () => {
    for (const where of places(input())) {
      for (const body of limits(where)) {
        const answer = await call(operation, body);
        const said = `${operation} ${JSON.stringify(body).slice(0, 300)}: ${JSON.stringify(answer)}`;
        assert.notEqual(answer.type, 'SerializationException', said);
        assert.doesNotMatch(answer.message ?? '', /failed to satisfy constraint/, said);
      }
    }
  });
}
