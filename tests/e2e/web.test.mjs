// web.test.mjs - what browsers and HTTP libraries bring along: CORS, compressed bodies.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { run, scratch, serve } from './lib.mjs';

let place, plain, open, named;
before(async () => {
  place = scratch();
  plain = await serve(`${place.folder}/plain`, ['--no-auth', '--max-body', '1M']);
  open = await serve(`${place.folder}/open`, ['--cors-origin', '*']);
  named = await serve(`${place.folder}/named`,
    ['--no-auth', '--cors-origin', 'https://app.example', '--cors-origin=http://localhost:3000']);
});
after(async () => {
  for (const server of [plain, open, named]) await server?.stop();
  place.remove();
});

const patient = { resourceType: 'Patient', name: [{ family: 'Ångström' }] };
const json = { 'content-type': 'application/fhir+json' };
const send = (server, body, headers = {}, path = '/Patient') =>
  fetch(server.endpoint + path, { method: 'POST', headers: { ...json, ...headers }, body });
const preflight = (server, origin, headers = 'authorization,content-type,x-amz-date') =>
  fetch(`${server.endpoint}/Patient`, { method: 'OPTIONS', headers: { origin,
    'access-control-request-method': 'PUT', 'access-control-request-headers': headers } });
const allow = (r) => r.headers.get('access-control-allow-origin');

test('without --cors-origin no page is let in', async () => {
  const r = await fetch(`${plain.endpoint}/metadata`);
  assert.equal(allow(r), null);
  assert.equal((await r.json()).rest[0].security.cors, false);
  const p = await preflight(plain, 'https://app.example');
  assert.equal(p.status, 403); // --no-auth answers no page of elsewhere
  assert.equal(p.headers.get('allow'), null);
});

test('every page and no credentials do not go together', async () => {
  const r = await run(['serve', '--data', `${place.folder}/both`, '--no-auth', '--cors-origin', '*']);
  assert.equal(r.status, 1);
  assert.match(r.stderr, /--cors-origin/);
  const bad = await run(['serve', '--data', `${place.folder}/bad`, '--cors-origin', 'app.example/']);
  assert.equal(bad.status, 1);
});

test('a preflight needs no credentials and is told methods and the headers it asked for', async () => {
  const r = await preflight(open, 'https://any.example');
  assert.equal(r.status, 204);
  assert.equal(allow(r), '*');
  assert.match(r.headers.get('access-control-allow-methods'), /PATCH/);
  assert.equal(r.headers.get('access-control-allow-headers'), 'authorization,content-type,x-amz-date');
});

test('refusals can be read by the page too', async () => {
  const r = await fetch(`${open.endpoint}/Patient`, { headers: { origin: 'https://any.example' } });
  assert.ok(r.status === 401 || r.status === 403, `${r.status}`);
  assert.equal(allow(r), '*');
  const q = await fetch(`${named.endpoint}/Patient`, { method: 'POST',
    headers: { origin: 'http://localhost:3000', 'content-encoding': 'br' }, body: 'x' });
  assert.equal(q.status, 415);
  assert.equal(allow(q), 'http://localhost:3000');
});

test('named origins are let in, others not, and caches are told', async () => {
  for (const origin of ['https://app.example', 'http://localhost:3000']) {
    const r = await send(named, JSON.stringify(patient), { origin });
    assert.equal(r.status, 201);
    assert.equal(allow(r), origin);
    assert.equal(r.headers.get('vary'), 'Origin');
    assert.match(r.headers.get('access-control-expose-headers'), /ETag/);
    assert.equal((await r.json()).name[0].family, 'Ångström');
  }
  for (const origin of ['https://app.example.evil', 'http://app.example', 'null']) {
    const r = await send(named, JSON.stringify(patient), { origin });
    assert.equal(r.status, 403);
    assert.equal(allow(r), null);
    assert.equal(r.headers.get('vary'), 'Origin');
    const p = await preflight(named, origin);
    assert.equal(allow(p), null);
    assert.equal(p.headers.get('access-control-allow-methods'), null);
  }
  const r = await fetch(`${named.endpoint}/metadata`);
  assert.equal((await r.json()).rest[0].security.cors, true);
});

test('a body may come as gzip, also in several members', async () => {
  const text = JSON.stringify(patient);
  const whole = gzipSync(text);
  const parts = Buffer.concat([gzipSync(text.slice(0, 20)), gzipSync(text.slice(20))]);
  for (const body of [whole, parts]) {
    const r = await send(plain, body, { 'content-encoding': 'gzip' });
    assert.equal(r.status, 201);
    assert.equal((await r.json()).name[0].family, 'Ångström');
  }
  const r = await send(plain, text, { 'content-encoding': 'identity' });
  assert.equal(r.status, 201);
});

test('other codings are a 415, broken gzip is a 400', async () => {
  const text = JSON.stringify(patient);
  for (const coding of ['br', 'deflate', 'zstd', 'gzip, gzip', 'gzip, br']) {
    const r = await send(plain, deflateSync(text), { 'content-encoding': coding });
    assert.equal(r.status, 415, coding);
    const outcome = await r.json();
    assert.equal(outcome.resourceType, 'OperationOutcome');
    assert.match(outcome.issue[0].diagnostics, /gzip/);
  }
  const whole = gzipSync(text);
  for (const body of [text, whole.subarray(0, whole.length - 3), whole.subarray(0, 5),
    Buffer.concat([whole, Buffer.from('rest')])]) {
    const r = await send(plain, body, { 'content-encoding': 'gzip' });
    assert.equal(r.status, 400);
    assert.match((await r.json()).issue[0].diagnostics, /gzip/);
  }
});

test('what unpacks beyond the limit of a body is a 413', async () => {
  const r = await send(plain, gzipSync(Buffer.alloc(64 << 20, ' ')), { 'content-encoding': 'gzip' });
  assert.equal(r.status, 413);
  assert.match((await r.json()).issue[0].diagnostics, /--max-body/);
  const note = 'x'.repeat(900_000);
  const fits = await send(plain, gzipSync(JSON.stringify({ ...patient, text: { status: 'generated',
    div: `<div xmlns="http://www.w3.org/1999/xhtml">${note}</div>` } })), { 'content-encoding': 'gzip' });
  assert.equal(fits.status, 201);
  for (let i = 0; i < 3; i++) // the budget of bodies in flight is given back
    assert.equal((await send(plain, JSON.stringify(patient))).status, 201);
});
