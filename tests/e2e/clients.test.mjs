// clients.test.mjs - clients that others wrote do what they offer, with and without
// signatures: fhir-kit-client, fhirclient, @medplum/core, fhir.js and curl.
//
// Each is taught one set of calls; what it cannot do itself is left out by name. With
// credentials the requests are signed by the client's own hook for it (fhir-kit-client's
// requestSigner, @medplum/core's fetch), by a fetch of ours that signs (fhirclient), by a
// proxy that signs (fhir.js has no hook), by curl itself (--aws-sigv4).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { join } from 'node:path';
import { MedplumClient } from '@medplum/core';
import { keys, scratch, serve } from './lib.mjs';

const require = createRequire(import.meta.url);
const FhirKitClient = require('fhir-kit-client');
const fhirjs = require('fhir.js');
const SmartClient = require('fhirclient/lib/FhirClient.js').default;

const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The headers that sign a request, AWS Signature Version 4. */
function signature(method, url, body = '') {
  const u = new URL(url), date = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const query = [...u.searchParams].map(([n, v]) => `${encode(n)}=${encode(v)}`).sort().join('&');
  const path = u.pathname.split('/').map((s) => encode(s)).join('/');
  const hash = sha256(body);
  const canonical = [method, path, query, `host:${u.host}`, `x-amz-content-sha256:${hash}`,
    `x-amz-date:${date}`, '', 'host;x-amz-content-sha256;x-amz-date', hash].join('\n');
  const scope = `${date.slice(0, 8)}/us-east-1/healthlake/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = scope.split('/').reduce(hmac, `AWS4${keys.secretAccessKey}`);
  return { 'x-amz-date': date, 'x-amz-content-sha256': hash,
    authorization: `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, ` +
      `SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${hmac(key, text).toString('hex')}` };
}

async function signingFetch(url, options = {}) {
  const headers = new Headers(options.headers);
  for (const [n, v] of Object.entries(signature(options.method ?? 'GET', String(url), options.body)))
    headers.set(n, v);
  return fetch(url, { ...options, headers });
}

/** A server that passes requests on, signed when `signs`. */
function proxy(origin, signs) {
  const server = createServer((r, w) => {
    const parts = [];
    r.on('data', (d) => parts.push(d));
    r.on('end', () => {
      const body = Buffer.concat(parts), url = origin + r.url;
      const headers = { ...r.headers, host: new URL(origin).host, connection: 'close' };
      delete headers.authorization;
      delete headers['transfer-encoding'];
      if (body.length) headers['content-length'] = body.length;
      if (signs) Object.assign(headers, signature(r.method, url, body));
      const onward = httpRequest(url, { method: r.method, headers }, (answer) => {
        w.writeHead(answer.statusCode, answer.headers);
        answer.pipe(w);
      });
      onward.end(body);
    });
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () =>
    done({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() })));
}

const refused = (status, body) => Object.assign(new Error(String(status)), { refusedWith: status, body });
/** Whatever a client throws for an answer that is no success, as its status and body. */
async function failing(what) {
  try {
    await what();
  } catch (e) {
    if (e.refusedWith) return { status: e.refusedWith, body: e.body };
    if (e.response?.status) return { status: e.response.status, body: e.response.data };      // fhir-kit-client
    if (e.outcome) return { status: undefined, body: e.outcome };                             // @medplum/core
    if (e.statusCode ?? e.status) return { status: e.statusCode ?? e.status, body: e.body ?? e.data }; // others
    throw e;
  }
  assert.fail('a success, where a refusal was due');
}

/** curl, as a client of its own. */
function curl(endpoint, signs) {
  const ask = (method, path, body, type = 'application/fhir+json') => new Promise((done, fail) => {
    const args = ['-sS', '-X', method, '-w', '\n%{http_code}', `${endpoint}/${path}`];
    if (body !== undefined) args.push('-H', `content-type: ${type}`, '-d', typeof body === 'string' ? body : JSON.stringify(body));
    if (signs) args.push('--aws-sigv4', 'aws:amz:us-east-1:healthlake', '--user', `${keys.accessKeyId}:${keys.secretAccessKey}`);
    execFile('curl', args, (err, stdout) => {
      if (err) return fail(err);
      const at = stdout.lastIndexOf('\n'), status = Number(stdout.slice(at + 1));
      const answer = at > 0 ? JSON.parse(stdout.slice(0, at)) : undefined;
      return status < 300 ? done(answer) : fail(Object.assign(refused(status, answer), { message: `${status} ${method} ${path}` }));
    });
  });
  return {
    metadata: () => ask('GET', 'metadata'),
    create: (r) => ask('POST', r.resourceType, r),
    read: (t, id) => ask('GET', `${t}/${id}`),
    vread: (t, id, v) => ask('GET', `${t}/${id}/_history/${v}`),
    update: (r) => ask('PUT', `${r.resourceType}/${r.id}`, r),
    patch: (t, id, p) => ask('PATCH', `${t}/${id}`, p, 'application/json-patch+json'),
    remove: (t, id) => ask('DELETE', `${t}/${id}`),
    search: (t, p) => ask('GET', `${t}?${new URLSearchParams(p)}`),
    postSearch: (t, p) => ask('POST', `${t}/_search`, String(new URLSearchParams(p)), 'application/x-www-form-urlencoded'),
    history: (t, id) => ask('GET', `${t}/${id}/_history`),
    typeHistory: (t) => ask('GET', `${t}/_history`),
    systemHistory: () => ask('GET', '_history'),
    transaction: (b) => ask('POST', '', b),
    // Debian's curl (7.88) signs a '$' in no spelling as AWS wants it
    ...(signs ? {} : { everything: (id) => ask('GET', `Patient/${id}/$everything`) }),
  };
}

function kit(endpoint, signs) {
  const c = new FhirKitClient({ baseUrl: endpoint, requestSigner: signs ? (url, options) => {
    for (const [n, v] of Object.entries(signature(options.method ?? 'GET', url, options.body)))
      options.headers.set ? options.headers.set(n, v) : (options.headers[n] = v);
  } : undefined });
  return {
    metadata: () => c.capabilityStatement(),
    create: (r) => c.create({ resourceType: r.resourceType, body: r }),
    read: (t, id) => c.read({ resourceType: t, id }),
    vread: (t, id, v) => c.vread({ resourceType: t, id, version: v }),
    update: (r) => c.update({ resourceType: r.resourceType, id: r.id, body: r }),
    patch: (t, id, p) => c.patch({ resourceType: t, id, JSONPatch: p }),
    remove: (t, id) => c.delete({ resourceType: t, id }),
    search: (t, p) => c.search({ resourceType: t, searchParams: p }),
    postSearch: (t, p) => c.search({ resourceType: t, searchParams: p, options: { postSearch: true } }),
    next: (bundle) => c.nextPage({ bundle }),
    history: (t, id) => c.history({ resourceType: t, id }),
    typeHistory: (t) => c.history({ resourceType: t }),
    systemHistory: () => c.history(),
    transaction: (b) => c.transaction({ body: b }),
    everything: (id) => c.operation({ name: '$everything', resourceType: 'Patient', id, method: 'GET' }),
  };
}

function medplum(endpoint, signs) {
  const u = new URL(endpoint);
  const c = new MedplumClient({ baseUrl: `${u.origin}/`, fhirUrlPath: u.pathname.slice(1), cacheTime: 0,
    autoBatchTime: 0, fetch: signs ? signingFetch : fetch });
  return {
    metadata: () => c.get(c.fhirUrl('metadata')),
    create: (r) => c.createResource(r),
    read: (t, id) => c.readResource(t, id, { cache: 'reload' }),
    vread: (t, id, v) => c.readVersion(t, id, v),
    update: (r) => c.updateResource(r),
    patch: (t, id, p) => c.patchResource(t, id, p),
    remove: (t, id) => c.deleteResource(t, id),
    search: (t, p) => c.search(t, p, { cache: 'reload' }),
    history: (t, id) => c.readHistory(t, id),
    transaction: (b) => c.executeBatch(b),
    everything: (id) => c.readPatientEverything(id),
    conditionalCreate: (r, q) => c.createResourceIfNoneExist(r, q),
  };
}

function smart(endpoint) {
  const c = new SmartClient(endpoint);
  return {
    metadata: () => c.fhirRequest('metadata'),
    create: (r) => c.create(r),
    read: (t, id) => c.fhirRequest(`${t}/${id}`, { cache: 'reload' }),
    update: (r) => c.update(r),
    patch: (t, id, p) => c.patch(`${t}/${id}`, p),
    remove: (t, id) => c.delete(`${t}/${id}`),
    search: (t, p) => c.fhirRequest(`${t}?${new URLSearchParams(p)}`),
    everything: (id) => c.fhirRequest(`Patient/${id}/$everything`),
  };
}

function fhirJs(endpoint) {
  const c = fhirjs({ baseUrl: endpoint });
  const body = (what) => what.then((a) => a.data, (a) => {
    const answer = a.response ?? a;
    throw refused(answer.status ?? answer.statusCode ?? a.status, answer.data ?? answer.body ?? a.data);
  });
  return {
    metadata: () => body(c.conformance({})),
    create: (r) => body(c.create({ type: r.resourceType, resource: r })),
    read: (t, id) => body(c.read({ type: t, id })),
    vread: (t, id, v) => body(c.vread({ type: t, id, versionId: v })),
    update: (r) => body(c.update({ type: r.resourceType, id: r.id, resource: r })),
    patch: (t, id, p) => body(c.patch({ type: t, id, data: p, headers: { 'Content-Type': 'application/json-patch+json' } })),
    remove: (t, id) => body(c.delete({ type: t, id })),
    search: (t, p) => body(c.search({ type: t, query: p })),
    history: (t, id) => body(c.resourceHistory({ type: t, id })),
    typeHistory: (t) => body(c.typeHistory({ type: t })),
    systemHistory: () => body(c.history({})),
    transaction: (b) => body(c.transaction({ bundle: b })),
  };
}

/** Every call that the client has, and every refusal that a call of it can meet. */
async function exercise(c, family) {
  const named = (f, more) => ({ resourceType: 'Patient', name: [{ family: f, given: ['Ada'] }], ...more });
  assert.equal((await c.metadata()).resourceType, 'CapabilityStatement');
  const made = await c.create(named(`${family}Only`));
  assert.match(made.id, /^[0-9a-f-]{36}$/);
  assert.equal(made.meta.versionId, '1');
  assert.deepEqual((await c.read('Patient', made.id)).name, made.name);
  const updated = await c.update({ ...made, active: true });
  assert.equal(updated.meta.versionId, '2');
  if (c.patch) {
    const patched = await c.patch('Patient', made.id, [{ op: 'replace', path: '/active', value: false }]);
    assert.equal(patched.active, false);
    assert.equal(patched.meta.versionId, '3');
    assert.equal((await failing(() => c.patch('Patient', made.id,
      [{ op: 'test', path: '/active', value: true }]))).status ?? 422, 422);
  }
  if (c.vread) assert.equal((await c.vread('Patient', made.id, '1')).active, undefined);
  const found = await c.search('Patient', { _count: '10', _total: 'accurate', family: `${family}Only` });
  assert.equal(found.type, 'searchset');
  assert.equal(found.total, 1);
  assert.equal(found.entry[0].resource.id, made.id);
  if (c.postSearch) assert.equal((await c.postSearch('Patient', { family: `${family}Only` })).entry.length, 1);
  if (c.history) assert.equal((await c.history('Patient', made.id)).entry.length, c.patch ? 3 : 2);
  if (c.typeHistory) assert.ok((await c.typeHistory('Patient')).entry.length >= 3);
  if (c.systemHistory) assert.ok((await c.systemHistory()).entry.length >= 3);
  if (c.conditionalCreate) {
    assert.equal((await c.conditionalCreate(named(`${family}Once`), `family=${family}Once`)).meta.versionId, '1');
    assert.equal((await c.conditionalCreate(named(`${family}Once`), `family=${family}Once`)).meta.versionId, '1');
  }
  if (c.transaction) {
    const entry = [1, 2, 3].map((n) => ({ fullUrl: `urn:uuid:0b9a6c5e-0000-4000-8000-00000000000${n}`,
      resource: named(`${family}Batch`), request: { method: 'POST', url: 'Patient' } }));
    entry.push({ resource: { resourceType: 'Observation', status: 'final', code: { text: 'x' },
      subject: { reference: entry[0].fullUrl } }, request: { method: 'POST', url: 'Observation' } });
    const done = await c.transaction({ resourceType: 'Bundle', type: 'transaction', entry });
    assert.deepEqual(done.entry.map((e) => e.response.status), ['201', '201', '201', '201']);
    const first = done.entry[0].response.location.split('/')[1];
    if (c.everything)
      assert.deepEqual((await c.everything(first)).entry.map((e) => e.resource.resourceType).sort(), ['Observation', 'Patient']);
    if (c.next) {
      const page = await c.search('Patient', { _count: '2', family: `${family}Batch` });
      assert.equal(page.entry.length, 2);
      assert.equal((await c.next(page)).entry.length, 1);
    }
    const bad = await failing(() => c.transaction({ resourceType: 'Bundle', type: 'transaction',
      entry: [{ resource: named('X'), request: { method: 'PUT', url: 'Patient/other' } }] }));
    assert.equal(bad.status ?? 400, 400);
  }
  await c.remove('Patient', made.id);

  const outcomes = [
    [410, 'deleted', () => c.read('Patient', made.id)],
    [404, 'not-found', () => c.read('Patient', 'never-was')],
    [404, 'not-found', () => c.read('Patienten', '1')],
    [400, undefined, () => c.search('Patient', { nonsense: '1' })],
    [400, undefined, () => c.update({ resourceType: 'Patient', id: 'a', name: 'no list' })],
  ];
  for (const [status, code, what] of outcomes) {
    const { status: got, body } = await failing(what);
    assert.equal(got ?? status, status);
    const outcome = typeof body === 'string' ? JSON.parse(body) : body;
    if (outcome?.resourceType) {
      assert.equal(outcome.resourceType, 'OperationOutcome');
      if (code) assert.equal(outcome.issue[0].code, code);
      assert.ok(outcome.issue[0].diagnostics.length > 5);
    }
  }
}

let place, signed, open, proxies;
before(async () => {
  place = scratch();
  signed = await serve(join(place.folder, 'signed'));
  open = await serve(join(place.folder, 'open'), ['--no-auth']);
  proxies = [await proxy(signed.origin, true), await proxy(signed.origin, false)];
});
after(async () => {
  for (const p of proxies ?? []) p.close();
  await signed?.stop();
  await open?.stop();
  place?.remove();
});

const through = (at) => at.url + new URL(signed.endpoint).pathname;
const makers = { 'fhir-kit-client': kit, '@medplum/core': medplum, curl };

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: every call, without credentials asked for`, () => exercise(make(open.endpoint, false), `Open${make.name}`));
  test(`${name}: every call, signed`, () => exercise(make(signed.endpoint, true), `Signed${make.name}`));
  test(`${name}: unsigned where a signature is asked for is refused`, async () => {
    const { status } = await failing(() => make(signed.endpoint, false).read('Patient', '1'));
    assert.equal(status ?? 401, 401);
  });
}

for (const [name, make] of Object.entries({ fhirclient: smart, 'fhir.js': fhirJs })) {
  test(`${name}: every call, without credentials asked for`, () => exercise(make(open.endpoint), `Open${make.name}`));
  test(`${name}: every call, signed on its way`, () => exercise(make(through(proxies[0])), `Signed${make.name}`));
  test(`${name}: unsigned where a signature is asked for is refused`, async () => {
    const { status } = await failing(() => make(through(proxies[1])).read('Patient', '1'));
    assert.equal(status, 401);
  });
}
