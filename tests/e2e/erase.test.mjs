// erase.test.mjs - after $purge no file of the data folder holds what was known of a
// patient: kill -9 in between, others untouched.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run, scratch, serve } from './lib.mjs';

const media = { 'content-type': 'application/fhir+json' };
/** What no compressor makes shorter: ids are stored as they are. */
const mark = () => randomBytes(48).toString('base64').replace(/[+/=]/g, '').slice(0, 32);
const running = [];
let place;

before(() => { place = scratch(); });
after(async () => {
  for (const store of running) await store.stop();
  place?.remove();
});

async function started(data) {
  const store = await serve(data, ['--no-auth']);
  running.push(store);
  return store;
}

/** The files below the folder that hold one of the strings: most of it, for sorted
 * keys leave out what they share with the one before. */
function holding(folder, strings) {
  const found = [];
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) found.push(...holding(path, strings));
    else if (strings.some((s) => readFileSync(path).includes(s.slice(6, 26)))) found.push(path);
  }
  return found;
}

/** A patient with observations, each with an id and an identifier of its own. */
function record() {
  const patient = mark(), strings = [patient], entry = [];
  const add = (resource) => {
    resource.identifier = [{ system: 'urn:x', value: mark() }];
    strings.push(resource.id, resource.identifier[0].value);
    entry.push({ resource, request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` } });
  };
  add({ resourceType: 'Patient', id: patient, name: [{ family: 'Fam' }] });
  for (let i = 0; i < 40; i++)
    add({ resourceType: 'Observation', id: mark(), status: 'final', code: { text: `c${i}` },
      subject: { reference: `Patient/${patient}` }, performer: [{ reference: 'Practitioner/doctor' }] });
  return { patient, strings, bundle: { resourceType: 'Bundle', type: 'transaction', entry } };
}

async function post(store, path, body) {
  const answer = await fetch(`${store.endpoint}/${path}`, { method: 'POST', headers: media,
    body: body && JSON.stringify(body) });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
const status = async (store, path) => {
  const answer = await fetch(`${store.endpoint}/${path}`);
  await answer.text();
  return answer.status;
};

async function finished(store, search) {
  for (let i = 0; i < 600; i++) {
    const answer = await fetch(`${store.endpoint}/$erasure${search}`);
    const said = await answer.json();
    if (answer.status === 200) return Object.fromEntries(said.parameter.map((p) => [p.name, p]));
    assert.equal(answer.status, 202);
    await new Promise((r) => setTimeout(r, 50));
  }
  assert.fail('the erasure does not end');
}

for (const kills of [0, 3]) {
  test(`no file holds what was purged${kills ? ', with kill -9 in between' : ''}`, async () => {
    const data = join(place.folder, `data-${kills}`);
    let store = await started(data);
    const doctor = { resourceType: 'Practitioner', id: 'doctor' };
    assert.ok((await fetch(`${store.endpoint}/Practitioner/doctor`, { method: 'PUT', headers: media,
      body: JSON.stringify(doctor) })).ok);
    const records = [record(), record(), record()];
    for (let round = 0; round < 2; round++) // two versions of everything
      for (const { bundle } of records) {
        for (const e of bundle.entry) if (round && e.resource.name) e.resource.name[0].family = 'Other';
        assert.equal((await post(store, '', bundle)).status, 200);
      }
    if (kills) { // what is to go lies in files of every kind
      await store.stop();
      store = await started(data);
    }
    const [one, two, three] = records;
    assert.ok(holding(data, one.strings).length);
    const taken = await post(store, `Patient/${one.patient}/$purge`);
    assert.equal(taken.status, 202, taken.text);
    assert.equal(await status(store, `Patient/${one.patient}`), 404);
    for (let i = 0; i < kills; i++) {
      await new Promise((r) => setTimeout(r, i * 40));
      store.child.kill('SIGKILL');
      await store.ended;
      store = await started(data);
      assert.equal(await status(store, `Patient/${one.patient}`), 404);
    }
    const said = await finished(store, new URL(taken.headers.get('content-location')).search);
    assert.equal(said.resources.valueDecimal, 41);
    assert.deepEqual(holding(data, one.strings), []);
    for (const other of [two, three]) {
      assert.equal(await status(store, `Patient/${other.patient}/$everything`), 200);
      assert.ok(holding(data, other.strings).length);
      for (const e of other.bundle.entry) assert.equal(await status(store, e.request.url), 200);
    }
    assert.equal(await status(store, 'Practitioner/doctor'), 200);
    assert.equal((await fetch(`${store.endpoint}/Observation?_summary=count`).then((r) => r.json())).total, 80);
    await store.stop();
    assert.deepEqual(holding(data, one.strings), []);
    assert.equal((await run(['check', '--data', data])).status, 0);
  });
}
