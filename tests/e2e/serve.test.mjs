// serve.test.mjs - `tarn serve` and `tarn presign` from outside: start, stop,
// credentials, paths. What the FHIR interactions answer is tested elsewhere.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { keys, run, scratch, serve } from './lib.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const aws = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
  AWS_REGION: 'us-east-1', AWS_PROFILE: '' };
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
let place, store;

before(async () => {
  place = scratch();
  store = await serve(join(place.folder, 'data'));
});
after(async () => {
  await store?.stop();
  place?.remove();
});

/** Send exactly this target (fetch and URL would tidy it up first). */
function raw(target, { method = 'GET', headers = {}, body } = {}) {
  const { hostname, port } = new URL(store.origin);
  return new Promise((done, fail) => {
    const request = http.request({ hostname, port, method, path: target, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (d) => (text += d));
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text,
        json: () => JSON.parse(text) }));
    });
    request.on('error', fail);
    request.end(body);
  });
}

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

/** A signer of a few lines, so that a test can do wrong what real ones do right. */
function sign(target, { method = 'GET', body = '', date = new Date(), host, region = 'us-east-1',
  service = 'healthlake', secret = keys.secretAccessKey, content = sha256(body), extra = {} } = {}) {
  const [path, query = ''] = target.split('?');
  const segments = path.split('/').filter((s) => s && s !== '.');
  const canonicalPath = '/' + segments.map((s) => encodeURIComponent(s)).join('/') +
    (path.endsWith('/') && segments.length ? '/' : '');
  const time = date.toISOString().replace(/[-:]|\.\d+/g, '');
  const headers = { host: host ?? new URL(store.origin).host, 'x-amz-date': time,
    ...(content ? { 'x-amz-content-sha256': content } : {}), ...extra };
  const names = Object.keys(headers).sort();
  const scope = `${time.slice(0, 8)}/${region}/${service}/aws4_request`;
  const canonical = [method, canonicalPath, query.split('&').filter(Boolean).sort().join('&'),
    ...names.map((n) => `${n}:${headers[n]}`), '', names.join(';'), content ?? sha256(body)].join('\n');
  const key = scope.split('/').reduce((k, part) => hmac(k, part), 'AWS4' + secret);
  const signature = hmac(key, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`).toString('hex');
  const { host: unsent, ...sent } = headers;
  return { ...sent, authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${signature}` };
}

const fhir = (path) => `/datastore/${store.id}/r4${path}`;

function assertRefused(answer, status, type) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers['x-amzn-errortype'], type);
  assert.match(answer.headers['x-amzn-requestid'], uuid);
  assert.equal(answer.json().__type, type);
  assert.equal(typeof answer.json().message, 'string');
}

test('healthz answers without credentials, everything else does not', async () => {
  assert.equal((await raw('/healthz')).status, 200);
  for (const target of ['/', fhir('/metadata'), fhir('/Patient/1'), '/nothing', '/datastore/x/r4/metadata'])
    assertRefused(await raw(target), 401, 'MissingAuthenticationTokenException');
  assertRefused(await raw(fhir('/Patient'), { method: 'POST', body: '{}' }), 401,
    'MissingAuthenticationTokenException');
});

test('a signed request is answered, with the last slash and without', async () => {
  for (const path of ['/metadata', '//metadata', '/metadata/', '/./metadata'])
    assert.equal((await raw(fhir(path), { headers: sign(fhir(path)) })).status, 200, path);
});

test('wrong signatures, scopes and clocks are refused as AWS does', async () => {
  const target = fhir('/metadata');
  const minutes = (n) => new Date(Date.now() + n * 60000);
  const rows = [
    [{ secret: 'guessed' }, 'InvalidSignatureException'],
    [{ region: 'eu-west-1' }, 'InvalidSignatureException'],
    [{ service: 's3' }, 'InvalidSignatureException'],
    [{ date: minutes(-6) }, 'InvalidSignatureException'],
    [{ date: minutes(6) }, 'InvalidSignatureException'],
    [{ content: 'UNSIGNED-PAYLOAD' }, 'InvalidSignatureException'],
    [{ content: sha256('another body') }, 'InvalidSignatureException'],
    [{ extra: { 'x-amz-security-token': 'token' } }, 'UnrecognizedClientException'],
  ];
  for (const [options, type] of rows)
    assertRefused(await raw(target, { headers: sign(target, options) }), 403, type);
  for (const minute of [-4, 4])
    assert.equal((await raw(target, { headers: sign(target, { date: minutes(minute) }) })).status, 200);
  assertRefused(await raw(target, { headers: { authorization: 'Bearer x' } }), 403,
    'IncompleteSignatureException');
});

test('the host may be signed without its port, from loopback', async () => {
  const target = fhir('/metadata');
  assert.equal((await raw(target, { headers: sign(target, { host: '127.0.0.1' }) })).status, 200);
  assertRefused(await raw(target, { headers: sign(target, { host: 'localhost' }) }), 403,
    'InvalidSignatureException');
});

test('a body in chunks is hashed as it comes', async () => {
  const body = JSON.stringify({ resourceType: 'Patient' });
  const target = fhir('/Patient');
  for (const [sent, status] of [[body, 201], [body + ' ', 403]]) {
    const headers = { ...sign(target, { method: 'POST', body, extra: { 'content-type': 'application/fhir+json' } }),
      'transfer-encoding': 'chunked' };
    assert.equal((await raw(target, { method: 'POST', headers, body: sent })).status, status);
  }
});

test('paths reach their place and no other', async () => {
  const signed = async (target) => raw(target, { headers: sign(target) });
  assert.equal((await signed('/datastore/00000000000000000000000000000000/r4/metadata')).status, 404);
  assert.equal((await signed('/nothing')).status, 404);
  assert.equal((await signed(fhir('/Patient%2F1'))).status, 404);
  for (const path of ['/../../x/r4/metadata', '/%2e%2e/metadata', '/%zz'])
    assert.equal((await raw(fhir(path))).status, 400, path);
  const answer = await signed('/');
  assert.equal(answer.status, 400);
  assert.equal(answer.headers['x-amzn-errortype'], 'UnknownOperationException');
});

test('refusals of the HTTP layer have a body and a request id too', async () => {
  const { hostname, port } = new URL(store.origin);
  const text = await new Promise((done, fail) => {
    const socket = net.connect(port, hostname, () => socket.write('NONSENSE\r\n\r\n'));
    let all = '';
    socket.setEncoding('utf8').on('data', (d) => (all += d));
    socket.on('end', () => done(all)).on('error', fail);
  });
  assert.match(text, /^HTTP\/1\.1 400 /);
  assert.match(text, /x-amzn-requestid: /i);
  assert.equal(JSON.parse(text.split('\r\n\r\n')[1]).resourceType, 'OperationOutcome');
});

test('a presigned URL works with fetch for as long as it says', async () => {
  const url = (path, ...more) => run(['presign', ...more, store.endpoint + path], { env: aws });
  const metadata = await url('/metadata');
  assert.equal(metadata.status, 0, metadata.stderr);
  assert.equal((await fetch(metadata.stdout.trim())).status, 200);
  assert.equal((await fetch(metadata.stdout.trim() + '1')).status, 403);
  assert.equal((await fetch(metadata.stdout.trim(), { method: 'DELETE' })).status, 403);
  const search = await url('/Patient?_tag=https://example.org/a b|c&_count=1');
  assert.equal((await fetch(search.stdout.trim())).status, 200);
  assert.equal((await url('/metadata', '--expires', '604801')).status, 2);
  assert.equal((await url('/metadata', '--expires', '0')).status, 2);
});

test('requests signed by botocore are accepted', async (t) => {
  const python = spawnSync('python3', [join(here, 'botocore_sign.py'), store.endpoint],
    { env: { ...process.env, ...aws }, encoding: 'utf8' });
  if (python.error || python.status === 3) return t.skip('python3 with botocore is not there');
  assert.equal(python.status, 0, python.stderr);
  for (const line of python.stdout.trim().split('\n')) {
    const r = JSON.parse(line);
    const target = r.url.slice(store.origin.length);
    const answer = await raw(target, { method: r.method, headers: r.headers, body: r.body ?? undefined });
    assert.ok([200, 201].includes(answer.status), `${r.name}: ${answer.status} ${answer.text}`);
  }
});

test('a data folder serves one server, keeps its id and its private root key', async () => {
  const data = join(place.folder, 'second');
  const none = { TARN_ROOT_ACCESS_KEY_ID: '', TARN_ROOT_SECRET_ACCESS_KEY: '' };
  const first = await serve(data, [], none);
  assert.match(first.id, /^[0-9a-f]{32}$/);
  assert.ok(first.lines.some((l) => l.includes(join(data, 'root-key'))));
  assert.equal(statSync(join(data, 'root-key')).mode & 0o777, 0o600);
  const rival = await run(['serve', '--data', data, '--listen', '127.0.0.1:0']);
  assert.equal(rival.status, 1);
  assert.match(rival.stderr, /another tarn server/);
  const presigned = await run(['presign', '--data', data, first.endpoint + '/metadata'], { env: none });
  assert.equal((await fetch(presigned.stdout.trim())).status, 200);
  assert.deepEqual(await first.stop(), { status: 0, signal: null });

  const key = readFileSync(join(data, 'root-key'), 'utf8');
  const again = await serve(data, [], none);
  assert.equal(again.id, first.id);
  assert.ok(!again.lines.some((l) => l.includes('root-key')));
  assert.equal(readFileSync(join(data, 'root-key'), 'utf8'), key);
  assert.deepEqual(await again.stop(), { status: 0, signal: null });
  const other = await run(['serve', '--data', data, '--datastore-id', 'A'.repeat(32)]);
  assert.equal(other.status, 1);
  assert.match(other.stderr, new RegExp(first.id));
});

test('SIGTERM lets a request in flight finish', async () => {
  const server = await serve(join(place.folder, 'third'), ['--no-auth']);
  const { hostname, port } = new URL(server.origin);
  const body = JSON.stringify({ resourceType: 'Patient' });
  const status = await new Promise((done, fail) => {
    const request = http.request({ hostname, port, method: 'POST', path: new URL(server.endpoint).pathname + '/Patient',
      headers: { 'content-type': 'application/fhir+json', 'content-length': body.length } },
    (answer) => answer.resume().on('end', () => done(answer.statusCode)));
    request.on('error', fail);
    request.write(body.slice(0, 5));
    setTimeout(() => server.child.kill('SIGTERM'), 200);
    setTimeout(() => request.end(body.slice(5)), 500);
  });
  assert.equal(status, 201);
  assert.deepEqual(await server.ended, { status: 0, signal: null });
});

test('without credentials only loopback is served, and no web page', async () => {
  const open = await run(['serve', '--data', join(place.folder, 'open'), '--listen', '0.0.0.0:0', '--no-auth']);
  assert.equal(open.status, 1);
  assert.match(open.stderr, /loopback/);
  const server = await serve(join(place.folder, 'fourth'), ['--no-auth']);
  assert.equal((await fetch(server.endpoint + '/metadata')).status, 200);
  assert.equal((await fetch(server.endpoint + '/metadata', { headers: { origin: 'https://evil.example' } })).status, 403);
  await server.stop();
});

test('wrong use is told and ends with status 2', async () => {
  for (const args of [['serve'], ['serve', '--data', 'x', '--listen', 'nowhere'], ['serve', '--data', 'x', '--behave', 'badly'],
    ['presign'], ['presign', 'ftp://x'], ['nothing']])
    assert.equal((await run(args)).status, 2, args.join(' '));
  assert.equal((await run(['serve', '--help'])).status, 0);
});
