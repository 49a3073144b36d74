// search.test.mjs - every search parameter against an independent scan.
//
// The official R4 examples (TARN_DATA) go into a store through build/ask. For
// every parameter of every type but special that has values in them, queries made of these values are compared with what
// search-oracle.mjs finds by running the published FHIRPath expressions: after
// loading, after updates and deletes, and after a restart. build/ask --memory
// answers from a list of the same terms, which tells a wrong index from a wrong
// store. A part of the queries goes over HTTP, in the forms clients write them.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, root, scratch, serve } from './lib.mjs';
import { dateRange, isSorted, loadParams, order, plain, prefixes, queriesOf, reference, sortKey } from './search-oracle.mjs';

const base = 'http://us/r4';
const ask = process.env.TARN_ASK ?? join(root, 'build/ask');
const data = dataFolder();
const skip = (!data && 'no outside data (TARN_DATA)') || (!existsSync(ask) && 'build/ask is missing: make tools');

/** Send all lines, get all answers. */
function session(args, lines) {
  return new Promise((done, fail) => {
    const child = spawn(ask, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const parts = [];
    child.stdout.on('data', (d) => parts.push(d));
    child.on('error', fail);
    child.on('close', (status) => {
      const answers = Buffer.concat(parts).toString('utf8').split('\n').slice(0, -1);
      if (status !== 0) fail(new Error(`ask ended with ${status} after ${answers.length} of ${lines.length} answers`));
      else done(answers);
    });
    child.stdin.on('error', () => {});
    child.stdin.end(lines.join('\n') + '\n');
  });
}

function loadExamples(folder) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--zstd', '-xf', join(data, 'r4/examples.tar.zst'), '-C', folder]);
  const byName = new Map();
  for (const file of readdirSync(folder).filter((f) => f.endsWith('.json'))) {
    const resource = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    if (resource.id) byName.set(`${resource.resourceType}/${resource.id}`, resource);
  }
  return byName;
}

/** Every third resource takes over the next one's content, every fifth dies. */
function change(resources) {
  const lines = [];
  const byType = Map.groupBy(resources.values(), (r) => r.resourceType);
  for (const [type, list] of byType)
    list.forEach((r, i) => {
      const name = `${type}/${r.id}`;
      if (i % 5 === 4) {
        resources.delete(name);
        lines.push(`delete ${name}`);
      } else if (i % 3 === 0 && list.length > 1) {
        const changed = { ...list[(i + 1) % list.length], id: r.id };
        resources.delete(name); // the last written comes last
        resources.set(name, changed);
        lines.push(`put ${JSON.stringify(changed)}`);
      }
    });
  return lines;
}

/** All queries over the resources with the ids each must find. */
function expectations(paramsOf, resources) {
  const asked = [];
  const links = [], simples = new Map();
  let pairs = 0;
  const byType = Map.groupBy(resources.values(), (r) => r.resourceType);
  const byUrl = Map.groupBy([...resources.values()].filter((r) => paramsOf(r.resourceType).some((p) => p.code === 'url' && p.type === 'uri')), (r) => r.url);
  for (const [type, list] of byType) {
    const simple = [];
    for (const param of paramsOf(type)) {
      const values = list.map((r) => param.run(r));
      if (values.every((v) => v.length === 0)) continue;
      pairs++;
      if (param.type === 'reference') links.push(...linksOf(type, param, list, values, byUrl));
      for (const q of queriesOf(param, values.flat(), base)) {
        const found = list.map((r, i) => q.test(values[i]));
        asked.push({ text: `${type}?${q.text}`, ids: list.filter((r, i) => found[i]).map((r) => r.id).sort() });
        if (!/%3A/.test(q.text.split('=')[0])) simple.push({ text: q.text, found, name: q.text.split('=')[0], holds: (r) => q.test(param.run(r)) });
      }
    }
    asked.push(...combinations(type, list, simple));
    simples.set(type, simple);
    asked.push(...sortings(paramsOf, type, list, resources));
  }
  asked.push(...joins(links, simples, byType));
  return { asked, pairs };
}

/** [{ type, code, target, pairs: [[source id, target id]], within: [[source id, contained]] }] of one
 *  reference parameter. */
function linksOf(type, { code, target: mayBe }, list, values, byUrl) {
  const byId = list.flatMap((r, i) => values[i].map((v) => ({ from: r.id, to: reference(v, base) })).filter(({ to }) => to.type));
  // A canonical leads to what has its url, and its version if it says one.
  const byCanonical = list.flatMap((r, i) => values[i].map(plain).filter((v) => typeof v === 'string').flatMap((v) => {
    const [url, version] = v.split('|');
    return (byUrl.get(url) ?? []).filter((t) => mayBe?.includes(t.resourceType) && (!version || t.version === version)).map((t) => ({ from: r.id, to: { type: t.resourceType, id: t.id } }));
  }));
  const all = [...byId, ...byCanonical];
  const within = list.flatMap((r, i) => values[i].flatMap((v) => {
    const text = plain(v).reference;
    const inner = text?.startsWith?.('#') ? (r.contained ?? []).find((c) => c.id === text.slice(1)) : undefined;
    return inner ? [[r.id, inner]] : [];
  }));
  const targets = new Set([...all.map(({ to }) => to.type), ...within.map(([, c]) => c.resourceType)]);
  return [...targets].map((target) => ({
    type, code, target,
    pairs: all.filter(({ to }) => to.type === target).map(({ from, to }) => [from, to.id]),
    within: within.filter(([, c]) => c.resourceType === target),
    byUrl: byCanonical.some(({ to }) => to.type === target),
  }));
}

/** Chains and _has through every link that stays inside, one and two steps deep. */
function* joins(links, simples, byType) {
  for (const [n, { type, code, target, pairs, within, byUrl }] of links.entries()) {
    const there = byType.get(target) ?? [], here = byType.get(type);
    const known = new Set(there.map((r) => r.id));
    const inside = pairs.filter(([, to]) => known.has(to));
    if (inside.length + within.length === 0) continue;
    const sample = (simple) => simple.filter((q, i) => i % (Math.floor(simple.length / 4) + 1) === n % (Math.floor(simple.length / 4) + 1)).slice(0, 4);
    for (const q of sample(simples.get(target) ?? [])) {
      const found = new Set(there.filter((r, i) => q.found[i]).map((r) => r.id));
      const direct = inside.filter(([, to]) => found.has(to)), contained = within.filter(([, c]) => q.holds(c));
      yield { text: `${type}?${code}:${target}.${q.text}`, within: byUrl || contained.length > 0, ids: [...new Set([...direct, ...contained].map(([from]) => from))].sort() };
    }
    for (const q of sample(simples.get(type) ?? [])) {
      const found = new Set(here.filter((r, i) => q.found[i]).map((r) => r.id));
      const ids = new Set(inside.filter(([from]) => found.has(from)).map(([, to]) => to));
      yield { text: `${target}?_has:${type}:${code}:${q.text}`, within: byUrl, ids: [...ids].sort() };
      // and from there to what has the same link: siblings
      const siblings = inside.filter(([, to]) => ids.has(to)).map(([from]) => from);
      yield { text: `${type}?${code}:${target}._has:${type}:${code}:${q.text}`, within: byUrl, ids: [...new Set(siblings)].sort() };
    }
  }
}

/** _sort by one parameter, and by two: all that is of the type, in order. */
function* sortings(paramsOf, type, list, resources) {
  const place = new Map([...resources.keys()].map((name, i) => [name, i]));
  const sorted = paramsOf(type).filter(isSorted).filter((p) => list.some((r) => p.run(r).length));
  for (const [i, param] of sorted.entries())
    for (const keys of [[[param, false]], [[param, true]], [[sorted[(i + 1) % sorted.length], true], [param, false]]]) {
      const of = list.map((r) => ({ r, keys: keys.map(([p, down]) => sortKey(p, p.run(r), down)) }));
      of.sort((a, b) => {
        for (const [k, [, down]] of keys.entries()) {
          const [x, y] = [a.keys[k], b.keys[k]];
          if (x === undefined && y === undefined) continue;
          if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
          if (order(x, y)) return down ? -order(x, y) : order(x, y);
        }
        return place.get(`${type}/${a.r.id}`) - place.get(`${type}/${b.r.id}`);
      });
      yield { text: `${type}?_sort=${keys.map(([p, down]) => (down ? '-' : '') + p.code).join(',')}`, ids: of.map(({ r }) => r.id), sorted: true };
    }
  const ids = list.map((r) => r.id).sort();
  yield { text: `${type}?_sort=_id`, ids, sorted: true };
  yield { text: `${type}?_sort=-_id`, ids: [...ids].reverse(), sorted: true };
  yield { text: `${type}?_sort=-_lastUpdated`, ids: [...list].reverse().map((r) => r.id), sorted: true };
}

/** Repetition means all, a comma means any. */
function* combinations(type, list, simple) {
  const step = Math.max(1, Math.floor(simple.length / 40));
  for (let i = 0; i + step + 1 < simple.length; i += step) {
    const a = simple[i], b = simple[i + step], c = simple[i + 1];
    const ids = (test) => list.filter((r, k) => test(k)).map((r) => r.id).sort();
    yield { text: `${type}?${a.text}&${b.text}`, ids: ids((k) => a.found[k] && b.found[k]) };
    if (a.name === c.name)
      yield { text: `${type}?${a.text},${c.text.slice(c.name.length + 1)}`, ids: ids((k) => a.found[k] || c.found[k]) };
  }
}

function compare(stage, asked, answers) {
  const wrong = [];
  let refused = 0;
  asked.forEach(({ text, ids, sorted }, i) => {
    if (answers[i].startsWith('error: ') && /never refers to|never leads to/.test(answers[i])) { refused++; return; }
    const got = answers[i].split(' ');
    const found = sorted ? got.slice(1) : got.slice(1).sort();
    if (+got[0] === ids.length && found.join(' ') === ids.join(' ')) return;
    wrong.push(`${text}\n      expected ${ids.length}: ${ids.slice(0, 12).join(' ')}\n      answered ${answers[i].slice(0, 300)}`);
  });
  const shown = wrong.slice(0, 40).join('\n   ');
  assert.equal(wrong.length, 0, `${stage}: ${wrong.length} of ${asked.length} queries differ\n   ${shown}`);
  return refused;
}

async function run(args, t, stageCount = 3, canSort = true) {
  const place = scratch();
  try {
    const resources = loadExamples(join(place.folder, 'examples'));
    const paramsOf = loadParams(data);
    const first = expectations(paramsOf, resources);
    const lines = [...resources.values()].map((r) => `put ${JSON.stringify(r)}`);
    const stages = [['loaded', first.asked, lines]];
    const changes = change(resources);
    const second = expectations(paramsOf, resources);
    stages.push(['changed', second.asked, changes]);
    stages.push(['reopened', second.asked, ['reopen']]);
    stages.length = stageCount;
    // A list of terms has no bodies to look into.
    if (!canSort) for (const stage of stages) stage[1] = stage[1].filter((q, i) => !q.sorted && !q.within && i % 5 === 0); // each looks at every term
    const all = stages.flatMap(([, asked, before]) => [...before, ...asked.map((q) => `search ${q.text}`)]);
    const answers = await session(args(place.folder), all);
    let at = 0;
    for (const [stage, asked, before] of stages) {
      for (const line of before) assert.equal(answers[at++], 'ok', line.slice(0, 200));
      const refused = compare(stage, asked, answers.slice(at, at + asked.length));
      at += asked.length;
      t.diagnostic(`${stage}: ${asked.length} queries agree (${refused} name a type the parameter never refers to)`);
    }
    t.diagnostic(`${first.pairs} parameters of ${lines.length} examples have values`);
    assert.ok(first.pairs > 1000);
  } finally {
    place.remove();
  }
}

test('a list of the terms answers as an independent scan does', { skip }, (t) => run(() => ['--memory'], t, 1, false));
test('the store answers as an independent scan does, after changes and a restart too', { skip },
  (t) => run((folder) => [join(folder, 'store')], t));

/* ---- over HTTP ---- */

const headers = { 'content-type': 'application/fhir+json' };

async function bundleOf(url, init) {
  const answer = await fetch(url, init);
  const text = await answer.text();
  assert.equal(answer.status, 200, `${url}: ${text.slice(0, 500)}`);
  return JSON.parse(text);
}

/** All ids of a search, page by page; `total` must say how many. */
async function idsOf(first, init) {
  const ids = [];
  let bundle = await bundleOf(first, init);
  const { total } = bundle;
  for (;;) {
    ids.push(...(bundle.entry ?? []).map((e) => e.resource.id));
    const next = bundle.link.find((l) => l.relation === 'next')?.url;
    if (!next) break;
    bundle = await bundleOf(next);
  }
  assert.equal(new Set(ids).size, ids.length, `${first}: an id twice`);
  if (total !== undefined) assert.equal(total, ids.length, `${first}: total`);
  return ids.sort();
}

/** The same question in the ways that clients write it. */
function* forms(endpoint, text) {
  const [type, query] = text.split('?');
  const total = '&_total=accurate';
  yield [`${endpoint}/${type}?${query}${total}`];
  yield [`${endpoint}/${type}?${query}&_count=3${total}`];
  // What need not be encoded stands raw.
  yield [`${endpoint}/${type}?${query.replace(/%(7C|3A|2F|2C|24|40)/g, (c) => decodeURIComponent(c))}${total}`];
  yield [`${endpoint}/${type}/_search`, { method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `${query.replaceAll('%20', '+')}${total}` }];
}

async function askOverHttp(endpoint, asked) {
  let number = 0;
  for (let i = 0; i < asked.length; i += 29) {
    const { text, ids } = asked[i];
    if (/=ap\d{4}|_sort=/.test(text)) continue; // of a date: depends on now
    if (/%3A[A-Z]|:/.test(text.split('=')[0])) continue; // :[Type] may be refused
    const all = [...forms(endpoint, text)];
    const [url, init] = all[(i / 29) % all.length];
    assert.deepEqual(await idsOf(url, init), ids, `${url} ${init?.body ?? ''}`);
    number++;
  }
  return number;
}

async function askWhen(endpoint, type) {
  const bundle = await bundleOf(`${endpoint}/${type}?_count=1000`);
  const when = bundle.entry.map(({ resource }) => [resource.id, dateRange(resource.meta.lastUpdated)]);
  const texts = bundle.entry.slice(0, 3).map(({ resource }) => resource.meta.lastUpdated);
  let number = 0;
  for (const asked of texts.flatMap((t) => [t, `${t.slice(0, 19)}Z`, `${t.slice(0, 16)}Z`, t.slice(0, 10)]))
    for (const prefix of Object.keys(prefixes)) {
      // A stored instant is a point.
      const holds = ([, [at]]) => prefixes[prefix](dateRange(asked), [at, at + 1]);
      const ids = when.filter(holds).map(([id]) => id).sort();
      assert.deepEqual(await idsOf(`${endpoint}/${type}?_lastUpdated=${prefix}${asked}`), ids, prefix + asked);
      number++;
    }
  return number;
}

test('the server answers so over HTTP, whatever the form of the query', { skip }, async (t) => {
  const place = scratch();
  const resources = loadExamples(join(place.folder, 'examples'));
  const { asked } = expectations(loadParams(data), resources);
  const server = await serve(join(place.folder, 'data'), ['--no-auth', '--validation-level', 'off']); // faulty examples too
  try {
    for (const [name, resource] of resources) {
      const answer = await fetch(`${server.endpoint}/${name}`, { method: 'PUT', headers, body: JSON.stringify(resource) });
      assert.ok(answer.ok, `${name}: ${await answer.text()}`);
    }
    for (const q of asked) q.text = q.text.replaceAll(encodeURIComponent(base), encodeURIComponent(server.endpoint));
    const number = await askOverHttp(server.endpoint, asked);
    const instants = await askWhen(server.endpoint, 'Observation');
    t.diagnostic(`${number} queries agree, ${instants} of _lastUpdated`);
  } finally {
    assert.equal((await server.stop()).status, 0);
    place.remove();
  }
});
