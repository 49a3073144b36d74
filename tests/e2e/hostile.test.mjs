// hostile.test.mjs - a thousand odd requests: each is answered, by JSON if refused, with a
// request id, without a 5xx of ours, and tells nothing of the inside.
import assert from 'node:assert/strict';
import { createConnection } from 'node:net';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { scratch, serve } from './lib.mjs';

let place, store, host, port, base;
before(async () => {
  place = scratch();
  store = await serve(join(place.folder, 'data'), ['--no-auth']);
  ({ hostname: host, port, pathname: base } = new URL(store.endpoint));
});
after(async () => { await store?.stop(); place?.remove(); });

function raw(bytes) {
  return new Promise((done) => {
    const socket = createConnection({ host, port }), parts = [];
    socket.on('data', (d) => parts.push(d));
    socket.on('error', () => {});
    socket.on('close', () => done(Buffer.concat(parts).toString('latin1')));
    socket.setTimeout(10000, () => socket.destroy());
    socket.write(bytes);
  });
}

function request(method, path, body, headers = {}) {
  const all = { host: `${host}:${port}`, connection: 'close', ...headers };
  const bytes = Buffer.from(body ?? '', typeof body === 'string' ? 'utf8' : undefined);
  if (body !== undefined) all['content-type'] ??= 'application/fhir+json';
  if (body !== undefined) all['content-length'] = bytes.length;
  const target = path.startsWith('/') || path === '*' ? path : `${base}/${path}`;
  return raw(Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n` +
    Object.entries(all).map(([n, v]) => `${n}: ${v}\r\n`).join('') + '\r\n', 'latin1'), bytes]));
}

function check(label, answer, method) {
  assert.match(answer, /^HTTP\/1\.1 \d{3} /, `${label}: no answer`);
  const status = Number(answer.slice(9, 12)), at = answer.indexOf('\r\n\r\n');
  const head = answer.slice(0, at), body = answer.slice(at + 4);
  assert.ok(status < 500 || status === 501 || status === 505, `${label}: ${answer}`);
  assert.match(head, /^x-amzn-requestid: [0-9a-f-]{36}$/im, label);
  if (status < 400) return;
  if (method === 'HEAD') return assert.equal(body, '', label);
  assert.match(head, /^x-amzn-errortype: \w+$/im, label);
  assert.doesNotMatch(body, /src\/|\.c:\d|\/tmp\/|rocksdb|0x[0-9a-f]{8}/, label);
  const json = JSON.parse(body);
  if (json.resourceType !== 'OperationOutcome') return assert.ok(json.__type, label);
  for (const issue of json.issue) {
    assert.ok(issue.diagnostics?.length > 3, `${label}: ${body}`);
    assert.ok(['fatal', 'error', 'warning', 'information'].includes(issue.severity), label);
  }
}

const paths = ['', 'metadata', 'metadata?mode=x', 'Patient', 'Patient/x', 'Patient/x/_history', 'Patient/x/_history/1',
  'Patient/x/_history/abc', 'Patient/_search', 'Patient/$everything', 'Patient/x/$everything', '_history', '_search',
  '$validate', 'Patient/$validate', 'Transaction/x', '.well-known/smart-configuration', 'Patient//x', 'Patient/x/y/z/w/v',
  'patient', 'Patient/%00', 'Patient/a%2Fb', `Patient/${'a'.repeat(65)}`, `Patient/${'a'.repeat(5000)}`, '%50atient',
  'Patient/x?_format=xml', 'Patient?', 'Patient?&&&', 'Patient?=', 'Patient?name', 'Patient?name=',
  `Patient?_id=${'a,'.repeat(5000)}`, 'Patient?_count=-1', 'Patient?_count=99999999999999999999', 'Patient?_sort=',
  'Patient?page=xxx', 'Patient?birthdate=gt', 'Patient?birthdate=2000-13-45', 'Patient?name=%ff%fe', 'Patient?name=%E4',
  'Patient?_include=', 'ValueSet/$expand', 'CodeSystem/$lookup?code=x', 'Patient/x/$', 'Patient/$', '$', '/healthz',
  '/readyz', '/', '//', '/datastore', '/datastore/', '/datastore/x/r4', '/datastore/../../etc/passwd',
  '/%2e%2e/%2e%2e/etc/passwd', '*'];
const bodies = ['', '{', '[]', 'null', '"x"', '{}', '{"resourceType":"Patient"}', '{"resourceType":"Patient","id":"x"}',
  '{"resourceType":null}', '{"resourceType":["Patient"]}', '{"resourceType":"Bundle","type":"batch"}',
  '{"resourceType":"Bundle","type":"transaction","entry":{}}',
  '{"resourceType":"Bundle","type":"transaction","entry":[null,1,"x",[],{}]}',
  '{"resourceType":"Parameters","parameter":[{"name":1}]}', '\ufeff{"resourceType":"Patient"}', Buffer.from([0xff, 0xfe, 0]),
  `{"resourceType":"Patient","a":${'['.repeat(500)}${']'.repeat(500)}}`,
  '{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', '{"resourceType":"Patient","resourceType":"Patient"}'];

test('odd methods on odd paths', async () => {
  for (const path of paths)
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'FOO'])
      check(`${method} ${path.slice(0, 80)}`, await request(method, path), method);
});

test('odd bodies wherever a body is taken', async () => {
  for (const path of ['', 'Patient', 'Patient/x', 'Patient?name=x', 'Patient/_search', 'Patient/$validate', '/', '$validate'])
    for (const method of ['POST', 'PUT', 'PATCH'])
      for (const body of bodies) check(`${method} ${path} ${body}`.slice(0, 120), await request(method, path, body), method);
});

test('odd headers', async () => {
  const headers = [['content-type', 'text/xml'], ['content-type', 'application/json; charset=utf-16'], ['content-type', ''],
    ['content-type', 'x/y/z'], ['accept', 'application/xml'], ['accept', ';;;'], ['accept', '*/*;q=0'], ['if-match', '*'],
    ['if-match', 'garbage'], ['if-match', 'W/"99999999999999999999999"'], ['if-none-match', 'W/"1'],
    ['if-modified-since', 'yesterday'], ['prefer', 'return=everything'], ['prefer', 'respond-async'], ['if-none-exist', ''],
    ['if-none-exist', 'name=x&&'], ['if-none-exist', '_count=5'], ['x-amz-fhir-idempotency-key', 'zz'],
    ['x-amzn-healthlake-fhir-validation-level', 'none'], ['content-encoding', 'br'], ['content-encoding', 'gzip'],
    ['x-amz-target', 'HealthLake.Nope'], ['range', 'bytes=0-1'], ['transfer-encoding', 'gzip'], ['expect', '200-ok'],
    ['host', 'evil.example'], ['host', ''], ['origin', 'http://evil.example']];
  const calls = [['GET', 'Patient/x'], ['PUT', 'Patient/x', '{"resourceType":"Patient","id":"x"}'],
    ['POST', 'Patient', '{"resourceType":"Patient"}'], ['POST', 'Patient/_search', 'name=x']];
  for (const [name, value] of headers)
    for (const [method, path, body] of calls)
      check(`${method} ${name}: ${value}`, await request(method, path, body, { [name]: value }), method);
});

test('what is hardly HTTP', async () => {
  for (const text of ['GET\r\n\r\n', 'GET / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'GET / HTTP/9.9\r\nHost: a\r\n\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 'GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'])
    check(JSON.stringify(text), await raw(text));
  assert.equal((await fetch(`${store.origin}/healthz`)).status, 200);
});
