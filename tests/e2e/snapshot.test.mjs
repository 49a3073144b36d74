// snapshot.test.mjs - each paging reader sees exactly one state, whatever is written.
//
// Processes move amounts between accounts, each move one transaction: whatever the moment,
// there are as many accounts, the amounts have one sum, and an account's Patient has the
// same mark. Readers page through them meanwhile, in every order, forwards and backwards,
// with includes and totals, while the server is stopped, killed and started again between
// pages. All that one reader sees must be of one moment, and a page seen again the same.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { scratch, serve } from './lib.mjs';
import { Random } from './oracle-queries.mjs';

const seed = +(process.env.TARN_SEED ?? 20261124);
const seconds = +(process.env.TARN_SNAPSHOT_SECONDS ?? 5);
const WRITERS = 3, ACCOUNTS = 20, READERS = 6;
const pause = (ms) => new Promise((r) => setTimeout(r, ms));

async function get(url) {
  for (let tries = 0; ; tries++) {
    let answer, text;
    try {
      answer = await fetch(url);
      text = await answer.text();
    } catch (e) {
      if (tries > 500) throw e;
      await pause(20); // the server is away
      continue;
    }
    if (answer.status >= 500) { await pause(20); continue; }
    assert.equal(answer.status, 200, `${url}: ${text.slice(0, 400)}`);
    return JSON.parse(text);
  }
}

const link = (bundle, relation) => bundle.link.find((l) => l.relation === relation)?.url;
const of = (bundle, type) => (bundle.entry ?? []).map((e) => e.resource).filter((r) => r.resourceType === type);
const shown = (bundle) => (bundle.entry ?? []).map((e) => `${e.resource.resourceType}/${e.resource.id}/${e.resource.meta.versionId}`);
const markOf = (r) => r.identifier[0].value;

const QUERIES = ['code=account', 'code=urn:t|account&_sort=value-quantity', 'status=final&_sort=-value-quantity', '_sort=-_lastUpdated', '_sort=_id', 'subject:Patient.active=true&_sort=-_id',
  'code=account&_sort=identifier,-value-quantity', 'subject.active=true', 'code:not=x&_sort=_lastUpdated', 'combo-code=account&value-quantity=gt-100000&_sort=value-quantity,_id'];

/** One reader, from its first page to its last, with steps back. */
async function read(endpoint, rng) {
  const includes = rng.chance(0.5), total = rng.chance(0.4);
  const query = `Observation?${rng.of(QUERIES)}&_count=${1 + rng.below(12)}${includes ? '&_include=Observation:subject' : ''}${total ? '&_total=accurate' : ''}`;
  const pages = [await get(`${endpoint}/${query}`)];
  let at = 0;
  for (;;) {
    const page = pages[at];
    if (total) assert.equal(page.total, WRITERS * ACCOUNTS, `${query}: total`);
    if (at > 0 && rng.chance(0.2)) { // back, and the same is there
      const before = await get(link(page, 'previous'));
      at--;
      assert.deepEqual(shown(before), shown(pages[at]), `${query}: page ${at} again, backwards`);
      pages[at] = before;
      continue;
    }
    if (!link(page, 'next')) break;
    const next = await get(link(page, 'next'));
    at++;
    if (pages[at]) assert.deepEqual(shown(next), shown(pages[at]), `${query}: page ${at} again`);
    pages[at] = next;
    if (rng.chance(0.3)) await pause(rng.below(30));
  }
  check(query, pages, includes);
  return pages.length;
}

function check(query, pages, includes) {
  const all = pages.flatMap((p) => of(p, 'Observation'));
  assert.equal(new Set(all.map((r) => r.id)).size, all.length, `${query}: an account twice`);
  assert.equal(all.length, WRITERS * ACCOUNTS, `${query}: accounts`);
  assert.equal(all.reduce((sum, r) => sum + r.valueQuantity.value, 0), WRITERS * ACCOUNTS * 100, `${query}: the sum of the amounts`);
  if (includes)
    for (const p of pages) {
      const owners = new Map(of(p, 'Patient').map((r) => [`Patient/${r.id}`, r]));
      for (const o of of(p, 'Observation')) assert.equal(markOf(owners.get(o.subject.reference)), markOf(o), `${query}: ${o.id} and its Patient are of one moment`);
    }
  // What one transaction wrote is there with all of it or with none: two have its mark.
  for (const [m, some] of Map.groupBy(all, markOf)) assert.ok(some.length <= (m.endsWith('-0') ? ACCOUNTS : 3), `${query}: mark ${m}`);
}

function writer(endpoint, name, n) {
  const child = fork(join(fileURLToPath(import.meta.url), '../snapshot-writer.mjs'), [endpoint, name, ACCOUNTS, seed + n]);
  const messages = [];
  const ended = new Promise((done, fail) => {
    child.on('message', (m) => messages.push(m));
    child.on('exit', (status) => (status === 0 ? done(messages.at(-1).writes) : fail(new Error(`a writer ended with ${status}`))));
  });
  const ready = new Promise((r) => child.once('message', r));
  return { ready: Promise.race([ready, ended]), ended, stop: () => { if (child.connected) child.send('stop'); return ended; } };
}

test('each paging reader sees one state, whatever is written and restarted', async (t) => {
  const place = scratch(), rng = new Random(seed), folder = join(place.folder, 'data');
  let server = await serve(folder, ['--no-auth', '--index-memory', '1M']);
  const { endpoint } = server, port = new URL(endpoint).port;
  const writers = Array.from({ length: WRITERS }, (_, n) => writer(endpoint, `w${n}`, n));
  let reads = 0, pages = 0, restarts = 0;
  const begun = Date.now();
  // On a busy machine it takes longer to have seen something.
  const goesOn = () => Date.now() < begun + seconds * 1000 || (Date.now() < begun + 60000 && (reads <= READERS || !restarts));
  try {
    await Promise.all(writers.map((w) => w.ready));
    const readers = Array.from({ length: READERS }, async (_, n) => {
      const own = new Random(seed + 100 + n);
      while (goesOn()) { pages += await read(endpoint, own); reads++; }
    });
    const unrest = (async () => {
      while (goesOn()) {
        await pause(800 + rng.below(600));
        if (rng.chance(0.5)) server.child.kill('SIGKILL'); else server.child.kill('SIGTERM');
        await server.ended;
        server = await serve(folder, ['--no-auth', '--index-memory', '1M', '--listen', `127.0.0.1:${port}`]);
        restarts++;
      }
    })();
    await Promise.all([...readers, unrest]);
    const writes = (await Promise.all(writers.map((w) => w.stop()))).reduce((a, b) => a + b);
    t.diagnostic(`${reads} readers over ${pages} pages, ${writes} transactions, ${restarts} restarts (seed ${seed})`);
    assert.ok(reads > READERS && writes > 20 && restarts > 0);
  } finally {
    await Promise.allSettled(writers.map((w) => w.stop()));
    await server.stop();
    place.remove();
  }
});
