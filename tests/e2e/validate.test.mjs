// validate.test.mjs - levels and profiles over HTTP, with a package in the data folder.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, run, scratch, serve } from './lib.mjs';

const data = dataFolder();
const skip = !data && 'no outside data (TARN_DATA)';
const US_CORE = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient';

const send = async (url, body, level) => {
  const headers = { 'content-type': 'application/fhir+json' };
  if (level) headers['x-amzn-healthlake-fhir-validation-level'] = level;
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
};
const texts = (outcome) => outcome.issue.map((i) => i.diagnostics).join('\n');

const patient = (profile, more) => ({ resourceType: 'Patient', meta: { profile: [profile] },
  text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' }, ...more });
const whole = { identifier: [{ system: 'urn:x', value: '1' }], name: [{ family: 'A' }], gender: 'female' };

test('without packages profiles are passed over, unless strict is asked for by name', async () => {
  const place = scratch();
  const server = await serve(join(place.folder, 'data'), ['--no-auth']);
  try {
    assert.equal((await send(`${server.endpoint}/Patient`, patient(US_CORE, {}))).status, 201);
    const answer = await send(`${server.endpoint}/Patient`, patient(US_CORE, {}), 'strict');
    assert.equal(answer.status, 400);
    assert.match(texts(answer.body), /could not be found/);
  } finally {
    await server.stop();
  }
  for (const [what, level, status] of [['warn', 'strict', 201], ['error', undefined, 400]]) {
    const set = await serve(join(place.folder, 'data'), ['--no-auth', '--unknown-profiles', what]);
    try {
      assert.equal((await send(`${set.endpoint}/Patient`, patient(US_CORE, {}), level)).status, status);
    } finally {
      await set.stop();
    }
  }
  const strict = await serve(join(place.folder, 'data'), ['--no-auth', '--behave', 'healthlake']);
  try {
    const answer = await send(`${strict.endpoint}/Patient`, patient(US_CORE, {}));
    assert.equal(answer.status, 400);
    assert.match(texts(answer.body), /could not be found/);
    assert.equal((await send(`${strict.endpoint}/Patient`, patient(US_CORE, {}), 'structure-only')).status, 201);
  } finally {
    await strict.stop();
    place.remove();
  }
});

test('with a package strict asks for what the named profile asks for', { skip }, async () => {
  const place = scratch();
  const folder = join(place.folder, 'data');
  const server = await serve(folder, ['--no-auth']);
  const base = server.endpoint;
  try {
    // Added while the server runs: seen within a second.
    const added = await run(['package', 'add', '--data', folder, join(data, 'ig/us-core-6.1.0.tar.zst')]);
    assert.equal(added.status, 0, added.stderr);
    await new Promise((done) => setTimeout(done, 1200));
    let answer = await send(`${base}/Patient`, patient(US_CORE, { name: whole.name, gender: 'female' }));
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.match(texts(answer.body), /Patient\.identifier: minimum required = 1, but only found 0 \(from .*us-core-patient/);
    answer = await send(`${base}/Patient`, patient(US_CORE, { gender: 'female' }), 'structure-only');
    assert.equal(answer.status, 201);
    assert.equal((await send(`${base}/Patient`, patient(US_CORE, whole))).status, 201);
    assert.equal((await send(`${base}/Patient`, patient('urn:unheard-of', whole))).status, 400);
    // $validate with the profile as a parameter, of a resource that names none.
    answer = await send(`${base}/Patient/$validate?profile=${encodeURIComponent(US_CORE)}`,
      { resourceType: 'Patient', gender: 'female' });
    assert.equal(answer.status, 200);
    assert.match(texts(answer.body), /Patient\.identifier: minimum required = 1/);
    answer = await send(`${base}/Patient/$validate?profile=${encodeURIComponent(US_CORE)}`,
      { ...patient(US_CORE, whole), meta: undefined });
    assert.equal(texts(answer.body), 'Validation successful');
    answer = await send(`${base}/Patient/$validate?profile=urn:none`, patient(US_CORE, whole));
    assert.equal(answer.status, 200);
    assert.match(texts(answer.body), /urn:none is not known here/);
  } finally {
    await server.stop();
    place.remove();
  }
});
