// records.test.mjs - what goes into the store comes back, token for token.
//
// Outside data (TARN_DATA): recorded Flexpa deliveries through sandbox, sync and
// store; every official R4 example by PUT; Synthea members as published (POST
// with urn:uuid) and as PUTs. build/same compares number text, order, escapes.
// TARN_SYNTHEA=all takes the 400 members instead of the first 20.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, root, run, sandbox, scratch, serve } from './lib.mjs';

const data = dataFolder();
const skip = !data && 'no outside data (TARN_DATA)';
const same = join(root, 'build/same');

const untar = (archive, folder) => {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--zstd', '-xf', archive, '-C', folder]);
  return readdirSync(folder).filter((f) => f.endsWith('.json')).map((f) => join(folder, f));
};

const compare = (a, b, ...options) => {
  try {
    return execFileSync(same, [...options, a, b], { encoding: 'utf8' });
  } catch (e) {
    assert.fail(`not the same:\n${e.stdout}${e.stderr}`);
  }
};

const json = { 'content-type': 'application/fhir+json' };

/** A place of its own: a store without authentication, and scratch folders. */
async function withStore(work, args = []) {
  const place = scratch();
  const store = await serve(join(place.folder, 'data'), ['--no-auth', ...args]);
  try {
    await work(store, place.folder);
  } finally {
    assert.equal((await store.stop()).status, 0);
    place.remove();
  }
}

/** Every current resource of the types, page by page, into FOLDER. */
async function dump(store, types, folder) {
  mkdirSync(folder, { recursive: true });
  let count = 0;
  for (const type of types) {
    let url = `${store.endpoint}/${type}?_count=1000`;
    for (let page = 0; url; page++) {
      const answer = await fetch(url);
      const text = await answer.text();
      assert.equal(answer.status, 200, text.slice(0, 500));
      writeFileSync(join(folder, `${type}-${page}.json`), text);
      const bundle = JSON.parse(text);
      count += bundle.entry?.length ?? 0;
      url = bundle.link.find((l) => l.relation === 'next')?.url;
    }
  }
  return count;
}

async function total(store, query) {
  const answer = await fetch(`${store.endpoint}/${query}`);
  return (await answer.json()).total;
}

const syncAll = async (store, source, args = [], status = 0) => {
  const result = await run(['sync', '--consents', source.file, '--json', ...args],
    { env: { HEALTHLAKE_ENDPOINT: store.endpoint, FLEXPA_API_BASE: source.base } });
  assert.equal(result.status, status, result.stderr + result.stdout.slice(0, 3000));
  return JSON.parse(result.stdout).consents;
};

test('recorded deliveries: sandbox, sync, store and back; then the update', { skip }, async () => {
  await withStore(async (store, folder) => {
    const facts = ['user-a', 'user-b'].map((u) => JSON.parse(readFileSync(join(data, 'flexpa', u, 'facts.json'))));
    const consents = facts.flatMap((f) => f.consents.map((c) => ({ ...c, user: f.user.externalId })));
    const source = await sandbox(['--replay', join(data, 'flexpa')]);
    const of = (report, c) => report.find((r) => r.consent === c.consentId);

    const sent = (latest) => {
      const out = join(folder, `sent-${latest}`);
      mkdirSync(out);
      for (const c of consents) {
        const d = c.deliveries[latest ? c.deliveries.length - 1 : 0];
        copyFileSync(join(data, 'flexpa', c.user, d.file), join(out, `${c.consentId}.json.zst`));
      }
      return out;
    };
    try {
      let report = await syncAll(store, source);
      const byType = {};
      for (const c of consents) {
        assert.equal(of(report, c).created, c.deliveries[0].resources, c.folder);
        assert.equal(of(report, c).failed.length ?? of(report, c).failed, 0);
        for (const [t, n] of Object.entries(c.deliveries[0].byType)) byType[t] = (byType[t] ?? 0) + n;
      }
      for (const [type, n] of Object.entries(byType))
        assert.equal(await total(store, `${type}?_count=0&_total=accurate`), n, type);
      await dump(store, Object.keys(byType), join(folder, 'back-1'));
      compare(sent(false), join(folder, 'back-1'), '--ignore-meta', 'project');

      report = await syncAll(store, source);
      for (const c of consents) {
        const r = of(report, c);
        assert.deepEqual([r.created, r.updated, r.unchanged], [0, 0, c.deliveries[0].resources], c.folder);
      }
      assert.equal((await source.advance()).status, 200);
      report = await syncAll(store, source);
      for (const c of consents) {
        const r = of(report, c);
        const last = c.deliveries.at(-1);
        const difference = c.deliveries.length > 1 ? last['against previous']
          : { added: 0, changed: 0, unchanged: last.resources };
        assert.deepEqual([r.created, r.updated, r.unchanged],
          [difference.added, difference.changed, difference.unchanged], c.folder);
      }
      const types = new Set(consents.flatMap((c) => Object.keys(c.deliveries.at(-1).byType)));
      await dump(store, types, join(folder, 'back-2'));
      compare(sent(true), join(folder, 'back-2'), '--ignore-meta', 'project');
    } finally {
      await source.stop();
    }
  }, ['--validation-level', 'off']); // CMS's placeholder dates: the next test
});

test('of the recorded deliveries strict refuses placeholder dates alone', { skip }, async () => {
  await withStore(async (store) => {
    const source = await sandbox(['--replay', join(data, 'flexpa')]);
    try {
      const report = await syncAll(store, source, ['--bundle', 'batch'], 1);
      const failures = report.flatMap((r) => r.failures);
      for (const f of failures) assert.match(f.reason, /Not a valid date\/time \('IGNORED_FIELD'/);
      assert.equal(failures.length, 8);
    } finally {
      await source.stop();
    }
  });
});

// Faults of the published examples themselves; strict and structure-only refuse them.
const FAULTY = {
  'ActivityDefinition/blood-tubes-supply': /txt-2/, // an empty narrative
  'ActivityDefinition/heart-valve-replacement': /txt-2/,
  'Questionnaire/zika-virus-exposure-assessment': /txt-2/,
  'DeviceUseStatement/example': /Found Procedure, but expected/,
  'Observation/clinical-gender': /Found Encounter, but expected/,
  'Bundle/lri-example': /must end with the correct type and id/,
  'Questionnaire/qs1': /Questionnaire.item.linkId: minimum required = 1/,
};
const MARK = 'http://healthlake.amazonaws.com/fhir/StructureDefinition/validation-issue';

/** Refused at the store's level, stored at minimal, and there but for the findings. */
async function putFaulty(store, text, refusal) {
  const { resourceType, id } = JSON.parse(text);
  const url = `${store.endpoint}/${resourceType}/${id}`;
  assert.match(refusal, FAULTY[`${resourceType}/${id}`] ?? /no known fault/);
  const headers = { ...json, 'x-amzn-healthlake-fhir-validation-level': 'minimal' };
  assert.equal((await fetch(url, { method: 'PUT', headers, body: text })).status, 201);
  const back = await (await fetch(url)).json();
  const marks = (back.extension ?? []).filter((e) => e.url === MARK);
  assert.equal(marks.length, id === 'qs1' ? 1 : 0); // a shape, which minimal looks at
  back.extension = (back.extension ?? []).filter((e) => e.url !== MARK);
  const sent = { extension: [], ...JSON.parse(text) };
  for (const r of [back, sent]) {
    delete r.meta?.versionId;
    delete r.meta?.lastUpdated;
    if (!r.meta || !Object.keys(r.meta).length) delete r.meta;
  }
  assert.deepEqual(back, sent);
}

test('every official R4 example is stored by PUT and read back equal', { skip }, async () => {
  await withStore(async (store, folder) => {
    const files = untar(join(data, 'r4/examples.tar.zst'), join(folder, 'examples'));
    const types = new Set();
    mkdirSync(join(folder, 'sent'));
    let faulty = 0;
    for (const file of files) {
      const text = readFileSync(file, 'utf8');
      const { resourceType, id } = JSON.parse(text);
      const answer = await fetch(`${store.endpoint}/${resourceType}/${id}`, { method: 'PUT', headers: json, body: text });
      if (answer.status === 201 || answer.status === 200) {
        types.add(resourceType);
        writeFileSync(join(folder, 'sent', file.split('/').at(-1)),
          `{"resourceType":"Bundle","entry":[{"resource":${text}}]}`); // so that Bundles stay whole
        const read = await (await fetch(`${store.endpoint}/${resourceType}/${id}`)).text();
        assert.equal(JSON.parse(read).id, id, file);
      } else {
        await putFaulty(store, text, await answer.text());
        faulty++;
        await fetch(`${store.endpoint}/${resourceType}/${id}`, { method: 'DELETE' });
      }
    }
    assert.equal(faulty, Object.keys(FAULTY).length);
    assert.equal(await dump(store, types, join(folder, 'back')), files.length - faulty);
    compare(join(folder, 'sent'), join(folder, 'back'));
  });
});

const archives = process.env.TARN_SYNTHEA === 'all'
  ? ['patients/synthea-2019-20.tar.zst', 'patients/synthea-2019-380.tar.zst']
  : ['patients/synthea-2019-20.tar.zst'];

async function post(store, text) {
  const answer = await fetch(store.endpoint, { method: 'POST', headers: json, body: text });
  const body = await answer.text();
  assert.equal(answer.status, 200, body.slice(0, 1000));
  return JSON.parse(body);
}

/** The published text with every urn:uuid and id as the store has assigned them. */
function mapped(text, response) {
  const ids = new Map();
  const source = JSON.parse(text);
  source.entry.forEach((e, i) => {
    const [type, id] = response.entry[i].response.location.split('/').slice(-4);
    ids.set(e.fullUrl.slice('urn:uuid:'.length), { type, id });
  });
  return text.replace(/urn:uuid:([0-9a-f-]{36})/g, (all, uuid) =>
    ids.has(uuid) ? `${ids.get(uuid).type}/${ids.get(uuid).id}` : all)
    .replace(/("resource": \{\s*"resourceType": "\w+",\s*"id": ")([^"]+)"/g, (all, head, uuid) => {
      assert.ok(ids.has(uuid), uuid);
      return `${head}${ids.get(uuid).id}"`;
    });
}

/** The published text as PUTs of its own ids. */
function asPuts(text) {
  const types = new Map();
  for (const e of JSON.parse(text).entry) types.set(e.resource.id, e.resource.resourceType);
  let next = 0;
  const order = JSON.parse(text).entry.map((e) => `${e.resource.resourceType}/${e.resource.id}`);
  return text.replace(/urn:uuid:([0-9a-f-]{36})/g, (all, uuid) => (types.has(uuid) ? `${types.get(uuid)}/${uuid}` : all))
    .replace(/"request": \{\s*"method": "POST",\s*"url": "\w+"/g, () => `"request": {"method": "PUT", "url": "${order[next++]}"`)
    .replace(/"fullUrl": "[^"]*",/g, '');
}

for (const [name, prepare] of [['as published, ids mapped', null], ['as PUTs of their own ids', asPuts]]) {
  test(`Synthea members ${name} come back equal`, { skip }, async () => {
    await withStore(async (store, folder) => {
      const types = new Set();
      mkdirSync(join(folder, 'sent'));
      const expected = new Set();
      for (const [n, archive] of archives.entries()) {
        for (const file of untar(join(data, archive), join(folder, `in-${n}`))) {
          const text = readFileSync(file, 'utf8');
          const given = prepare ? prepare(text) : text;
          const response = await post(store, given);
          const allowed = prepare ? ['200', '201'] : ['201']; // members share Organizations
          assert.ok(response.entry.every((e) => allowed.includes(e.response.status)));
          for (const e of JSON.parse(text).entry) types.add(e.resource.resourceType);
          for (const e of response.entry)
            expected.add(e.response.location.split('/').slice(0, -2).slice(-2).join('/'));
          writeFileSync(join(folder, 'sent', file.split('/').at(-1)), prepare ? given : mapped(text, response));
        }
      }
      assert.equal(await dump(store, types, join(folder, 'back')), expected.size);
      compare(join(folder, 'sent'), join(folder, 'back'));
    });
  });
}
