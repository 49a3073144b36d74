// suite-testscript.test.mjs - TestScript resources, run as R4 describes them.
//
// suites/testscript (TARN_DATA) and the TestScripts among R4's examples: fixtures,
// variables, setup, tests and teardown; each operation and each assert is a case. What a
// script asks in XML is asked in JSON, which is all the store speaks; XPaths over names
// are walked in the JSON. Values that a user is to fill in come from the fixtures.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import { dataFolder, scratch, serve } from './lib.mjs';
import { unpack } from './oracle-run.mjs';
import { Report } from './suites.mjs';

const data = dataFolder();
const skip = !data && 'no outside data (TARN_DATA)';
const STATUS = { okay: 200, created: 201, noContent: 204, notModified: 304, bad: 400, forbidden: 403, notFound: 404, methodNotAllowed: 405, conflict: 409, gone: 410, preconditionFailed: 412, unprocessable: 422 };
const USER = { PatientSearchFamilyName: 'Chalmers', PatientSearchGivenName: 'Peter' };

const list = (v) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);
/** What "fhir:Patient/fhir:name/fhir:family/@value" selects; its first. */
const xpath = (resource, path) => path.split('/').slice(1).map((p) => p.replace('fhir:', '')).filter((p) => p !== '@value')
  .reduce((at, name) => at.flatMap((v) => list(v?.[name])), [resource])[0];
const fhir = (resource, expression) => fhirpath.evaluate(resource, expression, { resource }, r4);

/** All that is in `least` is in `whole`, lists in any order. */
const contains = (whole, least) => (Array.isArray(least) ? Array.isArray(whole) && least.every((x) => whole.some((y) => contains(y, x)))
  : least !== null && typeof least === 'object' ? Object.entries(least).every(([k, v]) => contains(whole?.[k], v)) : whole === least);

const compare = {
  equals: (a, b) => String(a) === b, notEquals: (a, b) => String(a) !== b,
  in: (a, b) => b.split(',').includes(String(a)), notIn: (a, b) => !b.split(',').includes(String(a)),
  greaterThan: (a, b) => +a > +b, lessThan: (a, b) => +a < +b,
  empty: (a) => a === undefined || a === null || a === '', notEmpty: (a) => a !== undefined && a !== null && a !== '',
  contains: (a, b) => String(a ?? '').includes(b), notContains: (a, b) => !String(a ?? '').includes(b),
};

class Engine {
  constructor(endpoint, script, fixtureOf) {
    Object.assign(this, { endpoint, script, fixtures: new Map(), targets: new Map(), responses: new Map() });
    for (const f of script.fixture ?? []) this.fixtures.set(f.id, fixtureOf(f.resource.reference));
  }
  variable(name) {
    const v = (this.script.variable ?? []).find((x) => x.name === name);
    const source = this.responses.get(v?.sourceId);
    const resource = this.fixtures.get(v?.sourceId) ?? source?.json ?? this.last?.json;
    if (v?.headerField) return source?.headers.get(v.headerField);
    if (v?.path && resource) return xpath(resource, `x/${v.path.split('/').slice(1).join('/')}`);
    if (v?.expression && resource) return fhir(resource, v.expression)[0];
    return v?.defaultValue ?? USER[name];
  }
  fill(text) { return text.replace(/\$\{(\w+)\}/g, (all, name) => this.variable(name) ?? all); }

  async operation(o) {
    const source = this.fixtures.get(o.sourceId), target = this.fixtures.get(o.targetId) ?? this.responses.get(o.targetId)?.json;
    const type = o.resource ?? target?.resourceType ?? source?.resourceType;
    const method = { create: 'POST', update: 'PUT', delete: 'DELETE' }[o.type?.code] ?? 'GET';
    let url = o.url ? this.fill(o.url) : `${this.endpoint}/${type}${o.params ? this.fill(o.params) : target ? `/${target.id}` : ''}`;
    if (o.type?.code === 'history' && !o.params) url += '/_history';
    if (!/^http/.test(url)) url = `${this.endpoint}/${url}`;
    // The id of the fixture is replaced by the one it is stored under.
    const id = method === 'PUT' ? url.split('/').at(-1) : source?.id;
    const body = source && ['POST', 'PUT'].includes(method) ? JSON.stringify({ ...source, id }) : undefined;
    const answer = await fetch(url, { method, body, headers: { accept: 'application/fhir+json', ...(body ? { 'content-type': 'application/fhir+json' } : {}) } });
    const text = await answer.text();
    this.last = { url, status: answer.status, headers: answer.headers, text, json: text ? JSON.parse(text) : undefined };
    if (o.responseId) this.responses.set(o.responseId, this.last);
    return undefined;
  }

  async assert(a) {
    const from = a.sourceId ? { json: this.responses.get(a.sourceId)?.json ?? this.fixtures.get(a.sourceId) } : this.last;
    const operator = compare[a.operator ?? 'equals'];
    const tell = (value, asked) => (operator(value, asked) ? undefined : `${a.operator ?? 'equals'}: ${value} and ${asked}`);
    if (a.responseCode) return tell(this.last.status, a.responseCode);
    if (a.response) return this.last.status === STATUS[a.response] ? undefined : `${this.last.status} for ${a.response}`;
    if (a.requestURL) return tell(this.last.url, a.requestURL);
    if (a.headerField) return tell(this.last.headers.get(a.headerField) ?? undefined, a.value);
    if (a.contentType) return (this.last.headers.get('content-type') ?? '').includes(a.contentType) ? undefined : `${this.last.headers.get('content-type')}`;
    if (a.resource) return this.last.json?.resourceType === a.resource ? undefined : `${this.last.json?.resourceType}`;
    if (a.navigationLinks) return this.navigation();
    if (a.minimumId) return contains(from.json, this.fixtures.get(a.minimumId)) ? undefined : 'something of the fixture is not there';
    if (a.validateProfileId) return this.validate(a.validateProfileId);
    const other = this.fixtures.get(a.compareToSourceId) ?? this.responses.get(a.compareToSourceId)?.json;
    const asked = a.compareToSourceExpression ? fhir(other, a.compareToSourceExpression)[0] : a.compareToSourcePath ? xpath(other, a.compareToSourcePath) : a.value ?? 'true';
    if (a.expression) return tell(fhir(from.json, a.expression)[0], String(asked));
    if (a.path) return tell(xpath(from.json, a.path), String(asked));
    return 'an assert of an unknown kind';
  }
  /** Self, and next and previous where there are such; all of them lead to Bundles. */
  async navigation() {
    const links = this.last.json?.link ?? [];
    if (!links.some((l) => l.relation === 'self')) return 'no self link';
    for (const l of links) {
      const answer = await fetch(l.url);
      if (answer.status !== 200 || (await answer.json()).resourceType !== 'Bundle') return `${l.relation}: ${answer.status}`;
    }
    return undefined;
  }
  async validate(id) {
    const url = this.script.profile.find((p) => p.id === id).reference;
    const answer = await fetch(`${this.endpoint}/${this.last.json.resourceType}/$validate?profile=${encodeURIComponent(url)}`, { method: 'POST', body: this.last.text, headers: { 'content-type': 'application/fhir+json' } });
    const outcome = await answer.json();
    const bad = (outcome.issue ?? []).filter((i) => /error|fatal/.test(i.severity));
    return answer.status === 200 && !bad.length ? undefined : `${answer.status} ${JSON.stringify(bad).slice(0, 400)}`;
  }

  async run(report, name) {
    const parts = [['setup', this.script.setup], ...(this.script.test ?? []).map((t) => [t.id ?? t.name, t]), ['teardown', this.script.teardown]];
    for (const [part, { action } = {}] of parts)
      for (const [i, { operation, assert }] of (action ?? []).entries()) {
        const what = operation ? `${operation.type?.code} ${operation.label ?? ''}` : assert.label ?? assert.description;
        let wrong;
        try { wrong = operation ? await this.operation(operation) : await this.assert(assert); } catch (e) { wrong = e.message; }
        report.add(`${name} ${part} ${i + 1} ${what}`.replace(/\s+/g, ' ').trim(), wrong, assert?.warningOnly ? 'a warning only' : '');
      }
  }
}

test('TestScripts', { skip }, async (t) => {
  const report = new Report('testscript'), place = scratch();
  const folder = join(data, 'suites/testscript');
  const examples = unpack(data, 'r4/examples.tar.zst', join(place.folder, 'examples'));
  const fixtureOf = (reference) => {
    const file = join(folder, reference);
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
    return examples.find((r) => `${r.resourceType}/${r.id}` === reference);
  };
  const scripts = readdirSync(folder).filter((f) => f.endsWith('.json')).sort().map((f) => [f, JSON.parse(readFileSync(join(folder, f), 'utf8'))]);
  for (const s of examples.filter((r) => r.resourceType === 'TestScript')) scripts.push([`R4 ${s.id}`, s]);
  try {
    for (const [name, script] of scripts) {
      const server = await serve(join(place.folder, name.replace(/\W/g, '-')), ['--no-auth']);
      try {
        // "a known Patient": the read tests mean one that is there.
        if (/readtest/.test(script.id)) await fetch(`${server.endpoint}/Patient/example`, { method: 'PUT', body: JSON.stringify(fixtureOf('fixtures/Patient/example.json')), headers: { 'content-type': 'application/fhir+json' } });
        await new Engine(server.endpoint, script, fixtureOf).run(report, name);
      } finally {
        await server.stop();
      }
    }
    report.finish(t);
  } finally {
    place.remove();
  }
});
