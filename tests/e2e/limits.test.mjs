// limits.test.mjs - the table of limits: printed, documented, told in metadata, and met.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, run, scratch, serve } from './lib.mjs';

let place, count = 0;
const running = [];
before(() => { place = scratch(); });
after(async () => {
  for (const store of running) await store.stop();
  place?.remove();
});

async function started(...args) {
  const store = await serve(join(place.folder, `data${count++}`), ['--no-auth', ...args]);
  running.push(store);
  return store;
}

const json = { 'content-type': 'application/fhir+json' };
const patient = { resourceType: 'Patient', name: [{ family: 'A' }] };

/** Ask `n` times at once, and count the statuses. */
async function ask(n, what) {
  const answers = await Promise.all(Array.from({ length: n }, what));
  const statuses = {};
  for (const a of answers) statuses[a.status] = (statuses[a.status] ?? 0) + 1;
  return { answers, statuses, refused: answers.find((a) => a.status === 429) };
}

test('docs/limits.md holds the table', async () => {
  const { stdout } = await run(['limits', '--markdown']);
  assert.ok(readFileSync(join(root, 'docs/limits.md'), 'utf8').includes(stdout));
});

test('metadata tells the limits in force, which are those that tarn limits prints', async () => {
  for (const args of [[], ['--behave', 'healthlake'], ['--behave', 'healthlake', '--rates', 'none',
    '--limit', 'page-size=7', '--limit', 'datastores=3']]) {
    const store = await started(...args);
    const { stdout } = await run(['limits', '--json', ...args]);
    const rows = JSON.parse(stdout);
    const told = (await (await fetch(`${store.endpoint}/metadata`)).json()).extension
      .find((e) => e.url === 'urn:tarn:limits').extension;
    assert.deepEqual(told.map((e) => [e.url, e.valueDecimal]), rows.map((r) => [r.name, r.value]));
  }
});

test('wrong names and numbers of limits are wrong use', async () => {
  for (const args of [['--rates', 'often'], ['--limit', 'json-depth=3'], ['--limit', 'page-size=0'],
    ['--limit', 'page-size']]) {
    for (const verb of [['serve', '--data', join(place.folder, 'none')], ['limits']])
      assert.equal((await run([...verb, ...args])).status, 2, args.join(' '));
  }
});

test('a passed rate is a 429 with HealthLake\'s words, a type and Retry-After', async () => {
  const store = await started('--rates', 'search-get=5,read=3,capabilities-account=2');
  const put = await fetch(`${store.endpoint}/Patient/p`,
    { method: 'PUT', headers: json, body: JSON.stringify({ ...patient, id: 'p' }) });
  assert.equal(put.status, 201);
  const searches = await ask(20, () => fetch(`${store.endpoint}/Patient?family=A`));
  assert.ok(searches.statuses[200] >= 5 && searches.statuses[200] < 12, JSON.stringify(searches.statuses));
  const { refused } = searches;
  assert.equal(refused.headers.get('x-amzn-errortype'), 'ThrottlingException');
  assert.match(refused.headers.get('retry-after'), /^[1-9]\d*$/);
  const outcome = await refused.json();
  assert.equal(outcome.id, refused.headers.get('x-amzn-requestid'));
  assert.deepEqual(outcome.issue, [{ severity: 'error', code: 'throttled',
    details: { text: 'Rate limit exceeded. Please retry after some time.' },
    diagnostics: 'The rate of requests passes the limit rate-search-get (settings: --rates, --behave; ' +
      '`tarn limits` lists all)' }]);
  // each kind has a rate of its own
  assert.ok((await ask(12, () => fetch(`${store.endpoint}/Patient/p`))).statuses[429] > 0);
  assert.ok((await ask(12, () => fetch(`${store.endpoint}/metadata`))).statuses[429] > 0);
  const posts = await ask(20, () => fetch(`${store.endpoint}/Patient/_search`, { method: 'POST' }));
  assert.deepEqual(posts.statuses, { 200: 20 });
  await new Promise((done) => setTimeout(done, 1000 * refused.headers.get('retry-after')));
  assert.equal((await fetch(`${store.endpoint}/Patient?family=A`)).status, 200);
});

test('writes take a unit for each KB, twice as many in a transaction or with strong', async () => {
  const store = await started('--rates', 'write=1');
  const settle = async (send) => {
    const first = await send();
    assert.ok(first.status < 300, await first.clone().text());
    await first.text();
    const next = await fetch(`${store.endpoint}/Patient`, { method: 'POST', headers: json, body: JSON.stringify(patient) });
    assert.equal(next.status, 429);
    const seconds = Number(next.headers.get('retry-after'));
    await new Promise((done) => setTimeout(done, 1000 * seconds + 50));
    return seconds;
  };
  const one = JSON.stringify({ ...patient, name: [{ family: 'x'.repeat(1400) }] }); // 2 units
  const post = (headers) => () => fetch(`${store.endpoint}/Patient`, { method: 'POST', headers: { ...json, ...headers }, body: one });
  assert.equal(await settle(post({})), 2);
  assert.equal(await settle(post({ 'x-amz-fhir-history-consistency-level': 'strong' })), 4);
  const bundle = (type) => () => fetch(store.endpoint, { method: 'POST', headers: json,
    body: JSON.stringify({ resourceType: 'Bundle', type, entry: [1, 2].map(() => (
      { resource: patient, request: { method: 'POST', url: 'Patient' } })) }) });
  assert.equal(await settle(bundle('batch')), 2);
  assert.equal(await settle(bundle('transaction')), 4);
});

test('under --behave healthlake the control plane throttles as the service does', async () => {
  const store = await started('--behave', 'healthlake');
  const call = (operation, body) => fetch(store.origin, { method: 'POST', body: JSON.stringify(body),
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `HealthLake.${operation}` } });
  assert.equal((await call('CreateFHIRDatastore', { DatastoreTypeVersion: 'R4' })).status, 200);
  const again = await call('CreateFHIRDatastore', { DatastoreTypeVersion: 'R4' });
  assert.equal(again.status, 400);
  assert.equal(again.headers.get('x-amzn-errortype'), 'ThrottlingException');
  assert.ok(Number(again.headers.get('retry-after')) > 50);
  assert.equal((await again.json()).__type, 'ThrottlingException');
  const lists = await ask(15, () => call('ListFHIRDatastores', {}));
  assert.ok(lists.statuses[400] > 0 && lists.statuses[200] >= 10, JSON.stringify(lists.statuses));
});
