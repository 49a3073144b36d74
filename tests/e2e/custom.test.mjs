// custom.test.mjs - search parameters of a data store's own: a user's way from the
// definition to the search, a kill in the middle, the definitions of a guide.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, run, scratch, serve } from './lib.mjs';

const json = { 'content-type': 'application/fhir+json' };
const RACE = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race';

function client(server) {
  const ask = async (method, path, body, headers = {}) => {
    const answer = await fetch(path.startsWith('http') ? path : `${server.endpoint}/${path}`,
      { method, headers: { ...json, ...headers }, body: body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, body: text && JSON.parse(text) };
  };
  const search = async (query) => {
    const ids = [];
    for (let url = `${query}&_count=1000`; url;) {
      const page = await ask('GET', url);
      assert.equal(page.status, 200, JSON.stringify(page.body));
      ids.push(...(page.body.entry ?? []).map((e) => e.resource.id));
      url = page.body.link.find((l) => l.relation === 'next')?.url;
    }
    return ids.sort();
  };
  return { ask, search };
}

const definition = (id, more) => ({ resourceType: 'SearchParameter', id, url: `http://x/${id}`,
  name: 'X', description: 'x', status: 'active', code: id, base: ['Patient'], ...more });
const PATIENTS = 6000;
const patient = (i) => ({ resourceType: 'Patient', id: `p${i}`,
  gender: ['male', 'female', 'other'][i % 3], birthDate: `19${10 + i % 90}-01-0${1 + i % 9}`,
  extension: [{ url: 'http://x/rank', valueInteger: i % 97 }] });

async function load(ask) {
  for (let from = 0; from < PATIENTS; from += 2000) {
    const entry = Array.from({ length: 2000 }, (_, k) => ({ resource: patient(from + k),
      request: { method: 'PUT', url: `Patient/p${from + k}` } }));
    assert.equal((await ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry })).status, 200);
  }
}
const expected = (holds) => Array.from({ length: PATIENTS }, (_, i) => i)
  .filter((i) => holds(patient(i))).map((i) => `p${i}`).sort();

async function ready(ask, url) {
  for (let i = 0; i < 6000; i++) {
    const answer = await ask('GET', url);
    if (answer.status === 200) return answer.body;
    assert.equal(answer.status, 202, JSON.stringify(answer.body));
    assert.match(answer.headers.get('x-progress'), /%/);
    await new Promise((done) => setTimeout(done, 10));
  }
  return assert.fail('not indexed');
}

test('a kill -9 while a definition is being indexed loses nothing and finds nothing in part', async () => {
  const place = scratch();
  const data = join(place.folder, 'data');
  let server = await serve(data, ['--no-auth']);
  try {
    let { ask, search } = client(server);
    await load(ask);
    for (let round = 0; round < 4; round++) {
      const rank = definition('rank', { type: 'number',
        expression: `Patient.extension.where(url='http://x/rank').value${round % 2 ? '.ofType(integer)' : ''}` });
      assert.ok([200, 201].includes((await ask('PUT', 'SearchParameter/rank', rank)).status));
      await new Promise((done) => setTimeout(done, 5 * round));
      server.child.kill('SIGKILL');
      await server.ended;
      server = await serve(data, ['--no-auth']);
      ({ ask, search } = client(server));
      // Refused by name, or all of it.
      const early = await ask('GET', 'Patient?rank=gt90&_summary=count');
      if (early.status === 200)
        assert.equal(early.body.total, expected((p) => p.extension[0].valueInteger > 90).length);
      else {
        assert.equal(early.status, 503);
        assert.match(early.body.issue[0].diagnostics, /Patient\.rank/);
        assert.ok(early.headers.get('retry-after'));
      }
    }
    const status = await ask('POST', '$reindex');
    assert.equal(status.status, 202);
    await ready(ask, status.headers.get('content-location'));
    assert.deepEqual(await search('Patient?rank=gt90'), expected((p) => p.extension[0].valueInteger > 90));
    assert.deepEqual(await search('Patient?rank=13'), expected((p) => p.extension[0].valueInteger === 13));
    assert.deepEqual(await search('Patient?rank=13&gender=male'),
      expected((p) => p.extension[0].valueInteger === 13 && p.gender === 'male'));
    const again = await ask('POST', 'SearchParameter/rank/$reindex');
    assert.equal(again.status, 202);
    server.child.kill('SIGKILL');
    await server.ended;
    server = await serve(data, ['--no-auth']);
    ({ ask, search } = client(server));
    await ready(ask, again.headers.get('content-location').replace(/.*\/r4/, server.endpoint));
    assert.deepEqual(await search('Patient?rank=lt3'), expected((p) => p.extension[0].valueInteger < 3));
    await server.stop();
    const checked = await run(['check', '--data', data]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
  } finally {
    server.child.kill('SIGKILL');
    place.remove();
  }
});

test('the search parameters of US Core are taken, and those of R4 again cost nothing', async (t) => {
  const folder = dataFolder();
  if (!folder) return t.skip('no outside data');
  const place = scratch();
  const unpack = (name) => {
    const to = join(place.folder, name);
    mkdirSync(to);
    execFileSync('tar', ['--zstd', '-xf', join(folder, 'ig', `${name}.tar.zst`), '-C', to]);
    return readdirSync(to, { recursive: true }).filter((f) => f.endsWith('.json'))
      .map((f) => JSON.parse(readFileSync(join(to, f), 'utf8')));
  };
  const server = await serve(join(place.folder, 'data'), ['--no-auth', '--validation-level', 'strict']);
  try {
    const { ask, search } = client(server);
    const examples = unpack('us-core-6.1.0-examples').filter((r) => r.resourceType === 'Patient');
    for (const r of examples) {
      const put = await ask('PUT', `Patient/${r.id}`, r, { 'x-amzn-healthlake-fhir-validation-level': 'minimal' });
      assert.ok(put.status < 300, JSON.stringify(put.body));
    }
    const definitions = unpack('us-core-6.1.0').filter((r) => r.resourceType === 'SearchParameter');
    assert.ok(definitions.length > 70);
    const entry = definitions.map((resource) => ({ resource,
      request: { method: 'PUT', url: `SearchParameter/${resource.id}` } }));
    const stored = await ask('POST', '', { resourceType: 'Bundle', type: 'transaction', entry },
      { 'x-amzn-healthlake-fhir-validation-level': 'structure-only' });
    assert.equal(stored.status, 200, JSON.stringify(stored.body).slice(0, 3000));
    const states = await ready(ask, '$reindex');
    const part = (p, name) => p.part.find((x) => x.name === name);
    const list = states.parameter.filter((p) => p.name === 'searchParameter');
    assert.equal(list.length, definitions.length);
    const used = list.filter((p) => part(p, 'state').valueCode === 'ready')
      .map((p) => part(p, 'id').valueId).sort();
    for (const p of list)
      if (part(p, 'state').valueCode !== 'ready')
        assert.match(part(p, 'reason').valueString, /FHIR R4 defines the same/);
    assert.deepEqual(used, ['us-core-careteam-role', 'us-core-condition-asserted-date',
      'us-core-encounter-discharge-disposition',
      'us-core-ethnicity', 'us-core-goal-description', 'us-core-patient-gender-identity', 'us-core-race']);
    const codes = (p) => (p.extension ?? []).filter((e) => e.url === RACE)
      .flatMap((e) => e.extension ?? []).map((e) => e.valueCoding?.code).filter(Boolean);
    const all = new Set(examples.flatMap(codes));
    assert.ok(all.size > 2);
    for (const code of all)
      assert.deepEqual(await search(`Patient?race=${code}`),
        examples.filter((p) => codes(p).includes(code)).map((p) => p.id).sort());
    const metadata = await ask('GET', 'metadata');
    const own = metadata.body.rest[0].resource.find((r) => r.type === 'Patient').searchParam;
    assert.equal(own.find((p) => p.name === 'race').definition,
      'http://hl7.org/fhir/us/core/SearchParameter/us-core-race');
  } finally {
    await server.stop();
    place.remove();
  }
});
