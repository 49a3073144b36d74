// oracle.mjs - a whole search answered by looking at every resource.
//
// Written from http://hl7.org/fhir/R4/search.html on top of search-oracle.mjs (the
// published FHIRPath expressions, run by fhirpath.js); nothing of it knows src/. A
// World holds resources in the order they were last written; find() gives what matches,
// order() sorts it, includes() adds. What the specification leaves open (near the edge
// of a circle) throws Unknown: such a query is not asked.
import { join } from 'node:path';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import { UCUM, dateRange, dateValue, decimal, fold, inUnits, isSorted, loadParams, measure, measureIn, ndjson, normal,
  numberPrefixes, order as compareKeys, plain, prefixes, reference as referenceByShape, sortKey, strings, texts, tokens, types, unitOf } from './search-oracle.mjs';

export class Unknown extends Error {}
/** A parameter that the type does not have; a modifier that it does not take. */
export class Refused extends Error {}

const nameOf = (r) => `${r.resourceType}/${r.id}`;
const list = (v) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);

/* ---- what the definitions say ---- */

const definitions = new Map();
/** One for each data folder: parameters, compartments, code systems, value sets. */
export function definitionsOf(data) {
  if (!definitions.has(data)) definitions.set(data, new Definitions(data));
  return definitions.get(data);
}

class Definitions {
  constructor(data) {
    this.folder = join(data, 'r4/definitions');
    this.paramsOf = loadParams(data);
    this.byType = new Map();
    this.types = new Set(['Binary', 'Bundle', 'Parameters']);
    this.compartments = new Map(ndjson(join(this.folder, 'compartmentdefinition.ndjson.zst'))
      .map((c) => [c.code, new Map(c.resource.map((r) => [r.code, r.param ?? []]))]));
    for (const all of this.compartments.values()) for (const type of all.keys()) this.types.add(type);
  }
  params(type) {
    if (!this.byType.has(type)) this.byType.set(type, new Map(this.paramsOf(type).map((p) => [p.code, p])));
    return this.byType.get(type);
  }
  get systems() {
    this.systemsByUrl ??= new Map(ndjson(join(this.folder, 'codesystem.ndjson.zst')).map((s) => [s.url, s]));
    return this.systemsByUrl;
  }
  /** As HL7 published them, expanded; with what only a property says to be below. */
  get valueSets() {
    this.setsByUrl ??= this.expanded(ndjson(join(this.folder, 'valueset-expansions.ndjson.zst')));
    return this.setsByUrl;
  }
  /** HL7's expansions follow the nesting of concepts alone: DUPTHPY of v3-ActCode, which its own
   *  example of a DetectedIssue has, is a `child` of a concept in which it does not lie. Those
   *  cut at 1,000 codes say nothing of the rest. */
  expanded(sets) {
    const whole = sets.filter((v) => !list(v.expansion?.extension).some((x) => /valueset-toocostly$/.test(x.url) && x.valueBoolean));
    const below = ({ system, filter: filters, valueSet }) => {
      const [filter, more] = list(filters);
      if (valueSet || !filter || more || filter.op !== 'is-a' || filter.property !== 'concept') return [];
      return [...this.ancestors(system)].filter(([code, above]) => above.has(filter.value) && !this.isAbstract(system, code)).map(([code]) => `${system}|${code}`);
    };
    return new Map(whole.map(({ url, compose, expansion }) => {
      const codes = new Set(codesOf(expansion?.contains));
      const without = list(compose?.exclude), gone = new Set(without.flatMap((x) => list(x.concept).map((c) => `${x.system}|${c.code}`)));
      if (codes.size && without.every((x) => x.concept && !x.valueSet))
        for (const c of list(compose?.include).flatMap(below)) if (!gone.has(c)) codes.add(c);
      return [url, codes];
    }));
  }
  isAbstract(system, code) {
    this.abstract ??= new Map();
    if (!this.abstract.has(system)) {
      const visit = (concepts) => list(concepts).flatMap((c) => [...(list(c.property).some((x) => x.code === 'notSelectable' && x.valueBoolean) ? [c.code] : []), ...visit(c.concept)]);
      this.abstract.set(system, new Set(visit(this.systems.get(system)?.concept)));
    }
    return this.abstract.get(system).has(code);
  }
  /** Expansions leave out what is no longer to be used; the set's definition does not say so. */
  isRetired(system, code) {
    this.retired ??= new Map();
    if (!this.retired.has(system)) {
      const all = new Set();
      const visit = (concepts) => list(concepts).forEach((c) => {
        if (list(c.property).some((x) => /^(status|inactive|deprecated|notSelectable)$/.test(x.code) && !/^(active|false|A)$/.test(String(x.valueCode ?? x.valueBoolean ?? x.valueString ?? true)))) all.add(c.code);
        visit(c.concept);
      });
      visit(this.systems.get(system)?.concept);
      this.retired.set(system, all);
    }
    return this.retired.get(system).has(code);
  }
  /** [code, its ancestors...] for every code of a system whose hierarchy means "is a". */
  ancestors(system) {
    this.above ??= new Map();
    if (!this.above.has(system)) this.above.set(system, ancestorsIn(this.systems.get(system)));
    return this.above.get(system);
  }
}

const codesOf = (contains) => list(contains).flatMap((c) => [...(c.abstract ? [] : [`${c.system}|${c.code}`]), ...codesOf(c.contains)]);

function ancestorsIn(system) {
  const all = new Map(), children = [];
  const parentOf = (system?.property ?? []).find((p) => p.uri === 'http://hl7.org/fhir/concept-properties#parent' || p.code === 'subsumedBy')?.code;
  const childOf = (system?.property ?? []).find((p) => p.uri === 'http://hl7.org/fhir/concept-properties#child')?.code;
  const visit = (concepts, path) => {
    for (const c of list(concepts)) {
      const own = new Set([c.code, ...path]);
      all.set(c.code, own);
      for (const p of list(c.property)) {
        if (p.code === parentOf && p.valueCode) own.add(p.valueCode);
        if (p.code === childOf) children.push([p.valueCode, c.code]);
      }
      visit(c.concept, [...own]);
    }
  };
  visit(system?.concept, []);
  for (const [child, parent] of children) all.get(child)?.add(parent);
  for (let grows = true; grows;) { // parents by property may stand anywhere
    grows = false;
    for (const own of all.values())
      for (const a of [...own]) for (const b of all.get(a) ?? []) if (!own.has(b)) { own.add(b); grows = true; }
  }
  return all;
}

/* ---- the resources ---- */

const valuesOf = new WeakMap(); // resource: Map of parameter to values

export class World {
  constructor(data, base, resources = new Map(), created = new Map()) {
    Object.assign(this, { data, base, resources, created, definitions: definitionsOf(data) });
    this.forget();
  }
  forget() { this.types = undefined; this.memo = new Map(); }
  put(r) { if (!this.resources.delete(nameOf(r))) this.created.set(nameOf(r), r.meta.lastUpdated); this.resources.set(nameOf(r), r); this.forget(); }
  delete(name) { this.resources.delete(name); this.forget(); }
  clone() { return new World(this.data, this.base, new Map(this.resources), new Map(this.created)); }
  get(name) { return this.resources.get(name); }
  of(type) {
    this.types ??= Map.groupBy(this.resources.values(), (r) => r.resourceType);
    return type ? this.types.get(type) ?? [] : [...this.resources.values()];
  }
  param(type, code) {
    const p = this.definitions.params(type ?? 'Resource').get(code);
    if (!p) throw new Refused(`${type} has no ${code}`);
    return p;
  }
  /** A name that is none of R4's types makes no local reference. */
  reference(v) {
    const x = referenceByShape(v, this.base);
    return x.type && !this.definitions.types.has(x.type) ? { url: x.text, text: x.text, identifier: x.identifier } : x;
  }
  values(r, p) {
    let of = valuesOf.get(r);
    if (!of) valuesOf.set(r, (of = new Map()));
    if (!of.has(p)) of.set(p, p.run(r));
    return of.get(p);
  }
  /** Names of the local resources that a reference parameter leads to: by id, or by a canonical. */
  targets(r, p) {
    return this.values(r, p).flatMap((v) => {
      const x = this.reference(v);
      return [...(x.type ? [`${x.type}/${x.id}`] : []), ...(typeof plain(v) === 'string' ? this.canonical(plain(v), p) : [])];
    });
  }
  /** What a canonical names: all with its url, or those of its version. */
  canonical(text, p) {
    if (!this.memo.has('urls')) this.memo.set('urls', Map.groupBy(this.of().filter((r) => typeof r.url === 'string'), (r) => r.url));
    const at = text.indexOf('|'), [url, version] = at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
    return (this.memo.get('urls').get(url) ?? []).filter((r) => p.target?.includes(r.resourceType) && (!version || r.version === version) &&
      this.definitions.params(r.resourceType).get('url')?.type === 'uri').map(nameOf);
  }
}

/* ---- query text ---- */

/** [[name, value]] of a query; `+` is a blank. */
export const pairs = (query) => query.split('&').filter(Boolean).map((p) => {
  const at = p.indexOf('=');
  return [p.slice(0, at), p.slice(at + 1)].map((s) => decodeURIComponent(s.replaceAll('+', ' ')));
});

/** Parts between separators that no backslash precedes, still escaped. */
export function split(text, separator) {
  const parts = [''];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && '\\,|$'.includes(text[i + 1] ?? '-')) parts[parts.length - 1] += text[i] + text[++i];
    else if (text[i] === separator) parts.push('');
    else parts[parts.length - 1] += text[i];
  }
  return parts;
}
export const unescape = (s) => s.replace(/\\([\\,|$])/g, '$1');

const RESULT = /^(_sort|_count|_total|_include|_revinclude|_summary|_elements|_asof|_format|_pretty|_explain|_contained|_type|page)(:|$)/;
export const isCriterion = ([name]) => !RESULT.test(name);

/* ---- what one value of a parameter must be ---- */

/** (value) => bool for the text of one parameter; for :not the positive test. */
function valueTest(world, type, p, modifier, text) {
  const make = { token: tokenTest, string: stringTest, uri: uriTest, reference: referenceTest, date: dateTest,
    number: numberTest, quantity: quantityTest, composite: compositeTest }[p.type];
  if (!make) throw new Refused(`${p.code} cannot be asked`);
  return make(world, p, modifier, text, type);
}

function tokenTest(world, p, modifier, text) {
  const of = (v) => tokens(v, p.expression);
  if (modifier === 'text' && fold(unescape(text)) === '') throw new Refused(text);
  if (modifier === 'text') return (v) => texts(v).some((t) => fold(t).startsWith(fold(unescape(text))));
  const parts = split(text, '|').map(unescape);
  if (modifier === 'of-type') {
    const [system, code, value] = parts;
    return (v) => types(v).some((t) => t[0] === system && t[1] === code && t[2] === value);
  }
  if (modifier === 'in' || modifier === 'not-in') {
    const set = world.definitions.valueSets.get(text);
    if (!set) throw new Unknown(text);
    const codes = new Set([...set].map((c) => c.slice(c.lastIndexOf('|') + 1)));
    return (v) => of(v).some((t) => {
      if (t.system && world.definitions.isRetired(t.system, t.code)) throw new Unknown(text);
      return t.bare ? codes.has(t.code) : set.has(`${t.system}|${t.code}`);
    });
  }
  if (modifier === 'below' || modifier === 'above') {
    const [system, code] = parts;
    const above = world.definitions.ancestors(system);
    if (!above.has(code)) throw new Unknown(text);
    return (v) => of(v).some((t) => t.system === system &&
      (t.code === code || (modifier === 'below' ? above.get(t.code)?.has(code) : above.get(code).has(t.code))));
  }
  const [system, code] = parts.length > 1 ? parts : [undefined, parts[0]];
  // Case counts unless the system says otherwise; in _filter it does without system alone.
  const lower = (s) => s.replace(/[A-Z]/g, (c) => c.toLowerCase());
  const isOpen = (t) => t.system && (modifier === 'filter' || world.definitions.systems.get(t.system)?.caseSensitive === false);
  const same = (t) => t.code !== undefined && (t.code === code || (isOpen(t) && lower(t.code) === lower(code)));
  if (system === undefined) return (v) => of(v).some(same);
  if (system === '') return (v) => of(v).some((t) => same(t) && t.system === undefined);
  if (code === '') return (v) => of(v).some((t) => t.system === system);
  return (v) => of(v).some((t) => t.system === system && same(t));
}

function stringTest(world, p, modifier, text) {
  const asked = unescape(text), f = fold(asked);
  const hold = { undefined: (s) => fold(s).startsWith(f), exact: (s) => s === asked, contains: (s) => fold(s).includes(f),
    text: (s) => ` ${fold(s)}`.includes(` ${f}`), equal: (s) => fold(s) === f, ends: (s) => fold(s).endsWith(f) }[modifier];
  if (!hold || f === '') throw new Refused(modifier);
  return (v) => strings(v).some(hold);
}

function uriTest(world, p, modifier, text) {
  const asked = unescape(text);
  if (p.code === 'url' && asked.includes('|')) throw new Unknown(text); // the version stands beside it
  const hold = {
    undefined: (u) => u === asked || u.split('|')[0] === asked,
    below: (u) => u.startsWith(asked),
    above: (u) => u === asked || asked.startsWith(u.endsWith('/') ? u : `${u}/`),
  }[modifier];
  if (!hold) throw new Refused(modifier);
  return (v) => typeof plain(v) === 'string' && hold(plain(v));
}

const LOCAL = /^([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/([A-Za-z0-9.-]{1,64}))?$/;

function referenceTest(world, p, modifier, text) {
  const of = (v) => world.reference(v);
  if (modifier === 'identifier') {
    const own = tokenTest(world, { code: p.code, type: 'token', expression: '' }, undefined, text);
    return (v) => { const { identifier } = of(v); return identifier !== undefined && own(identifier); };
  }
  const asked = unescape(text);
  const relative = asked.startsWith(`${world.base}/`) ? asked.slice(world.base.length + 1) : asked;
  const [, type, id, version] = relative.match(LOCAL) ?? [];
  if (modifier === 'below' && asked.includes(':') && !type) { // versions of a canonical
    const all = (u) => (asked.includes('|') ? u === asked || u.startsWith(`${asked}.`) : u.split('|')[0] === asked);
    return (v) => typeof plain(v) === 'string' && all(plain(v));
  }
  if (modifier === 'below' || modifier === 'above') {
    if (!type) throw new Unknown(asked);
    const names = hierarchy(world, type, id, modifier);
    return (v) => { const r = of(v); return r.type !== undefined && names.has(`${r.type}/${r.id}`); };
  }
  if (type) {
    if (modifier && modifier !== type) return () => false;
    return (v) => { const r = of(v); return r.type === type && r.id === id && (version === undefined || r.version === version); };
  }
  if (asked.includes(':') || asked.includes('/'))
    return (v) => { const { url = '' } = of(v); return url === asked || url.split('|')[0] === asked || url.split('/_history/')[0] === asked; };
  return (v) => { const r = of(v); return r.id === asked && (!modifier || r.type === modifier); };
}

/** A resource with what is part of it (below), or it of (above), to 8 levels. */
function hierarchy(world, type, id, direction) {
  const own = ['partof', 'part-of', 'parent', 'based-on'].map((c) => world.definitions.params(type).get(c))
    .find((p) => p?.type === 'reference' && p.target?.includes(type));
  const names = new Set([`${type}/${id}`]);
  for (let level = 0, last = [...names]; own && level < 8; level++) {
    // Upwards over what is here; downwards the first need not be.
    last = direction === 'above' ? last.flatMap((n) => (world.get(n) ? world.targets(world.get(n), own) : [])).filter((n) => world.get(n))
      : world.of(type).filter((r) => world.targets(r, own).some((t) => last.includes(t))).map(nameOf);
    last.filter((n) => n.startsWith(`${type}/`)).forEach((n) => names.add(n));
  }
  return names;
}

const prefixed = (text) => {
  const m = text.match(/^(eq|ne|gt|lt|ge|le|sa|eb|ap|po)(?=[-\d.+])/);
  return m ? [m[1], text.slice(2)] : ['eq', text];
};

function dateTest(world, p, modifier, text) {
  if (modifier) throw new Refused(modifier);
  const [prefix, date] = prefixed(text);
  const asked = dateRange(date);
  if (!asked) throw new Refused(text);
  const now = Date.now() * 1000;
  const away = prefix === 'ap' ? Math.floor(Math.max(0, asked[0] - now, now - asked[1]) / 10) : 0;
  if (away && away < 3600e6 * 24 * 30) throw new Unknown(text); // depends on the moment
  const overlaps = ([a, b], [l, h]) => l < b + away && h > a - away;
  // A tenth of the distance moves while the test runs: what lies at the edge is not told.
  const edge = (s) => away && [asked[0] - away, asked[1] + away].some((x) => s.some((y) => Math.abs(x - y) < 120e6));
  const hold = prefix === 'ap' || prefix === 'po' ? overlaps : prefixes[prefix];
  return (v) => {
    const s = dateValue(v);
    if (s === undefined || s[0] >= s[1]) return false;
    if (edge(s)) throw new Unknown(text);
    return hold(asked, s);
  };
}

function numberTest(world, p, modifier, text, type, fits = () => true, unit = undefined) {
  if (modifier) throw new Refused(modifier);
  const [prefix, number] = prefixed(text);
  const asked = decimal(number);
  if (!asked) throw new Refused(text);
  if (unit && prefix === 'ap') throw new Unknown(text);
  const apart = unit && { low: normal(asked.value - asked.half, unit), value: normal(asked.value, unit), high: normal(asked.value + asked.half, unit) };
  return (v) => {
    const s = measure(v);
    if (s === undefined) return false;
    if (fits(s) && numberPrefixes[prefix](asked, s)) return true;
    const there = unit && measureIn(s, unit);
    // Base units of a minute or an inch never end: so close, this arithmetic cannot tell.
    const close = (a, b) => a !== b && (a > b ? a - b : b - a) * 10n ** 12n < (a > 0n ? a : -a);
    if (there && Object.values(apart).some((a) => close(a, there.low) || close(a, there.high))) throw new Unknown(text);
    return Boolean(there) && inUnits(prefix, apart, there);
  };
}

function quantityTest(world, p, modifier, text, type) {
  const [number, system, code] = split(text, '|').map(unescape);
  if (system === undefined) return numberTest(world, p, modifier, number, type);
  if (code === undefined) throw new Unknown(text); // number|unit: the specification has no such form
  if (system === '') return numberTest(world, p, modifier, number, type, (s) => s.code === code || s.unit === code);
  if (code === '') return numberTest(world, p, modifier, number, type, (s) => s.system === system);
  return numberTest(world, p, modifier, number, type, (s) => s.code === code && s.system === system, system === UCUM ? unitOf(code) : undefined);
}

function compositeTest(world, p, modifier, text, type) {
  if (modifier) throw new Refused(modifier);
  const parts = split(text, '$');
  if (parts.length !== p.parts.length) throw new Refused(text);
  const tests = p.parts.map((part, k) => valueTest(world, type, part, undefined, parts[k]));
  return (tuple) => tests.every((test, k) => tuple[k].some(test));
}

/* ---- conditions ---- */

/** (resource) => bool of one pair. */
export function condition(world, type, name, text) {
  if (name.startsWith('_has:')) return hasCondition(world, name, text);
  const dot = name.indexOf('.');
  if (dot > 0) return chain(world, type, name.slice(0, dot), name.slice(dot + 1), text);
  const colon = name.indexOf(':');
  const [code, modifier] = colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
  if (special[code]) return special[code](world, type, text, modifier);
  if (code === '_lastUpdated') return whenTest(text, modifier, (r) => r.meta.lastUpdated);
  // the first version since the last deletion
  if (code === 'createdAt') return whenTest(text, modifier, (r) => world.created.get(nameOf(r)));
  const p = world.param(type, code);
  if (modifier === 'missing') return (r) => (world.values(r, p).length === 0) === (text === 'true');
  const tests = split(text, ',').map((t) => valueTest(world, type, p, modifier === 'not' ? undefined : modifier, t));
  const some = (r) => world.values(r, p).some((v) => tests.some((t) => t(v)));
  return modifier === 'not' || modifier === 'not-in' ? (r) => !some(r) : some;
}

/** All that match, in the order of their last write. */
export function find(world, type, criteria) {
  const key = JSON.stringify([type, criteria]);
  if (!world.memo.has(key)) {
    const tests = criteria.map(([name, text]) => condition(world, type, name, text));
    world.memo.set(key, world.of(type).filter((r) => tests.every((t) => t(r))));
  }
  return world.memo.get(key);
}

/** Of any type those that contain one of `type` which meets all conditions by itself. */
export function containing(world, type, criteria) {
  const tests = criteria.map(([name, text]) => condition(world, type, name, text));
  return world.of().filter((r) => list(r.contained).some((c) => c.resourceType === type && tests.every((t) => t(c))));
}

function hasCondition(world, name, text) {
  const [, type, code, ...rest] = name.split(':');
  const p = world.param(type, code);
  const found = new Set(find(world, type, [[rest.join(':'), text]]).flatMap((r) => world.targets(r, p)));
  return (r) => found.has(nameOf(r));
}

function chain(world, type, head, rest, text) {
  const [code, only] = head.split(':');
  const p = world.param(type, code);
  if (p.type !== 'reference') throw new Refused(head);
  const found = new Set(), inside = new Map();
  for (const target of only ? [only] : p.target ?? []) {
    try {
      find(world, target, [[rest, text]]).forEach((r) => found.add(nameOf(r)));
      // What is contained is referred to by its container alone: nothing has it.
      inside.set(target, rest.startsWith('_has:') ? () => false : condition(world, target, rest, text));
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
    }
  }
  if (!inside.size) throw new Refused(`${head}.${rest}`);
  return (r) => world.targets(r, p).some((n) => found.has(n)) || containedTargets(world, r, p).some((c) => inside.get(c.resourceType)?.(c));
}

const containers = new WeakMap(); // contained resource: what it lies in
/** What a resource, contained itself or not, refers to by #id; what a parameter selects in it. */
function containedTargets(world, r, p) {
  const whole = containers.get(r) ?? r;
  const selected = p.type === 'reference' ? world.values(r, p).map(plain).filter((v) => v?.resourceType) : [];
  return selected.concat(world.values(r, p).map((v) => plain(v)?.reference).filter((t) => typeof t === 'string' && t[0] === '#')
    .map((t) => list(whole.contained).find((c) => `#${c.id}` === t)).filter(Boolean).map((c) => { containers.set(c, whole); return c; }));
}

function whenTest(text, modifier, when) {
  if (modifier) throw new Refused(modifier);
  const tests = split(text, ',').map((t) => {
    const [prefix, date] = prefixed(t);
    if (prefix === 'ap') throw new Unknown(t);
    return (s) => prefixes[prefix](dateRange(date), s);
  });
  // A stored instant is a point.
  return (r) => { const [at] = dateRange(when(r)); return tests.some((t) => t([at, at + 1])); };
}

const refuseModifier = (modifier) => { if (modifier) throw new Refused(modifier); };

const special = {
  _id: (world, type, text, modifier) => {
    if (modifier === 'missing') return () => text === 'false';
    const ids = new Set(split(text, ',').map(unescape));
    if (modifier === 'not') return (r) => !ids.has(r.id);
    refuseModifier(modifier);
    return (r) => ids.has(r.id);
  },
  _list: (world, type, text, modifier) => {
    refuseModifier(modifier);
    const names = new Set(split(text, ',').flatMap((id) => list(world.get(`List/${id}`)?.entry))
      .filter((e) => e.item).map((e) => world.reference(e.item)).map((x) => `${x.type}/${x.id}`));
    return (r) => names.has(nameOf(r));
  },
  _text: (world, type, text, modifier) => { refuseModifier(modifier); return wordsTest(text, (r) => narrative(r)); },
  _content: (world, type, text, modifier) => { refuseModifier(modifier); return wordsTest(text, everything); },
  _filter: (world, type, text, modifier) => { refuseModifier(modifier); return filterTest(world, type, text); },
  near: (world, type, text, modifier) => nearTest(world, type, text, modifier),
};

/* ---- words ---- */

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
const visible = (div) => String(div).replace(/<!--[^]*?-->/g, ' ').replace(/<[^>]*>/g, ' ')
  .replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (all, e) => (e[0] === '#' ? String.fromCodePoint(e[1] === 'x' ? parseInt(e.slice(2), 16) : +e.slice(1)) : ENTITIES[e] ?? ' '));
const wordsOf = (text) => new Set(fold(text).match(/[\p{L}\p{N}\p{M}]+/gu) ?? []);
const seenWords = { _text: new WeakMap(), _content: new WeakMap() };
const kept = (map, r, make) => { if (!map.has(r)) map.set(r, make()); return map.get(r); };
const narrative = (r) => kept(seenWords._text, r, () => wordsOf(visible(r.text?.div ?? '')));
// "the entire content": what is written for people; codes and ids have their own parameters.
const written = fhirpath.compile("descendants().where(type().name in ('string' | 'markdown' | 'xhtml'))", r4);
const unreferred = (v) => JSON.parse(JSON.stringify(v, (k, x) => (k === 'reference' && typeof x === 'string' ? undefined : x)));
const everything = (r) => kept(seenWords._content, r, () => wordsOf(written(unreferred(r)).map(plain)
  .map((s) => (/^\s*<div/.test(s) ? visible(s) : s)).join(' \n ')));

/** word, word*, NOT, AND, OR, ( ): every word must be there unless OR stands between. */
function wordsTest(text, words) {
  const tests = split(text, ',').map((part) => {
    const pieces = unescape(part).match(/[()]|[^\s()]+/g) ?? [];
    let at = 0;
    const term = () => {
      const piece = pieces[at++];
      if (piece === 'NOT') { const inner = term(); return (w) => !inner(w); }
      if (piece === '(') { const inner = any(); at++; return inner; }
      const own = [...wordsOf(piece)];
      if (own.length !== 1) throw new Unknown(text);
      return piece.endsWith('*') ? (w) => [...w].some((x) => x.startsWith(own[0])) : (w) => w.has(own[0]);
    };
    const all = () => {
      const terms = [term()];
      while (at < pieces.length && pieces[at] !== 'OR' && pieces[at] !== ')') { if (pieces[at] === 'AND') at++; terms.push(term()); }
      return (w) => terms.every((t) => t(w));
    };
    const any = () => {
      const alls = [all()];
      while (pieces[at] === 'OR') { at++; alls.push(all()); }
      return (w) => alls.some((t) => t(w));
    };
    return any();
  });
  return (r) => tests.some((t) => t(words(r)));
}

/* ---- near ---- */

const METRES = { km: 1000, m: 1, '[mi_i]': 1609.344, '[mi_us]': 1609.347218694, '[ft_i]': 0.3048 };
const radians = (degrees) => (degrees * Math.PI) / 180;

function arc(a, b) {
  const [p, q] = [radians(a.latitude), radians(b.latitude)];
  const h = Math.sin((q - p) / 2) ** 2 + Math.cos(p) * Math.cos(q) * Math.sin(radians(b.longitude - a.longitude) / 2) ** 2;
  return 2 * 6371008.8 * Math.asin(Math.min(1, Math.sqrt(h)));
}

function nearTest(world, type, text, modifier) {
  if (type !== 'Location') throw new Refused('near');
  const position = (r) => r.position;
  if (modifier === 'missing') return (r) => (position(r) === undefined) === (text === 'true');
  refuseModifier(modifier);
  const circles = split(text, ',').map((t) => split(t, '|').map(unescape)).map(([latitude, longitude, distance = '10', unit = 'km']) => ({
    latitude: +latitude, longitude: +longitude, metres: distance === '' ? 10000 : +distance * METRES[unit || 'km'] }));
  return (r) => position(r) !== undefined && circles.some((c) => {
    const d = arc(position(r), c);
    // "in the circle or less than 1 % of its radius beside it"
    if (Math.abs(d - c.metres) < c.metres * 0.011 + 1) throw new Unknown(text);
    return d < c.metres;
  });
}

/* ---- _filter ---- */

/** R4, "Filter Parameter": comparisons with and, or, not, ( ). */
function filterTest(world, type, text) {
  let rest = text;
  const take = (pattern) => {
    const m = rest.match(pattern);
    if (m) rest = rest.slice(m[0].length);
    return m;
  };
  const comparison = () => {
    const m = take(/^\s*([^\s()]+)\s+(eq|ne|co|sw|ew|gt|lt|ge|le|ap|sa|eb|pr|po|ss|sb|in|re)\s+("(?:[^"\\]|\\.)*"|[^\s()]+)/);
    if (!m) throw new Refused(rest);
    return compared(world, type, m[1], m[2], m[3][0] === '"' ? JSON.parse(m[3]) : m[3]);
  };
  const term = () => {
    const not = take(/^\s*not\s*(?=\()/);
    let test;
    if (take(/^\s*\(/)) { test = any(); if (!take(/^\s*\)/)) throw new Refused(rest); } else test = comparison();
    return not ? (r) => !test(r) : test;
  };
  // "evaluated left to right, with no precedence between 'and' and 'or'"
  const any = () => {
    let test = term();
    for (let m; (m = take(/^\s*(and|or)(?=[\s(])/));) {
      const [a, b] = [test, term()];
      test = m[1] === 'and' ? (r) => a(r) && b(r) : (r) => a(r) || b(r);
    }
    return test;
  };
  const test = any();
  if (rest.trim()) throw new Refused(rest);
  return test;
}

function compared(world, type, path, op, value) {
  const dot = path.indexOf('.');
  if (dot > 0) {
    const [code, only] = path.slice(0, dot).split(':');
    const p = world.param(type, code);
    const found = new Set(), inside = new Map();
    for (const target of only ? [only] : p.target ?? []) {
      try {
        const test = compared(world, target, path.slice(dot + 1), op, value);
        world.of(target).filter(test).forEach((r) => found.add(nameOf(r)));
        inside.set(target, test);
      } catch (e) { if (!(e instanceof Refused)) throw e; }
    }
    return (r) => world.targets(r, p).some((n) => found.has(n)) || containedTargets(world, r, p).some((c) => inside.get(c.resourceType)?.(c));
  }
  if (path === '_id') return special._id(world, type, value, op === 'ne' ? 'not' : undefined);
  const p = world.param(type, path);
  if (op === 'pr') return (r) => (world.values(r, p).length > 0) === (value === 'true');
  const escaped = value.replaceAll('\\', '\\\\');
  const ordered = ['date', 'number', 'quantity'].includes(p.type);
  const [modifier, asked] = ordered ? [undefined, op + value]
    : [{ string: { eq: 'equal', ne: 'equal', co: 'contains', ew: 'ends' }, token: { eq: 'filter', ne: 'filter', ss: 'below', sb: 'above', in: 'in' }, uri: { sw: 'below' } }[p.type]?.[op], escaped];
  const test = valueTest(world, type, p, modifier, asked);
  const some = (r) => world.values(r, p).some(test);
  // "ne": there, and not equal; an ordered value has a prefix for it.
  return op === 'ne' && !ordered ? (r) => world.values(r, p).length > 0 && !some(r) : some;
}

/* ---- results ---- */

/** References by their id, those of elsewhere as they are written. */
function referenceKey(world, p, r, down) {
  const keys = world.values(r, p).flatMap((v) => {
    const x = world.reference(v);
    const local = x.type ? [x.id, ...(x.version ? [`${x.type}/${x.id}/_history/${x.version}`] : [])] : [];
    if (typeof plain(v) === 'string') return [plain(v), ...local];
    if (x.url?.includes('/_history/')) throw new Unknown(p.code);
    return x.type ? local : x.url !== undefined && !x.url.startsWith('#') ? [x.url] : [];
  }).map((k) => Buffer.from(k)).sort(Buffer.compare);
  return down ? keys.at(-1) : keys[0];
}

/** In the order that _sort asks for: missing values last, ties as last written. */
export function order(world, type, found, sort) {
  if (!sort) return found;
  const place = new Map(found.map((r, i) => [r, i]));
  const keys = sort.split(',').map((s) => [s.replace(/^-/, ''), s.startsWith('-')]);
  const keyOf = (r, [code, down]) => {
    if (code === '_id') return r.id;
    if (code === '_lastUpdated') return place.get(r); // within one commit as it lists them
    const p = world.param(r.resourceType, code);
    if (p.type === 'reference') return referenceKey(world, p, r, down);
    if (!isSorted(p)) throw new Unknown(code);
    return sortKey(p, world.values(r, p), down);
  };
  const rows = found.map((r) => ({ r, keys: keys.map((k) => keyOf(r, k)) }));
  rows.sort((a, b) => {
    for (const [i, [, down]] of keys.entries()) {
      const [x, y] = [a.keys[i], b.keys[i]];
      if (x === y) continue;
      if (x === undefined || y === undefined) return x === undefined ? 1 : -1;
      const c = Buffer.isBuffer(x) ? Buffer.compare(x, y) : compareKeys(x, y);
      if (c) return down ? -c : c;
    }
    return place.get(a.r) - place.get(b.r);
  });
  return rows.map(({ r }) => r);
}

/** Names of what the page's matches bring along. */
export function includes(world, asked, page) {
  const seen = new Set(page.map(nameOf)), added = new Set();
  const rules = asked.filter(([name]) => /^_(rev)?include(:|$)/.test(name)).map(([name, text]) => {
    const [source, code, target] = text.split(':');
    return { back: name.startsWith('_rev'), again: /:(iterate|recurse)$/.test(name), source, code, target };
  });
  let round = page;
  for (let first = true; round.length; first = false) {
    const next = [];
    const add = (r) => { if (r && !seen.has(nameOf(r))) { seen.add(nameOf(r)); added.add(nameOf(r)); next.push(r); } };
    for (const rule of rules.filter((x) => first || x.again))
      for (const r of round) (rule.back ? backward : forward)(world, rule, r).forEach(add);
    round = next;
  }
  return added;
}

function forward(world, { source, code, target }, r) {
  if (source !== '*' && source !== r.resourceType) return [];
  const all = [...world.definitions.params(r.resourceType).values()].filter((p) => p.type === 'reference');
  return all.filter((p) => !code || code === '*' || p.code === code).flatMap((p) => world.targets(r, p))
    .filter((n) => !target || n.startsWith(`${target}/`)).map((n) => world.get(n));
}

function backward(world, { source, code, target }, r) {
  if (target && target !== r.resourceType) return [];
  const all = code === '*' ? [...world.definitions.params(source).values()].filter((p) => p.type === 'reference') : [world.param(source, code)];
  return world.of(source).filter((s) => all.some((p) => world.targets(s, p).includes(nameOf(r))));
}

/** Members of a compartment: [Type or *] of Patient/1. */
export function inCompartment(world, owner, type) {
  const [kind, id] = owner.split('/');
  const definition = world.definitions.compartments.get(kind);
  return (type === '*' ? [...definition.keys()] : [type]).flatMap((t) => {
    const params = (definition.get(t) ?? []).map((c) => world.definitions.params(t).get(c)).filter(Boolean);
    const own = (r) => nameOf(r) === `${kind}/${id}`; // the owner is at home, too
    return world.of(t).filter((r) => own(r) || params.some((p) => world.targets(r, p).includes(`${kind}/${id}`)));
  });
}
