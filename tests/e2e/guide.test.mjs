// guide.test.mjs - Flexpa's HealthLake guide, its TypeScript unchanged, with the
// real npm packages, against `tarn sandbox` and `tarn serve`.
//
// The code is taken out of the guide's text in the outside data at run time.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync, copyFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { before, after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dataFolder, keys, sandbox, scratch, serve } from './lib.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const data = dataFolder();
const text = data && join(data, '../reference/flexpa-healthlake-guide.txt');
const skip = !(text && existsSync(text)) && 'no outside data (TARN_DATA)';

/** The lines of a listing, from the one that starts with `first` to `last`. */
function listing(lines, first, last) {
  const from = lines.findIndex((l) => l.startsWith(first));
  const to = lines.findIndex((l, i) => i > from && l === last);
  assert.ok(from >= 0 && to > from, `the guide holds no listing from ${first}`);
  return lines.slice(from, to + 1);
}

function guideSource() {
  const lines = readFileSync(text, 'utf8').split('\n').map((l) => l.replace(/^ {6}/, ''));
  const from = lines.findIndex((l) => l.startsWith('import FlexpaClient'));
  const rest = lines.slice(from);
  const sync = listing(rest, 'async function syncToHealthLake', '}');
  const head = rest.slice(0, rest.findIndex((l) => l.startsWith('async function syncToHealthLake')));
  const all = listing(lines, 'async function getAllPatientData(', '}');
  return [...head, ...sync, '', ...all, '',
    '// what the guide leaves out',
    'async function getAuthHeaders(): Promise<Record<string, string>> { return {}; }',
    'export { syncToHealthLake, getAllPatientData };', ''].join('\n');
}

function compile(folder) {
  mkdirSync(join(folder, 'out'));
  symlinkSync(join(here, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{"name":"guide"}');
  writeFileSync(join(folder, 'sync.ts'), guideSource());
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, module: 'nodenext', target: 'es2022', outDir: 'out', skipLibCheck: true,
      types: ['node'], lib: ['es2022', 'dom'] }, files: ['sync.ts'] }));
  execFileSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', folder],
    { stdio: ['ignore', 'inherit', 'inherit'] });
  copyFileSync(join(here, 'guide/shim.cjs'), join(folder, 'shim.cjs'));
}

let place, store, source;

/** Call one of the guide's functions in a process of its own. */
function call(name, args) {
  const code = `require('./out/sync.js')[${JSON.stringify(name)}](...${JSON.stringify(args)})` +
    '.then((r) => process.stdout.write(JSON.stringify(r)))';
  const child = spawn(process.execPath, ['--require', './shim.cjs', '-e', code], {
    cwd: place.folder, stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FLEXPA_API_BASE: source.base, HEALTHLAKE_ENDPOINT: store.endpoint,
      AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey } });
  return new Promise((done, fail) => {
    let out = '';
    child.stdout.on('data', (d) => (out += d));
    child.on('close', (status) => (status ? fail(new Error(`${name} failed`)) : done(JSON.parse(out))));
  });
}

const statuses = (bundle) => {
  const counts = {};
  for (const e of bundle.entry) counts[e.response.status] = (counts[e.response.status] ?? 0) + 1;
  return counts;
};

before(async () => {
  if (skip) return;
  place = scratch();
  compile(place.folder);
  // The recorded deliveries hold CMS's placeholder for a date.
  store = await serve(join(place.folder, 'data'), ['--validation-level', 'off']);
  source = await sandbox(['--replay', join(data, 'flexpa')]);
});

after(async () => {
  await source?.stop();
  if (store) assert.equal((await store.stop()).status, 0, 'SIGTERM ends the store with 0');
  place?.remove();
});

test('the first sync answers 201 for every resource, the second 200', { skip }, async () => {
  for (const { token } of source.consents) {
    const first = await call('syncToHealthLake', [token]);
    assert.equal(first.type, 'transaction-response', JSON.stringify(first).slice(0, 500));
    assert.deepEqual(Object.keys(statuses(first)), ['201']);
    const second = await call('syncToHealthLake', [token]);
    assert.deepEqual(statuses(second), { 200: first.entry.length });
  }
});

test('tag search and $everything over several consents give the whole record', { skip }, async () => {
  const users = {};
  for (const c of source.consents) (users[c.user] ??= []).push(c.consent);
  for (const consents of Object.values(users)) {
    const entries = await call('getAllPatientData', [consents, store.endpoint]);
    const keys = new Set(entries.map((e) => `${e.resource.resourceType}/${e.resource.id}`));
    assert.ok(keys.size > 200, `only ${keys.size} resources`);
    const tags = new Set(entries.flatMap((e) => e.resource.meta.tag ?? [])
      .filter((t) => t.system.endsWith('/ConsentId')).map((t) => t.code));
    for (const consent of consents) assert.ok(tags.has(consent), `nothing of consent ${consent}`);
    assert.ok(entries.every((e) => e.resource.meta.project === undefined));
  }
});

test('after the payer sent an update the new resources are 201, the others 200', { skip }, async () => {
  assert.equal((await source.advance()).status, 200);
  let created = 0;
  for (const { token } of source.consents) {
    const counts = statuses(await call('syncToHealthLake', [token]));
    created += counts[201] ?? 0;
  }
  assert.ok(created > 10, `${created} created after the update`);
});
