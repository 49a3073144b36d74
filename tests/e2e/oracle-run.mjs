// oracle-run.mjs - load a server and a World alike, ask both, compare.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { World, Refused, Unknown, containing, find, inCompartment, includes, order } from './oracle.mjs';
import { search } from './oracle-queries.mjs';
import { compile } from './search-oracle.mjs';

const headers = { 'content-type': 'application/fhir+json', prefer: 'return=representation' };
const nameOf = (r) => `${r.resourceType}/${r.id}`;

/** JSON files of an archive, parsed. */
export function unpack(data, archive, folder, wanted = () => true) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--zstd', '-xf', join(data, archive), '-C', folder]);
  return readdirSync(folder, { recursive: true }).filter((f) => f.endsWith('.json') && wanted(f)).sort()
    .map((f) => JSON.parse(readFileSync(join(folder, f), 'utf8')));
}

/** A transaction of POSTs as resources with ids of their own, references rewritten. */
export function settled(bundle) {
  const names = new Map(bundle.entry.map((e) => [e.fullUrl, `${e.resource.resourceType}/${e.resource.id}`]));
  const text = JSON.stringify(bundle.entry.map((e) => e.resource));
  return JSON.parse(text.replace(/"(urn:uuid:[0-9a-f-]+)"/g, (all, url) => (names.has(url) ? JSON.stringify(names.get(url)) : all)));
}

/** The server and what it holds. */
export class Pair {
  constructor(data, endpoint) { Object.assign(this, { endpoint, world: new World(data, endpoint), moments: [] }); }

  /** One transaction; what it answers is what the World holds. */
  async write(puts, deletes = []) {
    const entry = [...deletes.map((name) => ({ request: { method: 'DELETE', url: name } })),
      ...puts.map((resource) => ({ resource, request: { method: 'PUT', url: nameOf(resource) } }))];
    const answer = await fetch(this.endpoint, { method: 'POST', headers, body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }) });
    const text = await answer.text();
    assert.equal(answer.status, 200, text.slice(0, 2000));
    for (const name of deletes) this.world.delete(name);
    let last;
    for (const { resource } of JSON.parse(text).entry.slice(deletes.length)) {
      // An equal PUT writes nothing.
      if (this.world.get(nameOf(resource))?.meta.versionId === resource.meta.versionId) continue;
      this.world.put(resource);
      last = resource.meta.lastUpdated;
    }
    return last;
  }
  /** SearchParameters that the store is to learn; the World of the same data folder, too. */
  async learn(params, types) {
    await this.write(params);
    for (const p of params)
      for (const base of p.base[0] === 'Resource' ? types : p.base) this.world.definitions.params(base).set(p.code, compile(p));
    this.world.forget();
  }
  /** The present state, to be asked for later. */
  remember(instant) { this.moments.push({ instant, world: this.world.clone() }); }
}

const text = (all) => all.map(([n, v]) => `${encodeURIComponent(n)}=${encodeURIComponent(v)}`).join('&');

/** A parameter of the store's own may still be indexed: then it is asked again. */
export async function patient(url, init) {
  for (let tries = 0; ; tries++) {
    const answer = await fetch(url, init);
    if (answer.status !== 503 || tries > 400) return answer;
    await answer.text();
    await new Promise((r) => setTimeout(r, 25));
  }
}

async function bundleOf(url, init) {
  const answer = await patient(url, init);
  const body = await answer.text();
  if (answer.status !== 200) throw new Error(`${answer.status} ${body.slice(0, 700)}`);
  return JSON.parse(body);
}

const link = (bundle, relation) => bundle.link.find((l) => l.relation === relation)?.url;
const names = (bundle, mode) => (bundle.entry ?? []).filter((e) => (e.search?.mode ?? 'match') === mode).map((e) => nameOf(e.resource));

/** All pages forwards, and for some all of them backwards. */
async function pages(url, init, isBack) {
  const all = [await bundleOf(url, init)];
  while (link(all.at(-1), 'next')) {
    all.push(await bundleOf(link(all.at(-1), 'next')));
    if (all.length > 4000) throw new Error('pages without end');
  }
  if (isBack) {
    let at = all.length - 1;
    for (let page = all[at]; link(page, 'previous'); ) {
      page = await bundleOf(link(page, 'previous'));
      at--;
      assert.deepEqual(names(page, 'match'), names(all[at] ?? {}, 'match'), `page ${at} backwards`);
    }
    assert.equal(at, 0, 'backwards ends at the first page');
  }
  return all;
}

/** What a search must find, in order: { path, criteria, result } as oracle-queries.mjs makes it. */
export function expectation(world, q) {
  const parts = q.path.split('/').filter(Boolean);
  const of = (name) => q.result.find(([n]) => n === name)?.[1];
  const last = parts.length % 2 ? parts.at(-1) : '*';
  const types = last !== '*' ? [last] : of('_type')?.split(',') ?? [...new Set(world.of().map((r) => r.resourceType))];
  const members = parts.length > 1 ? new Set(inCompartment(world, `${parts[0]}/${parts[1]}`, last)) : undefined;
  const found = new Set(types.flatMap((type) => find(world, type, q.criteria)));
  const inside = of('_contained');
  if (inside) {
    const within = new Set(containing(world, types[0], q.criteria));
    return order(world, types[0], world.of().filter((r) => within.has(r) || (inside === 'both' && found.has(r))), of('_sort'));
  }
  const all = last === '*' ? world.of().filter((r) => found.has(r)) : [...found];
  const sort = of('_sort') === '_score' ? undefined : of('_sort');
  return order(world, types[0], members ? all.filter((r) => members.has(r)) : all, sort);
}

/** { passed, shown, size } or { wrong, shown }: one search asked both ways. */
export async function ask(pair, q, { asof, post, total, back, count } = {}) {
  const world = asof?.world ?? pair.world;
  const all = [...q.criteria, ...q.result], subset = q.result.find(([n]) => n === '_summary' || n === '_elements');
  count &&= !subset;
  if (total || count) all.push(count ? ['_summary', 'count'] : ['_total', 'accurate']);
  if (asof) all.push(['_asof', asof.instant]);
  const url = `${pair.endpoint}/${q.path}`.replace(/\/$/, '');
  const shown = `${post ? 'POST ' : ''}${q.path}?${all.map(([n, v]) => `${n}=${v}`).join('&')}`;
  let expected;
  try {
    expected = expectation(world, q);
  } catch (e) {
    if (e instanceof Unknown || e instanceof Refused) return { passed: true, shown, untold: true };
    throw e;
  }
  const init = post ? { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: text(all) } : undefined;
  try {
    const got = await pages(post ? `${url}/_search` : `${url}?${text(all)}`, init, back && !count);
    if (total || count) assert.equal(got[0].total, expected.length, 'total');
    if (count) return { passed: true, shown, size: expected.length };
    const matches = got.flatMap((b) => names(b, 'match'));
    const isRanked = q.result.some(([n, v]) => n === '_sort' && v === '_score');
    if (isRanked) ranked(got.flatMap((b) => b.entry ?? []).filter((e) => e.search.mode === 'match'));
    const diff = isRanked ? difference(expected.map(nameOf).sort(), [...matches].sort()) : difference(expected.map(nameOf), matches);
    if (diff) return { shown, wrong: diff };
    for (const e of subset ? got.flatMap((b) => b.entry ?? []).filter((x) => x.search.mode === 'match') : [])
      partly(subset, e.resource, world.get(nameOf(e.resource)));
    const size = +(q.result.find(([n]) => n === '_count')?.[1] ?? 100);
    for (const [n, b] of got.entries()) {
      assert.equal(names(b, 'match').length, Math.min(size, expected.length - n * size), `size of page ${n}`);
      const added = names(b, 'include');
      const want = [...includes(world, q.result, names(b, 'match').map((m) => world.get(m)))];
      assert.deepEqual([...added].sort(), want.sort(), `included on page ${n}`);
    }
    return { passed: true, shown, size: expected.length };
  } catch (e) {
    // Value sets that need code systems nobody may give away; chains without types that
    // fork at each of several references which may name any of 40 types.
    if (/^400 .*(cannot be expanded here|is not known here|A search may have 4096 values|forks at each reference)/.test(e.message)) return { passed: true, shown, untold: true };
    return { shown, wrong: String(e.message).slice(0, 1500) };
  }
}

/** The best first; no score where there is nothing to rank by, then as they were written. */
function ranked(entries) {
  const scores = entries.map((e) => e.search.score).filter((s) => s !== undefined);
  assert.ok(scores.length === 0 || scores.length === entries.length, 'all have a score, or none');
  scores.forEach((s, i) => assert.ok(s >= 0 && s <= 1 && (!i || s <= scores[i - 1]), `score ${s} behind ${scores[i - 1]}`));
}

const isPart = (part, whole) => (typeof part !== 'object' || part === null ? Object.is(part, whole)
  : typeof whole === 'object' && whole !== null && Object.keys(part).every((k) => isPart(part[k], whole[k])));

/** What _summary or _elements leave of a resource: parts of it, marked, with what was asked for. */
function partly([name, value], part, whole) {
  const { meta, ...rest } = part, { meta: own, ...all } = whole;
  const isMarked = (meta?.tag ?? []).some((t) => t.code === 'SUBSETTED');
  const ownTags = (own.tag ?? []).some((t) => t.code === 'SUBSETTED');
  assert.equal(isMarked, value !== 'false' || ownTags, `SUBSETTED of ${nameOf(whole)}`);
  assert.equal(meta.versionId, own.versionId);
  assert.equal(meta.lastUpdated, own.lastUpdated);
  assert.equal(part.id, whole.id);
  assert.ok(isPart(rest, all), `${nameOf(whole)} has no such parts: ${JSON.stringify(rest).slice(0, 300)}`);
  const keep = value === 'false' ? Object.keys(all) : value === 'data' && name === '_summary' ? Object.keys(all).filter((k) => k !== 'text')
    : value === 'text' && name === '_summary' ? ['text'] : name === '_elements' ? value.split(',') : [];
  for (const k of keep) assert.deepEqual(part[k], whole[k], `${k} of ${nameOf(whole)}`);
  if (value === 'data' && name === '_summary') assert.equal(part.text, undefined);
}

function difference(expected, got) {
  const e = new Set(expected), g = new Set(got);
  const missing = expected.filter((x) => !g.has(x)), extra = got.filter((x) => !e.has(x));
  const head = (a) => a.slice(0, 6).join(' ');
  if (missing.length || extra.length || got.length !== g.size)
    return `of ${expected.length}: ${missing.length} missing (${head(missing)}), ${extra.length} too many (${head(extra)})${got.length !== g.size ? ', one twice' : ''}`;
  const at = expected.findIndex((x, i) => x !== got[i]);
  return at < 0 ? undefined : `order differs at ${at} of ${expected.length}: expected ${head(expected.slice(at))}; got ${head(got.slice(at))}`;
}

/** Random writes: contents wander between resources of a type, some die, some return. */
export async function change(pair, rng, types) {
  const puts = new Map(), deletes = new Set();
  for (let n = 1 + rng.below(8); n > 0; n--) {
    const all = pair.world.of(rng.of(types));
    if (!all.length) continue;
    const r = rng.of(all), name = nameOf(r);
    if (puts.has(name) || deletes.has(name)) continue;
    if (rng.chance(0.25)) { deletes.add(name); continue; }
    const content = rng.of(all);
    // A transaction would ask what matches it by now, which may be several.
    if (/"reference":\s*"[^"]*\?/.test(JSON.stringify(content))) continue;
    const id = rng.chance(0.2) ? `${r.id.slice(0, 50)}-x${rng.below(99)}` : r.id;
    puts.set(`${r.resourceType}/${id}`, { ...structuredClone(content), id });
  }
  for (const name of puts.keys()) deletes.delete(name);
  if (!puts.size) return;
  const last = await pair.write([...puts.values()], [...deletes]);
  if (last) pair.remember(last);
  if (pair.moments.length > 12) pair.moments.splice(1 + rng.below(10), 1);
}

/** Rounds of queries with writes between them; what failed. */
export async function soak(pair, rng, types, { until, rounds, each = 60, log }) {
  const failed = [];
  let asked = 0, untold = 0, found = 0;
  for (let round = 0; until ? Date.now() < until : round < rounds; round++) {
    const batch = [];
    for (let i = 0; i < each; i++) {
      const asof = pair.moments.length && rng.chance(0.25) ? rng.of(pair.moments) : undefined;
      const q = search(rng, asof?.world ?? pair.world, types);
      if (!q) continue;
      const options = { asof, post: rng.chance(0.15), total: rng.chance(0.5), back: rng.chance(0.3), count: rng.chance(0.05) };
      batch.push(() => ask(pair, q, options));
    }
    const width = 8;
    for (let i = 0; i < batch.length; i += width)
      for (const answer of await Promise.all(batch.slice(i, i + width).map((f) => f()))) {
        asked++;
        if (answer.untold) untold++;
        if (answer.size) found++;
        if (!answer.passed) { failed.push(answer); log?.(answer); }
      }
    await change(pair, rng, types);
  }
  return { failed, asked, untold, found };
}
