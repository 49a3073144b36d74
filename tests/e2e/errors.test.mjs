// errors.test.mjs - the table of errors (src/base/err.h), row by row, over HTTP.
//
// A folder of tests/golden/errors is a case: case.json says what is sent to what
// kind of server, answer.txt is the whole answer, with what differs from run to run
// replaced. TARN_GOLDEN=write makes the answers anew, to be read before they are kept.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { keys, root, run, scratch, serve } from './lib.mjs';

const folder = join(root, 'tests/golden/errors');
const id = 'a'.repeat(32);
let place;
const servers = new Map();

before(() => { place = scratch(); });
after(async () => {
  for (const server of servers.values()) await server.then((s) => s.stop(), () => {});
  place?.remove();
});

/** One server for each set of arguments; `env` may preload the shim that fails calls. */
function server(c) {
  const key = JSON.stringify([c.server ?? ['--no-auth'], c.env ?? {}, c.alone ?? 0]);
  if (!servers.has(key)) {
    const env = { ...c.env }, data = join(place.folder, `data${servers.size}`);
    if (env.LD_PRELOAD) {
      env.LD_PRELOAD = join(root, env.LD_PRELOAD);
      env.TARN_SHIM_ROOT = data;
      env.TARN_SHIM_JOURNAL = mkdtempSync(join(place.folder, 'journal'));
    }
    servers.set(key, serve(data, ['--datastore-id', id, ...(c.server ?? ['--no-auth'])], env)
      .then((s) => ({ ...s, data })));
  }
  return servers.get(key);
}

const hex = (key, text) => createHmac('sha256', key).update(text).digest();

/** The Authorization header of a request, signed as its `sign` says. */
function signature(r, path, headers, body) {
  const now = new Date(Date.now() - 1000 * (r.sign.age ?? 0));
  const date = now.toISOString().replace(/[-:]|\.\d+/g, ''), day = date.slice(0, 8);
  const { accessKeyId = keys.accessKeyId, secretAccessKey = keys.secretAccessKey, token } = r.sign;
  headers['x-amz-date'] = date;
  if (token) headers['x-amz-security-token'] = token;
  const names = Object.keys(headers).map((n) => n.toLowerCase()).sort();
  const value = (n) => headers[Object.keys(headers).find((h) => h.toLowerCase() === n)];
  const hash = createHash('sha256').update(body).digest('hex');
  const canonical = [r.method ?? 'GET', path, '', ...names.map((n) => `${n}:${value(n)}`), '',
    names.join(';'), hash].join('\n');
  const scope = `${day}/us-east-1/healthlake/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope,
    createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = scope.split('/').reduce(hex, `AWS4${secretAccessKey}`);
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, ` +
    `SignedHeaders=${names.join(';')}, Signature=${hex(key, text).toString('hex')}`;
}

/** The bytes of a request. */
function bytes(r, host) {
  if (r.raw)
    return Buffer.from(r.raw.replaceAll('{host}', host)
      .replace(/\{x:(\d+)\}/g, (_, n) => 'x'.repeat(Number(n))), 'latin1');
  const path = (r.path ?? '/').startsWith('/') ? r.path ?? '/' : `/datastore/${id}/r4/${r.path}`;
  let body = r.body === undefined ? '' : typeof r.body === 'string' ? r.body : JSON.stringify(r.body);
  if (r.noise) body = body.replace('NOISE', Array.from({ length: r.noise }, (_, i) =>
    createHash('sha256').update(`${i}`).digest('hex')).join('')); // what does not compress
  if (r.bodyBytes) body = 'x'.repeat(r.bodyBytes);
  const headers = { host, ...r.headers };
  if (body && !headers['content-type']) headers['content-type'] = 'application/fhir+json';
  if (r.sign) signature(r, path, headers, body);
  if (body || r.length) headers['content-length'] = r.length ?? Buffer.byteLength(body);
  return Buffer.from([`${r.method ?? 'GET'} ${path} HTTP/1.1`,
    ...Object.entries(headers).map(([n, v]) => `${n}: ${v}`), 'connection: close', '', body].join('\r\n'));
}

/** Send, and resolve to all that comes until the server closes. */
function exchange(origin, data) {
  const { hostname, port } = new URL(origin);
  return new Promise((done, fail) => {
    const socket = createConnection({ host: hostname, port });
    const parts = [];
    socket.on('data', (d) => parts.push(d));
    socket.on('error', (e) => (parts.length ? done(Buffer.concat(parts).toString()) : fail(e)));
    socket.on('close', () => done(Buffer.concat(parts).toString()));
    socket.setTimeout(20000, () => socket.destroy(new Error('no answer in 20 s')));
    socket.write(data);
  });
}

/** Send the head alone, and keep the server waiting. */
function hold(origin, data) {
  const { hostname, port } = new URL(origin);
  const socket = createConnection({ host: hostname, port });
  socket.on('error', () => {});
  return new Promise((done) => socket.write(data, () => setTimeout(() => done(socket), 200)));
}

/** Credentials of a session of a new user's that is over, in the server's own file. */
async function session(s, { user }) {
  for (const verb of [['user', 'create', user], ['session', 'create', user, '--duration', '60']]) {
    const made = await run(['iam', ...verb, '--data', s.data]);
    assert.equal(made.status, 0, made.stderr);
    var text = made.stdout;
  }
  const file = join(s.data, 'iam.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"expires":"\d{4}/, '"expires":"2020'));
  await new Promise((done) => setTimeout(done, 1500)); // the server looks once a second
  const field = (name) => new RegExp(`${name} = (\\S+)`).exec(text)[1];
  return { accessKeyId: field('aws_access_key_id'), secretAccessKey: field('aws_secret_access_key'),
    token: field('aws_session_token') };
}

/** The server again, after its files were broken while it did not run. */
async function broken(s, c) {
  let second;
  if (c.break === 'folder') {
    const made = await fetch(s.origin, { method: 'POST', body: '{"DatastoreTypeVersion":"R4"}',
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'HealthLake.CreateFHIRDatastore' } });
    second = (await made.json()).DatastoreId;
    await fetch(`${s.origin}/datastore/${second}/r4/Patient/p`);
    c.request.path = c.request.path.replace('{second}', second);
  }
  await s.stop();
  const truth = join(s.data, 'datastores', second ?? id, 'truth');
  if (second) {
    rmSync(truth, { recursive: true });
    writeFileSync(truth, 'no folder');
  } else {
    const tables = readdirSync(truth).filter((n) => n.endsWith('.sst')).map((n) => join(truth, n))
      .sort((x, y) => statSync(y).size - statSync(x).size);
    const bytes = readFileSync(tables[0]);
    for (let i = 30; i < 46; i++) bytes[i] ^= 0x55; // in the first block of the bodies
    writeFileSync(tables[0], bytes);
  }
  const again = serve(s.data, ['--datastore-id', id, ...(c.server ?? ['--no-auth'])]);
  servers.set(c.break, again);
  return { ...await again, data: s.data };
}

/** Let the server take no more than so much memory on top of what it has. */
function bound(s, megabytes) {
  const pages = Number(readFileSync(`/proc/${s.child.pid}/statm`, 'utf8').split(' ')[0]);
  execFileSync('prlimit', ['--pid', s.child.pid, `--as=${pages * 4096 + megabytes * 2 ** 20}`]);
}

const second = (c) => /datastore\/(\w+)/.exec(c.request.path ?? '')?.[1] ?? '{second}';

/** Headers sorted, the body's JSON laid out, and a word for all that changes. */
function normal(answer, origin, c) {
  const [head, body] = [answer.slice(0, answer.indexOf('\r\n\r\n')), answer.slice(answer.indexOf('\r\n\r\n') + 4)];
  const [status, ...lines] = head.split('\r\n');
  const request = /^x-amzn-requestid: (\S+)$/im.exec(head)?.[1];
  assert.match(request ?? '', /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    `a request id in ${head}`);
  const headers = lines.filter((l) => !/^(date|content-length):/i.test(l)).sort();
  let text = body;
  try { text = JSON.stringify(JSON.parse(body), null, 2); } catch { /* as it stands */ }
  return `${status}\n${headers.join('\n')}\n\n${text}\n`
    .replaceAll(request, '{request-id}').replaceAll(new URL(origin).host, '{host}')
    .replace(/\d{8}T\d{6}Z/g, '{date}')
    .replace(/(Basic\/)[0-9a-f-]{36}/g, '$1{id}')
    .replace(/\d{4}-\d\d-\d\dT[0-9:.]+Z/g, '{instant}').replace(/"\d{8}\//g, '"{day}/')
    .replaceAll(place.folder, '{folder}').replaceAll(second(c), '{second}');
}

/** The rows of the table, out of the program itself. */
async function rows() {
  const { stdout, status } = await run(['errors', '--json']);
  assert.equal(status, 0);
  return JSON.parse(stdout);
}

// Rows that no answer of the server can have: `tarn sync` has the first two, a broken
// promise between functions the third. An index being built is ready before a case could ask.
const inside = ['NETWORK', 'TIMEOUT', 'INTERNAL', 'NOT_READY'];

test('every row of the table has a case, or is one that no request can meet', async () => {
  const shown = new Set(readdirSync(folder).map((n) => n.replace(/-.*/, '')));
  for (const { name } of await rows())
    assert.equal(shown.has(name), !inside.includes(name), `a case folder for ${name}`);
});

test('docs/errors.md holds the table', async () => {
  const { stdout } = await run(['errors', '--markdown']);
  assert.ok(readFileSync(join(root, 'docs/errors.md'), 'utf8').includes(stdout));
});

for (const name of readdirSync(folder).sort()) {
  const c = JSON.parse(readFileSync(join(folder, name, 'case.json')));
  test(`${name}: ${c.about}`, { skip: c.needs && !existsSync(join(root, c.needs)) }, async () => {
    const row = (await rows()).find((r) => r.name === name.replace(/-.*/, ''));
    let s = await server(c);
    for (const r of c.before ?? []) await exchange(s.origin, bytes(r, new URL(s.origin).host));
    if (c.break) s = await broken(s, c);
    if (c.session) Object.assign(c.request.sign, await session(s, c.session));
    if (c.memoryMegabytes) bound(s, c.memoryMegabytes);
    const held = c.hold && await hold(s.origin, bytes(c.hold, new URL(s.origin).host));
    let answer;
    for (let i = 0; i < (c.until ? 200 : 1) && !answer?.startsWith(`HTTP/1.1 ${c.until}`); i++)
      answer = await exchange(s.origin, bytes(c.request, new URL(s.origin).host));
    const got = normal(answer, s.origin, c);
    held?.destroy();
    const file = join(folder, name, 'answer.txt');
    if (process.env.TARN_GOLDEN === 'write') writeFileSync(file, got);
    assert.equal(got, readFileSync(file, 'utf8'));
    // what the row says, also when an answer was written anew
    const isService = got.includes('\n{\n  "__type"');
    const status = isService ? row.service.status : row.status;
    assert.equal(Number(got.split(' ')[1]), status);
    assert.match(got, new RegExp(`^x-amzn-ErrorType: ${row.service.type}$`, 'm'));
    if (row.details && got.includes(`"code": "${row.code}"`)) assert.ok(got.includes(row.details));
    // nothing of the inside
    assert.doesNotMatch(got, /src\/|\.c:\d|0x[0-9a-f]{6}|\/tmp\/|rocksdb|errno|\.sst/i);
  });
}
