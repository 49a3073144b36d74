// access-log.test.mjs - a line for each request, and nothing of anyone's health in it.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { scratch, serve } from './lib.mjs';

const json = { 'content-type': 'application/fhir+json' };
let place;
before(() => { place = scratch(); });
after(() => place?.remove());

const lines = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test('each request is a line with who, what, where and how it ended', async () => {
  const file = join(place.folder, 'access.log');
  const store = await serve(join(place.folder, 'data'), ['--no-auth', '--access-log', file]);
  const ids = [];
  const ask = async (path, options = {}) => {
    const answer = await fetch(path.startsWith('/') ? store.origin + path : `${store.endpoint}/${path}`, options);
    ids.push(answer.headers.get('x-amzn-requestid'));
    await answer.text();
    return answer.status;
  };
  const body = JSON.stringify({ resourceType: 'Patient', id: 'secret-id', name: [{ family: 'Secretname' }] });
  assert.equal(await ask('Patient/secret-id', { method: 'PUT', headers: json, body }), 201);
  assert.equal(await ask('Patient/secret-id'), 200);
  assert.equal(await ask('Patient?family=Secretname'), 200);
  assert.equal(await ask('Patient/_search', { method: 'POST', body: new URLSearchParams({ family: 'Secretname' }) }), 200);
  assert.equal(await ask('Secretname/secret-id'), 404);
  assert.equal(await ask('/secret-id/../Secretname'), 404);
  assert.equal(await ask('/healthz'), 200);
  assert.equal(await ask('/', { method: 'POST', body: '{}', headers: {
    'content-type': 'application/x-amz-json-1.0', 'x-amz-target': 'HealthLake.ListFHIRDatastores' } }), 200);
  assert.equal(await ask('Patient/%zz'), 400);
  await pause(300);
  const seen = lines(file);
  assert.deepEqual(seen.map((l) => l.id), ids);
  assert.deepEqual(seen.map((l) => [l.action, l.type, l.status, l.caller]), [
    ['update', 'Patient', 201, 'local'], ['read', 'Patient', 200, 'local'], ['search', 'Patient', 200, 'local'],
    ['search-form', 'Patient', 200, 'local'], ['other', undefined, 404, 'local'], ['other', undefined, 404, 'local'],
    ['health', undefined, 200, '-'], ['ListFHIRDatastores', undefined, 200, 'local'], ['other', undefined, 400, '-']]);
  for (const l of seen) {
    assert.match(l.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(l.in > 0 && l.out > 0 && l.us >= 0 && l.whole === true, JSON.stringify(l));
  }
  assert.equal(seen[0].store, store.id);
  assert.doesNotMatch(readFileSync(file, 'utf8'), /secret/i);
  // rotation: whoever moves the file need not tell the server
  renameSync(file, `${file}.1`);
  await ask('Patient/secret-id');
  await pause(300);
  assert.equal(lines(file).length, 1);
  assert.equal(lines(`${file}.1`).length, ids.length - 1);
  // what is asked last is written before the server ends
  await ask('Patient/secret-id');
  assert.equal((await store.stop()).status, 0);
  assert.equal(lines(file).length, 2);
});

test('callers are keys once their signature was found good; - is standard output', async () => {
  const store = await serve(join(place.folder, 'signed'), ['--access-log', '-']);
  await (await fetch(`${store.endpoint}/Patient/a`)).text();
  await (await fetch(`${store.endpoint}/Patient/a`, { headers: { authorization:
    'AWS4-HMAC-SHA256 Credential=AKIDTARNE2ETESTS/20260101/us-east-1/healthlake/aws4_request, SignedHeaders=host, Signature=00',
    'x-amz-date': '20260101T000000Z' } })).text();
  await pause(300);
  await store.stop();
  const seen = store.lines.filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));
  assert.deepEqual(seen.map((l) => [l.status, l.caller]), [[401, '-'], [403, '-']]);
});

test('a file that cannot be opened is told at the start', async () => {
  await assert.rejects(serve(join(place.folder, 'none'), ['--no-auth', '--access-log',
    join(place.folder, 'no/such/folder/log')]), /--access-log: cannot open/);
  assert.ok(!existsSync(join(place.folder, 'no')));
});
