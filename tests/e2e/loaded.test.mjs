// loaded.test.mjs - code systems of others, loaded: by packages and by writing them to a store.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, scratch, serve } from './lib.mjs';

const SNOMED = 'http://snomed.info/sct';
const system = (content, codes, more = {}) => ({ resourceType: 'CodeSystem', url: SNOMED, status: 'active', content,
  concept: codes.map((code) => ({ code, display: `d${code}` })), ...more });
const seen = () => new Promise((done) => setTimeout(done, 1200)); // packages are looked for once a second

/** A package in a folder. */
function pack(folder, name, resources) {
  const place = join(folder, name, 'package');
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
  resources.forEach((r, i) => writeFileSync(join(place, `r${i}.json`), JSON.stringify(r)));
  return place;
}

const ask = async (method, url, body) => {
  const answer = await fetch(url, { method, headers: { 'content-type': 'application/fhir+json' },
    body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : undefined };
};
const result = (answer) => answer.body.parameter.find((p) => p.name === 'result').valueBoolean;
const message = (answer) => answer.body.parameter.find((p) => p.name === 'message')?.valueString ?? '';
const check = (base, code) => ask('GET',
  `${base}/CodeSystem/$validate-code?url=${encodeURIComponent(SNOMED)}&code=${code}`);

// A value set of the system by hierarchy, and a profile that requires it.
const SET = { resourceType: 'ValueSet', url: 'http://t/set', status: 'active',
  compose: { include: [{ system: SNOMED, filter: [{ property: 'concept', op: 'is-a', value: '1' }] }] } };
const PROFILE = { resourceType: 'StructureDefinition', url: 'http://t/profile', version: '1', type: 'Observation',
  kind: 'resource', abstract: false, name: 'P', status: 'active', derivation: 'constraint',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Observation',
  differential: { element: [{ id: 'Observation.code', path: 'Observation.code',
    binding: { strength: 'required', valueSet: 'http://t/set' } }] } };
const observation = (code) => ({ resourceType: 'Observation', meta: { profile: ['http://t/profile'] },
  status: 'final', code: { coding: [{ system: SNOMED, code }] },
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' } });

test('a system is unknown, then a part, then whole, as packages come', async () => {
  const place = scratch();
  const data = join(place.folder, 'data');
  const server = await serve(data, ['--no-auth']);
  const base = server.endpoint;
  const add = async (name, resources) => {
    const added = await run(['package', 'add', '--data', data, pack(place.folder, name, resources)]);
    assert.equal(added.status, 0, added.stderr);
    await seen();
  };
  try {
    assert.match(message(await check(base, '1')), /not here/);
    // What only says that the codes are elsewhere does not hide them.
    await add('a.stub', [system('not-present', []), SET, PROFILE]);
    assert.match(message(await check(base, '1')), /not here/);
    await add('b.part', [system('fragment', ['1', '2'])]);
    assert.equal(result(await check(base, '1')), true);
    assert.match(message(await check(base, '3')), /only in part/);
    // 2 is not known to be below 1, nor known not to be: it passes.
    for (const code of ['1', '2', '3'])
      assert.equal((await ask('POST', `${base}/Observation`, observation(code))).status, 201, code);
    await add('c.whole', [system('complete', ['1', '2', '3'], { concept: [
      { code: '1', concept: [{ code: '3' }] }, { code: '2' }] })]);
    assert.match(message(await check(base, '4')), /Unknown code/);
    for (const [code, status] of [['1', 201], ['3', 201], ['2', 400], ['4', 400]])
      assert.equal((await ask('POST', `${base}/Observation`, observation(code))).status, status, code);
    assert.equal((await run(['package', 'remove', '--data', data, 'c.whole@1.0.0'])).status, 0);
    await seen();
    assert.equal((await ask('POST', `${base}/Observation`, observation('2'))).status, 201);
  } finally {
    await server.stop();
    place.remove();
  }
});

test('what a store holds counts at once, in it alone, and no more when it is deleted', async () => {
  const place = scratch();
  const data = join(place.folder, 'data');
  const server = await serve(data, ['--no-auth']);
  const base = server.endpoint;
  const control = (operation, body) => fetch(new URL('/', base), { method: 'POST', body: JSON.stringify(body),
    headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `HealthLake.${operation}` } })
    .then((r) => r.json());
  try {
    const made = await control('CreateFHIRDatastore', { DatastoreTypeVersion: 'R4' });
    const other = base.replace(/[0-9a-f]{32}/, made.DatastoreId);
    for (;;) {
      const told = await control('DescribeFHIRDatastore', { DatastoreId: made.DatastoreId });
      if (told.DatastoreProperties.DatastoreStatus === 'ACTIVE') break;
      await new Promise((done) => setTimeout(done, 50));
    }
    // A package counts for both of them.
    await run(['package', 'add', '--data', data, pack(place.folder, 'p', [SET, PROFILE])]);
    await seen();
    for (const [code, status] of [['2', 201]]) {
      assert.equal((await ask('POST', `${base}/Observation`, observation(code))).status, status);
      assert.equal((await ask('POST', `${other}/Observation`, observation(code))).status, status);
    }
    const put = (codes) => ask('PUT', `${base}/CodeSystem/s`, { id: 's', ...system('complete', codes) });
    assert.equal((await put(['1'])).status, 201);
    assert.equal((await ask('POST', `${base}/Observation`, observation('2'))).status, 400);
    assert.equal((await ask('POST', `${other}/Observation`, observation('2'))).status, 201);
    const nested = { id: 's', ...system('complete', [], { concept: [{ code: '1', concept: [{ code: '2' }] }] }) };
    assert.equal((await ask('PUT', `${base}/CodeSystem/s`, nested)).status, 200);
    assert.equal((await ask('POST', `${base}/Observation`, observation('2'))).status, 201);
    assert.equal((await put(['1'])).status, 200);
    assert.equal((await ask('POST', `${base}/Observation`, observation('2'))).status, 400);
    assert.equal((await ask('DELETE', `${base}/CodeSystem/s`)).status, 204);
    assert.equal((await ask('POST', `${base}/Observation`, observation('2'))).status, 201);
    // A profile, too: written, changed, deleted.
    const own = { ...PROFILE, id: 'p', url: 'http://t/own', differential: { element: [
      { id: 'Observation.subject', path: 'Observation.subject', min: 1 }] } };
    const named = { ...observation('1'), meta: { profile: ['http://t/own'] } };
    assert.equal((await ask('POST', `${base}/Observation`, named)).status, 400); // unknown
    assert.equal((await ask('PUT', `${base}/StructureDefinition/p`, own)).status, 201);
    assert.equal((await ask('POST', `${base}/Observation`, named)).status, 400); // without a subject
    own.differential.element[0] = { id: 'Observation.note', path: 'Observation.note', max: '0' };
    assert.equal((await ask('PUT', `${base}/StructureDefinition/p`, own)).status, 200);
    assert.equal((await ask('POST', `${base}/Observation`, named)).status, 201);
    assert.equal((await ask('POST', `${other}/Observation`, named)).status, 400);
    assert.equal((await ask('DELETE', `${base}/StructureDefinition/p`)).status, 204);
    assert.equal((await ask('POST', `${base}/Observation`, named)).status, 400);
  } finally {
    await server.stop();
    place.remove();
  }
});
