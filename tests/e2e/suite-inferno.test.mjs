// suite-inferno.test.mjs - the requests that Inferno's US Core suites make.
//
// suites/inferno-us-core (TARN_DATA) holds what the suites for US Core 3.1.1, 5.0.1 and
// 7.0.0 asked Inferno's reference server, test by test. Here they are asked again, of a
// store with that server's own records (US Core member 85 and others) and US Core's
// examples in place of its two members that are not to be had. Ids that server gave, and
// its page links, are exchanged for ours. Each search must find what oracle.mjs finds, on
// all pages, with what it includes; POST must agree with GET; what was found is read.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dataFolder, scratch, serve } from './lib.mjs';
import { pairs } from './oracle.mjs';
import { Pair, ask, settled, unpack } from './oracle-run.mjs';
import { compile, ndjson } from './search-oracle.mjs';
import { Report } from './suites.mjs';

const data = dataFolder();
const skip = !data && 'no outside data (TARN_DATA)';

/** US Core's examples, whose members stand in for those that the reference server has. */
function examples(folder) {
  const text = JSON.stringify(unpack(data, 'ig/us-core-7.0.0-examples.tar.zst', folder));
  const renamed = text.replace(/"Patient\/(child-example|example)"/g, (all, id) => `"Patient/${id === 'example' ? 355 : 907}"`);
  const all = JSON.parse(renamed).filter((r) => r.id && r.resourceType !== 'Bundle');
  for (const r of all) if (r.resourceType === 'Patient') r.id = { example: '355', 'child-example': '907' }[r.id] ?? r.id;
  return all;
}

/** What US Core adds to R4's parameters. */
function customParams(folder, definitions) {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--zstd', '-xf', join(data, 'ig/us-core-7.0.0.tar.zst'), '-C', folder]);
  const all = readdirSync(join(folder, 'package')).filter((f) => f.startsWith('SearchParameter-'))
    .map((f) => JSON.parse(readFileSync(join(folder, 'package', f), 'utf8')));
  return all.filter((p) => p.expression && !p.code.startsWith('_') && p.base.some((base) => !definitions.params(base).has(p.code)));
}

class Suite {
  constructor(pair, origin) { Object.assign(this, { pair, origin, given: new Map(), used: new Map() }); }

  /** The resource that stands for the one the reference server gave this id. */
  resource(type, id) {
    const name = `${type}/${id}`, own = this.pair.world.get(name);
    if (own) return own;
    if (!this.given.has(name)) {
      const all = this.pair.world.of(type), n = this.used.get(type) ?? 0;
      this.used.set(type, n + 1);
      this.given.set(name, all[n % Math.max(1, all.length)]);
    }
    return this.given.get(name);
  }
  exchange(type, query) {
    return query.map(([name, value]) => {
      const m = value.match(/^(?:([A-Z]\w+)\/)?([0-9a-f]{8}-[0-9a-f-]{27})$/);
      if (!m || name === 'identifier') return [name, value];
      const own = this.resource(m[1] ?? type, m[2]);
      return [name, own ? `${m[1] ? `${m[1]}/` : ''}${own.id}` : value];
    });
  }
  async search(path, query, post) {
    const all = this.exchange(path, query);
    const isResult = ([name]) => /^_(include|revinclude)/.test(name);
    return ask(this.pair, { path, criteria: all.filter((p) => !isResult(p)), result: all.filter(isResult) }, { post });
  }

  /** { wrong, found } of one request; `last` is the search before it. */
  async request({ verb, url, status, test }, state) {
    const [path, query = ''] = url.split('?');
    if (url.startsWith('?_getpages') || url.startsWith('/?_getpages')) return {}; // search() follows all pages
    if (path === '/metadata') return { wrong: await this.metadata(test) };
    if (verb === 'POST') {
      // The form's content is not recorded: it is that of the GET before.
      if (!state.last) return { wrong: 'no search before it' };
      const answer = await this.search(...state.last, true);
      return { wrong: answer.wrong, found: answer.size };
    }
    const [, type, id] = path.split('/');
    if (id) {
      const own = this.resource(type, id);
      if (!own) return {};
      const answer = await fetch(`${this.pair.endpoint}/${type}/${own.id}`);
      const got = await answer.json();
      if (answer.status !== 200 || got.resourceType !== type || got.id !== own.id) return { wrong: `${url}: ${answer.status}` };
      return { found: 1 };
    }
    state.last = [type, pairs(query)];
    const answer = await this.search(...state.last);
    // Where that server knew no such parameter, ours does.
    assert.ok(status === 200 || status === 400);
    return { wrong: answer.wrong && `${answer.shown}: ${answer.wrong}`, found: answer.size };
  }
  async metadata(name) {
    const answer = await fetch(`${this.pair.endpoint}/metadata`);
    const c = await answer.json();
    if (answer.status !== 200 || c.resourceType !== 'CapabilityStatement') return `metadata: ${answer.status}`;
    if (/conformance_support/.test(name) && c.fhirVersion !== '4.0.1') return `fhirVersion ${c.fhirVersion}`;
    if (/json_support/.test(name) && !c.format.some((f) => ['json', 'application/fhir+json'].includes(f))) return `format ${c.format}`;
    const profiles = c.rest[0].resource.flatMap((r) => r.supportedProfile ?? []);
    if (/profile_support/.test(name) && !profiles.some((p) => p.includes('/us/core/'))) return 'no profile of US Core';
    if (/instantiate/.test(name) && !(c.instantiates ?? []).some((u) => u.includes('us-core-server'))) return `instantiates ${c.instantiates}`;
    return undefined;
  }
}

test('Inferno\'s US Core requests', { skip }, async (t) => {
  const place = scratch();
  const server = await serve(join(place.folder, 'data'), ['--no-auth', '--validation-level', 'off']);
  const report = new Report('inferno-us-core');
  try {
    const pair = new Pair(data, server.endpoint);
    const bundles = unpack(data, 'patients/inferno-reference-server.tar.zst', join(place.folder, 'members'));
    await pair.write(examples(join(place.folder, 'examples')));
    for (const b of bundles) await pair.write(b.resourceType === 'Bundle' ? settled(b) : [b]);
    const customs = customParams(join(place.folder, 'ig'), pair.world.definitions);
    for (const p of customs) {
      const answer = await fetch(`${pair.endpoint}/SearchParameter/${p.id}`, { method: 'PUT', headers: { 'content-type': 'application/fhir+json', prefer: 'return=representation' }, body: JSON.stringify(p) });
      assert.ok(answer.ok, `${p.id}: ${await answer.clone().text()}`);
      pair.world.put(await answer.json());
      for (const base of p.base) pair.world.definitions.params(base).set(p.code, compile({ ...p, expression: p.expression }));
    }
    let empty = 0;
    for (const version of ['311', '501', '700']) {
      const rows = ndjson(join(data, `suites/inferno-us-core/requests-${version}.ndjson`));
      const suite = new Suite(pair, server.origin);
      for (const [name, requests] of Map.groupBy(rows, (r) => r.test)) {
        const state = {}, wrong = [];
        let found = 0;
        for (const r of requests) {
          const answer = await suite.request(r, state);
          if (answer.wrong) wrong.push(answer.wrong);
          found += answer.found ?? 0;
        }
        const isEmpty = !found && !/capability_statement/.test(name);
        empty += isEmpty;
        report.add(name.replace(/^us_core_v(\d+)_fhir_api-/, '$1 '), wrong[0], isEmpty ? 'nothing of it is in the data' : '');
      }
    }
    t.diagnostic(`${empty} cases find nothing`);
    report.finish(t);
  } finally {
    await server.stop();
    place.remove();
  }
});
