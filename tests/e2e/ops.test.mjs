// ops.test.mjs - what whoever runs a store needs: `tarn check`.
import assert from 'node:assert/strict';
import { closeSync, cpSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, scratch, serve } from './lib.mjs';

const id = 'a'.repeat(32);
let place;

before(() => { place = scratch(); });
after(() => place?.remove());

/** A stopped store with patients of that family name. */
async function filled(name, family) {
  const data = join(place.folder, name);
  const store = await serve(data, ['--no-auth', '--datastore-id', id]);
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

/** Turn some bytes of the middle of the largest table file. */
function damage(folder) {
  const files = readdirSync(folder).filter((f) => f.endsWith('.sst')).map((f) => join(folder, f))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  assert.ok(files.length, `no table in ${folder}`);
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
    assert.match(sound.stdout, /: 50 resources, 51 documents, 0 disagreements/);
  }
  const json = await run(['check', '--data', data, '--json', '--datastore-id', id]);
  assert.deepEqual(JSON.parse(json.stdout),
    { disagreements: [], datastore: id, resources: 50, documents: 51, finished: true });
});

test('check names what an index of other bodies disagrees about, and a rebuild repairs it', async () => {
  const one = await filled('one', 'A'), two = await filled('two', 'B');
  await one.store.stop();
  await two.store.stop();
  rmSync(join(one.folder, 'index'), { recursive: true });
  cpSync(join(two.folder, 'index'), join(one.folder, 'index'), { recursive: true });
  const found = await run(['check', '--data', one.data]);
  assert.equal(found.status, 1);
  assert.match(found.stdout, /^Patient\/p7 the index differs from the terms of a body$/m);
  assert.match(found.stdout, /50 disagreements/);
  const json = JSON.parse((await run(['check', '--data', one.data, '--json'])).stdout);
  assert.equal(json.disagreements.length, 50);
  assert.deepEqual(Object.keys(json.disagreements[0]), ['type', 'id', 'what']);
  // what docs/serve.md says to do
  rmSync(join(one.folder, 'index'), { recursive: true });
  assert.equal((await run(['check', '--data', one.data])).status, 0);
});

test('check reports damaged blocks of the index and of the truth', async () => {
  const { data, folder, store } = await filled('damaged', 'A');
  await store.stop();
  damage(join(folder, 'index'));
  const index = await run(['check', '--data', data]);
  assert.equal(index.status, 1);
  assert.match(index.stdout + index.stderr, /the index (has a damaged block|is damaged)/);
  rmSync(join(folder, 'index'), { recursive: true });
  damage(join(folder, 'truth'));
  const truth = await run(['check', '--data', data, '--json']);
  assert.equal(truth.status, 1, truth.stdout + truth.stderr);
  JSON.parse(truth.stdout);
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
