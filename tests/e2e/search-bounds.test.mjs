// search-bounds.test.mjs - what bounds a search, over HTTP: a client that leaves ends it,
// memory and work have limits, and meanwhile others are answered.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { scratch, serve } from './lib.mjs';

const json = { 'content-type': 'application/fhir+json' };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const ring = 1500;
let place, store, log;

/** Clock ticks of the server's processor time. */
const ticks = () => {
  const fields = readFileSync(`/proc/${store.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const searches = () => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [])
  .map((line) => JSON.parse(line)).filter((l) => l.action === 'search-form');

/** All of a ring of organizations, gone round so often: each step follows all of them. */
const round = (times, last) => new URLSearchParams({ _filter: `${'partof[name pr true].'.repeat(times)}${last}` });

before(async () => {
  place = scratch();
  log = join(place.folder, 'access.log');
  store = await serve(join(place.folder, 'data'), ['--no-auth', '--access-log', log,
    '--limit', 'search-budget=1000000000']);
  const entry = Array.from({ length: ring }, (_, i) => ({
    request: { method: 'PUT', url: `Organization/o${i}` },
    resource: { resourceType: 'Organization', id: `o${i}`, name: `Ring ${i}`,
      partOf: { reference: `Organization/o${(i + 1) % ring}` } },
  }));
  const answer = await fetch(store.endpoint, { method: 'POST', headers: json,
    body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }) });
  assert.equal(answer.status, 200);
  await answer.text();
});
after(async () => { await store?.stop(); place?.remove(); });

test('a search ends when its client leaves, and the processor is free again', async () => {
  const body = round(490, 'name pr true').toString();
  const url = new URL(`${store.endpoint}/Organization/_search`);
  const before = searches().length;
  const request = http.request(url, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  let wasAnswered = false;
  request.on('response', () => { wasAnswered = true; });
  request.on('error', () => {});
  request.end(body);
  const from = ticks();
  for (let i = 0; i < 200 && ticks() - from < 30; i++) await pause(20); // 0.3 s of work
  assert.ok(ticks() - from >= 30, 'the search is at work');
  assert.ok(!wasAnswered, 'and not done');
  // others are answered meanwhile
  const other = await fetch(`${store.endpoint}/Organization?name=ring%207&_count=1`);
  assert.equal(other.status, 200);
  await other.text();
  request.destroy();
  for (let i = 0; i < 500 && searches().length === before; i++) await pause(20);
  const [line] = searches().slice(before);
  assert.ok(line, 'it ended');
  assert.equal(line.status, 503, JSON.stringify(line));
  const left = ticks();
  await pause(1000);
  assert.ok(ticks() - left < 30, `${ticks() - left} ticks of 100 in the second after`);
  assert.ok(!wasAnswered);
});

test('a search past its memory is refused by name, and the next one is answered', async () => {
  assert.equal((await store.stop()).status, 0);
  store = await serve(join(place.folder, 'data'), ['--no-auth', '--limit', 'search-memory=4194304']);
  const answer = await fetch(`${store.endpoint}/Organization/_search`, { method: 'POST', body: round(490, 'name pr true') });
  const outcome = await answer.json();
  assert.equal(answer.status, 413, JSON.stringify(outcome).slice(0, 300));
  assert.match(outcome.issue[0].diagnostics, /more than 4 MB of memory .*search-memory=N/);
  const next = await fetch(`${store.endpoint}/Organization?partof.name=ring%207&_count=1&_total=accurate`);
  assert.equal(next.status, 200);
  assert.ok((await next.json()).total >= 1);
});
