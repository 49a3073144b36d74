// suite-ms.test.mjs - the request files and test resources of Microsoft's FHIR server.
//
// suites/ms-rest (TARN_DATA) holds .http files: requests, with what to expect in comments.
// Each file is run in order against a store of its own. A request must succeed unless its
// comment says that it fails; a search, alone or within a bundle, must find and include
// what oracle.mjs does; EXPECTED has what comments say beyond that. suites/ms-testfiles:
// each resource is stored and comes back equal, or is refused as it must be, and random
// searches go over all of them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, scratch, serve } from './lib.mjs';
import { isCriterion, pairs } from './oracle.mjs';
import { Random } from './oracle-queries.mjs';
import { Pair, ask, patient, soak } from './oracle-run.mjs';
import { compile } from './search-oracle.mjs';
import { Report } from './suites.mjs';

const data = dataFolder();
const skip = !data && 'no outside data (TARN_DATA)';
const nameOf = (r) => `${r.resourceType}/${r.id}`;

/* ---- the files ---- */

/** [{ title, comments, name, method, url, headers, body }] of a .http file. */
function requestsOf(text) {
  const blocks = [[]];
  for (const line of text.replaceAll('\r', '').split('\n')) {
    if (line.startsWith('###')) blocks.push([line]);
    else blocks.at(-1).push(line);
  }
  return blocks.map(requestOf);
}

function requestOf(lines) {
  const head = lines.findIndex((l) => /^(GET|POST|PUT|PATCH|DELETE|HEAD)\s/i.test(l));
  const before = head < 0 ? lines : lines.slice(0, head);
  const comments = before.filter((l) => l.startsWith('#')).map((l) => l.replace(/^#+\s*/, '')).filter((l) => l && !l.startsWith('@'));
  const request = { title: comments[0] ?? '', comments: comments.join(' '),
    name: before.map((l) => l.match(/^#\s*@name\s+(\S+)/)?.[1]).find(Boolean),
    sets: lines.map((l) => l.match(/^@(\w+)\s*=\s*(.*)$/)).filter(Boolean).map((m) => [m[1], m[2].trim()]) };
  if (head < 0) return request;
  const [, method, url] = lines[head].match(/^(\w+)\s+(.*?)(\s+HTTP\/1\.1)?\s*$/);
  const blank = lines.findIndex((l, i) => i > head && l.trim() === '');
  const end = blank < 0 ? lines.length : blank;
  const headers = Object.fromEntries(lines.slice(head + 1, end).map((l) => l.match(/^([\w-]+):\s*(.*)$/)).filter(Boolean).map((m) => [m[1].toLowerCase(), m[2]]));
  delete headers.authorization; // no OAuth here
  let body = lines.slice(end).filter((l) => !l.startsWith('#') && !/^@\w+\s*=/.test(l)).join('\n').trim();
  if (/form-urlencoded/.test(headers['content-type'] ?? '')) body = body.replace(/\s+/g, '');
  return { ...request, method: method.toUpperCase(), url, headers, body };
}

const at = (value, path) => path.split(/[.[\]]+/).filter(Boolean).reduce((v, k) => v?.[k], value);

class File {
  constructor(pair, folder, report) { Object.assign(this, { pair, folder, report, names: new Map(), vars: new Map(), learnt: [] }); }

  fill(text) {
    return text.replace(/\{\{(.*?)\}\}/g, (all, key) => {
      if (/^(hostname|baseUrl|fhirurl)$/.test(key)) return this.pair.endpoint;
      if (this.vars.has(key)) return this.fill(this.vars.get(key));
      const [name, , part, ...path] = key.split('.');
      const known = this.names.get(name);
      if (!known) return all;
      return part === 'headers' ? known.headers[path.join('.').toLowerCase()] : at(known.body, path.join('.'));
    }).replace(/^https?:\/\/(https?:)/, '$1');
  }
  async body(text) {
    const file = text.match(/^<\s*(\S.*)$/)?.[1];
    if (!file) return this.fill(text);
    const path = join(this.folder, file.replaceAll('\\', '/'));
    return existsSync(path) ? this.fill(readFileSync(path, 'utf8').replace(/^\ufeff/, '')) : undefined;
  }

  async run(id, r) {
    for (const [k, v] of r.sets) this.vars.set(k, v);
    if (!r.method) return;
    if (/oauth2?\/token|connect\/token/.test(r.url)) { this.report.add(id, 'no OAuth'); return; }
    let url = this.fill(r.url);
    if (url.includes('<paste next')) url = this.next;
    if (url?.includes('<paste content location')) url = this.location;
    if (url && !/^http/.test(url)) { this.report.add(id, `${r.url} is nothing that an answer before gave`); return; }
    if (!url) { this.report.add(id, undefined, 'there is no further page'); return; }
    const body = r.body ? await this.body(r.body) : undefined;
    if (r.body && body === undefined) { this.report.add(id, `${r.body} is not in the data`); return; }
    const headers = Object.fromEntries(Object.entries(r.headers).map(([k, v]) => [k, this.fill(v)]));
    const answer = await patient(url.replaceAll('|', '%7C').replaceAll(' ', '%20'), { method: r.method, body, headers: { prefer: 'return=representation', ...headers } });
    const text = await answer.text();
    let json;
    try { json = text ? JSON.parse(text) : undefined; } catch { json = undefined; }
    // "Add values to each ID as you create them."
    const made = r.title.match(/^Create (\w+)$/)?.[1];
    if (made && this.vars.has(made)) this.vars.set(made, json.id);
    if (r.name) this.names.set(r.name, { body: json, headers: Object.fromEntries(answer.headers) });
    this.next = json?.link?.find?.((l) => l.relation === 'next')?.url;
    this.location = answer.headers.get('content-location') ?? undefined;
    const isSearch = json?.resourceType === 'Bundle' && json.type === 'searchset';
    if (r.method !== 'GET' && !isSearch) await this.follow(json, body);
    const mustFail = /= fails?\)|result = fail|should fail|expect 403/i.test(r.comments);
    let wrong = answer.ok === !mustFail ? undefined : `${r.method} ${url.replace(this.pair.endpoint, '')}: ${answer.status} ${text.slice(0, 400)}`;
    if (!wrong && isSearch && !url.includes('$') && !url.includes('page=')) wrong = await this.search(url, r.method === 'POST' ? body : '');
    const expected = EXPECTED[id];
    if (!wrong && expected) wrong = await expected(json, answer, this);
    this.report.add(id, wrong);
    if (/^BundleForGets|^SMARTv2ScopesBundle/.test((r.body ?? '').replace(/.*\//, '')) && json?.entry) await this.entries(id, JSON.parse(body), json);
  }

  /** A search must find what a look at every resource finds. */
  async search(url, form = '') {
    const [path, query = ''] = url.slice(this.pair.endpoint.length + 1).split('?');
    const all = pairs([query, form].filter(Boolean).join('&'));
    const q = { path: path.replace(/\/?_search$/, '').replace(/\/$/, ''), criteria: all.filter(isCriterion), result: all.filter((p) => !isCriterion(p)) };
    const drop = q.result.filter(([n]) => !/^(_summary|_total)$/.test(n));
    const answer = await ask(this.pair, { ...q, result: drop }, { total: true });
    if (answer.untold) return undefined;
    return answer.wrong && `${answer.shown}: ${answer.wrong}`;
  }
  async entries(id, asked, answered) {
    for (const [i, { request }] of asked.entry.entries()) {
      const got = answered.entry[i];
      let wrong = got.response.status.startsWith('200') ? undefined : `${got.response.status} ${JSON.stringify(got.response.outcome ?? '').slice(0, 300)}`;
      if (!wrong) wrong = await this.search(`${this.pair.endpoint}/${request.url.replace(/^\//, '')}`);
      this.report.add(`${id} entry ${i + 1} ${request.url}`, wrong);
    }
  }

  /** After a write the World holds what the server gives for each name that was met. */
  async follow(json, body) {
    const rank = new Map(), entries = json?.entry ?? [];
    let asked = [];
    try { asked = JSON.parse(body).entry ?? []; } catch { /* no bundle */ }
    entries.forEach((e, i) => {
      const name = e.response?.location?.match(/([A-Z]\w+\/[A-Za-z0-9.-]+)(\/_history|$)/)?.[1] ?? (e.resource?.id && nameOf(e.resource));
      // Bundles create before they update.
      if (name) rank.set(name, (asked[i]?.request.method !== 'POST' ? 10000 : 0) + i);
    });
    if (json?.id && !/^(Bundle|OperationOutcome)$/.test(json.resourceType)) rank.set(nameOf(json), 0);
    const changed = [];
    for (const name of new Set([...this.pair.world.resources.keys(), ...rank.keys()])) {
      const answer = await fetch(`${this.pair.endpoint}/${name}`);
      const now = await answer.json();
      if (!answer.ok) this.pair.world.delete(name);
      else if (this.pair.world.get(name)?.meta.versionId !== now.meta.versionId) changed.push(now);
    }
    changed.sort((x, y) => (x.meta.lastUpdated < y.meta.lastUpdated ? -1 : x.meta.lastUpdated > y.meta.lastUpdated ? 1 : rank.get(nameOf(x)) - rank.get(nameOf(y))));
    changed.forEach((r) => this.pair.world.put(r));
    changed.filter((r) => r.resourceType === 'SearchParameter' && r.expression && r.type !== 'composite').forEach((p) => this.learn(p));
  }
  /** A parameter of the store's own. */
  learn(p) {
    for (const base of p.base) {
      const known = this.pair.world.definitions.params(base);
      if (known.has(p.code)) continue;
      known.set(p.code, compile(p));
      this.learnt.push(() => known.delete(p.code));
    }
  }
}

/* ---- what comments say ---- */

const found = (json) => (json?.entry ?? []).map((e) => e.resource).filter((r) => r.resourceType !== 'OperationOutcome').map(nameOf).sort();
const exactly = (...names) => (json) => (found(json).join() === [...names].sort().join() ? undefined : `found ${found(json).join(' ')}`);
const size = (matches, total) => (json) => {
  const n = (json?.entry ?? []).filter((e) => e.search.mode === 'match').length;
  return n === matches && json.total === total && !json.link.some((l) => l.relation === 'next') ? undefined : `${n} matches, total ${json.total}`;
};
const EOBS = ['ExplanationOfBenefit/explanationofbenefit-id-1', 'ExplanationOfBenefit/explanationofbenefit-id-2'];

const EXPECTED = {
  'CompartmentSearchExamples.http 7 Run patient everything, but filter by explanation of benefit': exactly(...EOBS),
  'CompartmentSearchExamples.http 8 Get everything from the patient\'s compartment.': exactly(...EOBS, 'Procedure/appendectomy-id', 'Observation/observation-id'),
  'CompartmentSearchExamples.http 9 Get the patient\'s compartment, but filter for explanation of benefit': exactly(...EOBS, 'Observation/observation-id'),
  'CompartmentSearchExamples.http 10 Search the patient\'s explanation of benefits compartment.': exactly(...EOBS),
  'CompartmentSearchExamples.http 11 Attempt to search the patient\'s explanation of benefits compartment,': exactly(),
  'CompartmentSearchExamples.http 14 Get everything from the related person\'s compartment.': exactly('AdverseEvent/adverseevent-id', 'CareTeam/careteam-id'),
};

async function runFile(report, folder, name) {
  const place = scratch();
  const server = await serve(join(place.folder, 'data'), ['--no-auth', '--validation-level', 'off']);
  try {
    const pair = new Pair(data, server.endpoint);
    const file = new File(pair, join(folder, name, '..'), report);
    const requests = requestsOf(readFileSync(join(folder, name), 'utf8'));
    for (const [i, r] of requests.entries()) await file.run(`${name.split('/').at(-1)} ${i} ${r.title}`.trim(), r);
    file.learnt.forEach((forget) => forget());
  } finally {
    await server.stop();
    place.remove();
  }
}

test('the request files of Microsoft\'s FHIR server', { skip }, async (t) => {
  const report = new Report('ms-rest');
  const folder = join(data, 'suites/ms-rest');
  for (const name of readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.http')).sort()) await runFile(report, folder, name);
  report.finish(t);
});

/* ---- the test resources ---- */

/** Equal but for what a store sets. */
const bare = (r) => { const { meta: { versionId, lastUpdated, ...meta } = {}, ...rest } = r; return { ...rest, ...(Object.keys(meta).length ? { meta } : {}) }; };

async function store(pair, text) {
  const r = JSON.parse(text.replace(/^\ufeff/, ''));
  const own = { ...r, id: r.id ?? 'none' };
  const answer = await fetch(`${pair.endpoint}/${r.resourceType}/${own.id}`, { method: 'PUT', headers: { 'content-type': 'application/fhir+json', prefer: 'return=representation' }, body: JSON.stringify(own) });
  const body = await answer.text();
  if (!answer.ok) return `${answer.status} ${body.slice(0, 400)}`;
  const stored = JSON.parse(body);
  pair.world.put(stored);
  try { assert.deepEqual(bare(stored), bare(own)); } catch { return 'comes back changed'; }
  return undefined;
}

/** That server's index entries for a resource, each asked for; those that do not find it. */
async function indexed(pair, resource, entries) {
  const esc = (v) => v.replace(/[\\,|$]/g, '\\$&');
  const one = ({ type, value }) => ({
    Token: () => (value.code ? `${value.system ? `${esc(value.system)}|` : ''}${esc(value.code)}` : undefined),
    Reference: () => `${value.resourceType ? `${value.resourceType}/` : ''}${value.resourceId}`,
    String: () => esc(value.string),
    Uri: () => esc(value.uri),
    Date: () => (value.start === value.end ? value.start : [`ge${value.start}`, `le${value.end}`]),
  })[type]?.();
  const wrong = [];
  for (const e of entries) {
    const asked = e.type === 'Composite' ? e.value.components.map((c) => one({ type: c[0].resourceId ? 'Reference' : 'Token', value: c[0] })).join('$') : one(e);
    if (asked === undefined) continue;
    const all = [...[asked].flat().map((v) => [e.code, v]), ['_id', resource.id]];
    const answer = await fetch(`${pair.endpoint}/${resource.resourceType}?${new URLSearchParams(all)}`);
    if (answer.status !== 200 || !(await answer.json()).entry) wrong.push(`${e.code}=${asked}: ${answer.status}`);
  }
  return wrong.join(', ') || undefined;
}

test('the test resources of Microsoft\'s FHIR server', { skip }, async (t) => {
  const report = new Report('ms-testfiles'), place = scratch();
  const server = await serve(join(place.folder, 'data'), ['--no-auth', '--validation-level', 'off']);
  try {
    const pair = new Pair(data, server.endpoint), folder = join(place.folder, 'files');
    mkdirSync(folder);
    execFileSync('tar', ['--zstd', '-xf', join(data, 'suites/ms-testfiles.tar.zst'), '-C', folder]);
    for (const name of readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.json')).sort()) {
      if (name.endsWith('.indexes.json')) continue;
      const text = readFileSync(join(folder, name), 'utf8').replace(/^\ufeff/, ''), entries = join(folder, name.replace(/json$/, 'indexes.json'));
      let wrong;
      try { wrong = await store(pair, text); } catch (e) { wrong = e.message; }
      report.add(name, wrong);
      if (existsSync(entries)) report.add(name.replace(/json$/, 'indexes.json'), await indexed(pair, JSON.parse(text), JSON.parse(readFileSync(entries, 'utf8'))));
    }
    // The bundles, as they are meant.
    for (const name of readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.json')).sort()) {
      const text = readFileSync(join(folder, name), 'utf8').replace(/^\ufeff/, '');
      let bundle;
      try { bundle = JSON.parse(text); } catch { continue; }
      if (bundle.resourceType !== 'Bundle' || !/^(batch|transaction)$/.test(bundle.type)) continue;
      const post = async (endpoint) => {
        const answer = await fetch(endpoint, { method: 'POST', headers: { 'content-type': 'application/fhir+json', prefer: 'return=representation' }, body: text });
        return [answer, await answer.json()];
      };
      let [answer, json] = await post(pair.endpoint);
      if (answer.status === 412) { // what other files brought matches, too
        const fresh = await serve(join(place.folder, `fresh-${name.replace(/.*\//, '')}`), ['--no-auth', '--validation-level', 'off']);
        try { [answer, json] = await post(fresh.endpoint); } finally { await fresh.stop(); }
        report.add(`${name} posted`, bundleVerdict(name, answer, json));
        continue;
      }
      report.add(`${name} posted`, bundleVerdict(name, answer, json));
      const file = new File(pair, folder, report);
      await file.follow(json, text);
    }
    const rng = new Random(+(process.env.TARN_SEED ?? 7));
    const types = [...new Set(pair.world.of().map((r) => r.resourceType))];
    const { failed, asked, found: some } = await soak(pair, rng, types, { rounds: 8 });
    t.diagnostic(`${asked} random searches over them, ${some} find something`);
    assert.deepEqual(failed.map((f) => `${f.shown}: ${f.wrong}`), []);
    report.finish(t);
  } finally {
    await server.stop();
    place.remove();
  }
});

/** What the file's name says of it. */
function bundleVerdict(name, answer, json) {
  const status = answer.status;
  const bad = (json.entry ?? []).filter((e) => !/^2/.test(e.response?.status ?? '')).map((e) => e.response?.status);
  if (/Invalid|Missing|SameFullUrl|RollBack|MultipleResources/.test(name) && !/batch/i.test(json.type ?? ''))
    return status >= 400 ? undefined : `${status}, and should be refused`;
  if (status !== 200) return `${status} ${JSON.stringify(json).slice(0, 500)}`;
  return bad.length ? `entries ${bad.join(' ')} ${JSON.stringify(json.entry.find((e) => !/^2/.test(e.response.status)).response).slice(0, 300)}` : undefined;
}
