// ops.test.mjs - what whoever runs a store needs: `tarn check`, /readyz, /metrics.
import assert from 'node:assert/strict';
import { closeSync, cpSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { keys, run, scratch, serve } from './lib.mjs';

const id = 'a'.repeat(32);
let place;

before(() => { place = scratch(); });
after(async () => {
  for (const store of running) await store.stop(); // those that a failed test left
  place?.remove();
});

const running = [];
async function started(...args) {
  const store = await serve(...args);
  running.push(store);
  return store;
}

/** A stopped store with patients of that family name. */
async function filled(name, family) {
  const data = join(place.folder, name);
  const store = await started(data, ['--no-auth', '--datastore-id', id]);
  const entry = Array.from({ length: 50 }, (_, i) => ({
    resource: { resourceType: 'Patient', id: `p${i}`, name: [{ family: `${family}${i}` }] },
    request: { method: 'PUT', url: `Patient/p${i}` },
  }));
  const answer = await fetch(store.endpoint, {
    method: 'POST', headers: { 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
  });
  assert.equal(answer.status, 200);
  await answer.text();
  assert.equal((await fetch(`${store.endpoint}/Patient/p3`, { method: 'DELETE' })).status, 204);
  return { data, store, folder: join(data, 'datastores', id) };
}

/** Turn some bytes of the middle of the largest file of that kind. */
function damage(folder, kind) {
  const files = readdirSync(folder).filter((f) => f.endsWith(kind)).map((f) => join(folder, f))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  assert.ok(files.length, `no ${kind} in ${folder}`);
  const file = openSync(files[0], 'r+'), piece = Buffer.alloc(16);
  const at = 200;
  readSync(file, piece, 0, piece.length, at);
  writeSync(file, piece.map((b) => b ^ 0x55), 0, piece.length, at);
  closeSync(file);
}

test('check finds nothing in a sound store and refuses one that is served', async () => {
  const { data, store } = await filled('sound', 'A');
  const busy = await run(['check', '--data', data]);
  assert.equal(busy.status, 1);
  assert.match(busy.stderr, /another tarn/);
  await store.stop();
  for (let round = 0; round < 2; round++) { // a check leaves the store as it was
    const sound = await run(['check', '--data', data]);
    assert.equal(sound.status, 0, sound.stdout + sound.stderr);
    assert.match(sound.stdout, /: 50 resources, 51 documents, 0 disagreements, 0 repaired/);
  }
  const json = await run(['check', '--data', data, '--json', '--datastore-id', id]);
  assert.deepEqual(JSON.parse(json.stdout),
    { disagreements: [], datastore: id, resources: 50, documents: 51, findings: 0, repaired: 0,
      finished: true });
});

test('check names what an index of other bodies disagrees about, and a rebuild repairs it', async () => {
  const one = await filled('one', 'A'), two = await filled('two', 'B');
  await one.store.stop();
  await two.store.stop();
  rmSync(join(one.folder, 'index'), { recursive: true });
  cpSync(join(two.folder, 'index'), join(one.folder, 'index'), { recursive: true });
  const found = await run(['check', '--data', one.data]);
  assert.equal(found.status, 1);
  assert.match(found.stdout, /^Patient\/p7 the index lacks a term of the body: Patient\.\S+ \(version 1, document \d+\); check with repair/m);
  assert.match(found.stdout, /^Patient\/p7 the index holds a term that the body does not have: /m);
  const json = JSON.parse((await run(['check', '--data', one.data, '--json'])).stdout);
  assert.equal(new Set(json.disagreements.map((d) => d.id)).size, 50);
  assert.deepEqual(Object.keys(json.disagreements[0]),
    ['type', 'id', 'what', 'parameter', 'version', 'document', 'state', 'remedy']);
  // what docs/serve.md says to do
  const repaired = await run(['check', '--data', one.data, '--repair', '--json']);
  assert.equal(repaired.status, 0, repaired.stdout + repaired.stderr);
  const result = JSON.parse(repaired.stdout);
  assert.ok(result.findings > 0 && result.repaired === result.findings);
  assert.ok(result.disagreements.every((d) => d.state === 'repaired'));
  const again = await run(['check', '--data', one.data]);
  assert.match(again.stdout, / 0 disagreements/);
  // and the other way
  rmSync(join(one.folder, 'index'), { recursive: true });
  assert.equal((await run(['check', '--data', one.data])).status, 0);
});

test('check reports damaged blocks of the index and of the truth', async () => {
  const { data, folder, store } = await filled('damaged', 'A');
  await store.stop();
  damage(join(folder, 'index'), '.seg');
  const index = await run(['check', '--data', data]);
  assert.equal(index.status, 1);
  assert.match(index.stdout + index.stderr, /index is damaged/);
  rmSync(join(folder, 'index'), { recursive: true });
  damage(join(folder, 'truth'), '.sst');
  const truth = await run(['check', '--data', data, '--json']);
  assert.equal(truth.status, 1, truth.stdout + truth.stderr);
  JSON.parse(truth.stdout);
});

test('a served store checks itself, signed, and repairs what is damaged', async () => {
  const { data, store: first, folder } = await filled('served', 'A');
  await first.stop(); // so that there is a file
  const secret = { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey };
  const store = await started(data, ['--datastore-id', id]);
  const stranger = await run(['check', '--url', store.endpoint], { env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' } });
  assert.equal(stranger.status, 1, stranger.stdout + stranger.stderr);
  const sound = await run(['check', '--url', store.endpoint], { env: secret });
  assert.equal(sound.status, 0, sound.stdout + sound.stderr);
  assert.match(sound.stdout, /^completed: 50 resources, 51 documents, 0 disagreements, 0 repaired$/m);
  damage(join(folder, 'index'), '.seg');
  const found = await run(['check', '--url', store.endpoint, '--repair'], { env: secret });
  assert.equal(found.status, 0, found.stdout + found.stderr);
  assert.match(found.stdout, /^-\/- a segment of the index is damaged: \d{12}\.seg, repaired$/m);
  const json = JSON.parse((await run(['check', '--url', store.endpoint, '--json', '--quiet'], { env: secret })).stdout);
  assert.deepEqual(json, { disagreements: [], resources: 50, documents: 51, findings: 0, repaired: 0, finished: true });
  assert.equal((await run(['check', '--url', store.endpoint, '--data', data])).status, 2);
  await store.stop();
});

test('check makes nothing and does not derive an index of other rules', async () => {
  const empty = join(place.folder, 'empty');
  const none = await run(['check', '--data', empty]);
  assert.equal(none.status, 1);
  assert.match(none.stderr, /no store/);
  assert.throws(() => statSync(empty));
  const { data, store } = await filled('rules', 'A');
  await store.stop();
  const other = await run(['check', '--data', data, '--public-url', 'https://elsewhere.example']);
  assert.equal(other.status, 1);
  assert.match(other.stderr, /other rules/);
  assert.equal((await run(['check', '--data', data])).status, 0);
  assert.equal((await run(['check'])).status, 2);
});

/** The text of /metrics as a map from name and labels to the number. */
async function scrape(url) {
  const answer = await fetch(url);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const text = await answer.text(), figures = new Map();
  for (const line of text.split('\n').filter((l) => l && !l.startsWith('#'))) {
    const found = line.match(/^([a-z_]+(?:\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})?) (\d+(?:\.\d+)?)$/);
    assert.ok(found, `not Prometheus text: ${line}`);
    assert.ok(!figures.has(found[1]), `twice: ${line}`);
    figures.set(found[1], Number(found[2]));
  }
  return { text, figures };
}

test('metrics count requests on a listener of their own and name nobody', async () => {
  const store = await started(join(place.folder, 'metrics'), ['--metrics-listen', '127.0.0.1:0', '--no-auth']);
  const url = store.lines.map((l) => l.match(/^metrics on (\S+)$/)).find(Boolean)[1];
  const media = { 'content-type': 'application/fhir+json' };
  const put = await fetch(`${store.endpoint}/Patient/secret-id`, { method: 'PUT', headers: media,
    body: JSON.stringify({ resourceType: 'Patient', id: 'secret-id', name: [{ family: 'Secretname' }] }) });
  assert.equal(put.status, 201);
  await put.text();
  for (let i = 0; i < 5; i++) await (await fetch(`${store.endpoint}/Patient/secret-id`)).text();
  await (await fetch(`${store.endpoint}/Patient?family=Secretname`)).text();
  await (await fetch(`${store.endpoint}/Patient/absent`)).text();
  await (await fetch(`${store.origin}/nowhere`)).text();
  assert.equal((await fetch(`${store.origin}/readyz`)).status, 200);
  assert.equal((await fetch(`${store.origin}/metrics`)).status, 404); // not on the data port
  // A request is counted when its answer has gone out, so the last may come a moment late.
  let { text, figures } = await scrape(url);
  for (let i = 0; i < 50 && figures.get('tarn_requests_total{interaction="other",status="4xx"}') !== 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ({ text, figures } = await scrape(url));
  }
  const is = (name, n) => assert.equal(figures.get(name), n, `${name}\n${text}`);
  is('tarn_requests_total{interaction="read",status="2xx"}', 5);
  is('tarn_requests_total{interaction="read",status="4xx"}', 1);
  is('tarn_requests_total{interaction="update",status="2xx"}', 1);
  is('tarn_requests_total{interaction="search",status="2xx"}', 1);
  is('tarn_requests_total{interaction="health",status="2xx"}', 1);
  is('tarn_requests_total{interaction="other",status="4xx"}', 2);
  is('tarn_request_duration_seconds_count{interaction="read"}', 6);
  is('tarn_request_duration_seconds_bucket{interaction="read",le="+Inf"}', 6);
  is('tarn_store_documents', 1);
  is('tarn_store_writable', 1);
  const id = store.endpoint.split('/datastore/')[1].slice(0, 32);
  assert.ok(figures.get(`tarn_store_file_bytes{datastore="${id}",part="truth"}`) > 0);
  is('tarn_transactions_waiting', 0);
  is('tarn_jobs_waiting', 0);
  for (const what of ['commit', 'sync'])
    assert.ok(figures.get(`tarn_store_${what}_duration_seconds_count`) > 0);
  assert.ok(figures.get('tarn_store_syncs_total') >= 1);
  assert.ok(figures.get('tarn_sent_bytes_total') > 1000);
  assert.ok(figures.get('tarn_received_bytes_total') > 1000);
  assert.ok(figures.get('tarn_connections') >= 1);
  assert.ok(figures.get('process_resident_memory_bytes') > 1e6);
  assert.ok(Math.abs(figures.get('process_start_time_seconds') - Date.now() / 1000) < 60);
  assert.doesNotMatch(text, /[Ss]ecret|absent|nowhere/);
  assert.equal((await fetch(url.replace('/metrics', '/'))).status, 404);
  assert.equal((await store.stop()).status, 0);
});

test('metrics have no listener unless one is asked for, and readyz tells strangers nothing', async () => {
  const store = await started(join(place.folder, 'plain'));
  assert.ok(!store.lines.some((l) => l.startsWith('metrics')));
  const ready = await fetch(`${store.origin}/readyz`);
  assert.deepEqual([ready.status, await ready.text()], [200, '{"ready":true}\n']);
  assert.equal((await fetch(`${store.origin}/metrics`)).status, 401);
  assert.equal((await fetch(`${store.origin}/readyz`, { method: 'POST' })).status, 401);
  await store.stop();
  const wrong = await run(['serve', '--data', join(place.folder, 'x'), '--metrics-listen', 'no port']);
  assert.equal(wrong.status, 2);
});

test('a history horizon lets superseded versions go, in a restarted server too', async () => {
  const data = join(place.folder, 'horizon'), media = { 'content-type': 'application/fhir+json' };
  const keep = ['--no-auth', '--datastore-id', id, '--metrics-listen', '127.0.0.1:0'];
  let store = await started(data, [...keep, '--history-horizon', 'none', '--history-horizon', `${id}=1s`]);
  for (let i = 0; i < 5; i++) {
    const put = await fetch(`${store.endpoint}/Patient/p`, { method: 'PUT', headers: media,
      body: JSON.stringify({ resourceType: 'Patient', id: 'p', name: [{ family: `f${i}` }] }) });
    assert.ok(put.ok);
    await put.text();
  }
  const status = async (path) => {
    const answer = await fetch(`${store.endpoint}/${path}`);
    return [answer.status, await answer.text()];
  };
  let gone;
  for (let i = 0; i < 100 && gone?.[0] !== 410; i++) {
    await new Promise((r) => setTimeout(r, 100));
    gone = await status('Patient/p/_history/4');
  }
  assert.equal(gone[0], 410);
  assert.match(gone[1], /history horizon, 20/);
  assert.equal((await status('Patient/p'))[0], 200);
  const url = store.lines.map((l) => l.match(/^metrics on (\S+)$/)).find(Boolean)[1];
  const { figures } = await scrape(url);
  assert.ok(figures.get('tarn_history_horizon_documents') >= 5);
  assert.ok(figures.get('tarn_history_horizon_timestamp_seconds') > 1.7e9);
  assert.equal(figures.get('tarn_history_deleted_documents_total'), 4);
  await store.stop();
  store = await started(data, keep); // a horizon never falls
  assert.equal((await status('Patient/p/_history/4'))[0], 410);
  await store.stop();
  assert.equal((await run(['check', '--data', data])).status, 0);
  const wrong = await run(['serve', '--data', data, '--history-horizon', '30 days']);
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /--history-horizon: '30 days'/);
});
