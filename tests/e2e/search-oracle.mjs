// search-oracle.mjs - what R4 says a search finds, computed the slow way.
//
// Independent of src/: published SearchParameters, the published FHIRPath
// `expression` run by fhirpath.js, values told apart by their shape, and every
// comparison written from the text of http://hl7.org/fhir/R4/search.html.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import lhc from '@lhncbc/ucum-lhc';

export const ndjson = (path) => (path.endsWith('.zst') ? zstdDecompressSync(readFileSync(path)) : readFileSync(path)).toString('utf8')
  .split('\n').filter(Boolean).map((line) => JSON.parse(line));

/** Parameters of the five types, by resource type: { Patient: [{code, type, run}] }. */
export function loadParams(data) {
  const all = ndjson(join(data, 'r4/definitions/searchparameter.ndjson.zst'));
  const wanted = ['token', 'string', 'reference', 'uri', 'date', 'number', 'quantity', 'composite'];
  const byType = {};
  const byUrl = new Map(all.map((p) => [p.url, p]));
  for (const p of all) {
    if (!wanted.includes(p.type) || !p.expression) continue;
    if (p.code === '_id' || p.code === '_lastUpdated') continue;
    for (const base of p.base) (byType[base] ??= []).push(p.type === 'composite' ? compileComposite(p, byUrl) : compile(p));
  }
  return (type) => [...(byType[type] ?? []), ...(byType.DomainResource ?? []), ...(byType.Resource ?? [])];
}

/** resolve() needs a server; the type that a reference names is in its text. */
export function compile(p) {
  const branches = splitUnion(p.expression).map((text) => {
    let target;
    let expression = text.replace(/\.where\(resolve\(\) is (\w+)\)/, (_, t) => ((target = t), ''));
    // `as` refuses more than one element; what is meant is all of the type.
    expression = expression.replace(/\((\S+) as (\w+)\)/g, '$1.ofType($2)').replace(/\.as\((\w+)\)/g, '.ofType($1)');
    // Every resource is one, but fhirpath.js takes the name for the type itself.
    expression = expression.replace(/^(Domain)?Resource\./, '');
    const run = fhirpath.compile(expression, r4);
    return (resource) => {
      let found = run(resource);
      if (target) found = found.filter((v) => refersTo(v, target, resource));
      return found;
    };
  });
  return {
    code: p.code, type: p.type, expression: p.expression, target: p.target,
    run: (resource) => branches.flatMap((b) => b(resource)).filter((v) => hasValue(v) && mayName(p, plain(v))),
  };
}

/** Bundle.entry[0].resource is a composition only if it is a Composition. */
const mayName = (p, v) => p.type !== 'reference' || !v?.resourceType || !p.target?.length
  || p.target.includes('Resource') || p.target.includes(v.resourceType);

/** Its values are lists, one for each component, of that component's values. */
function compileComposite(p, byUrl) {
  const elements = compile(p);
  const parts = p.component.map((c) => ({ param: byUrl.get(c.definition), paths: splitUnion(c.expression) }));
  const run = (resource) => elements.run(resource).map((element) => parts.map(({ paths }) => paths
    .flatMap((path) => walk(path, plain(element), resource)).filter(hasValue)));
  return { code: p.code, type: 'composite', expression: p.expression, run,
    parts: parts.map(({ param }) => ({ code: param.code, type: param.type, expression: '' })) };
}

/** The few forms that components' expressions have. */
function walk(path, element, resource) {
  const as = path.match(/^value\.as\((\w+)\)$/)?.[1];
  if (as) return list(element[`value${as[0].toUpperCase()}${as.slice(1)}`]);
  if (path === 'value') return Object.keys(element).filter((k) => k.startsWith('value')).flatMap((k) => list(element[k]));
  let at = path.startsWith('%resource.') ? [resource] : [element];
  for (const name of path.replace('%resource.', '').split('.')) at = at.flatMap((v) => list(v[name]));
  return at;
}

function splitUnion(expression) {
  const parts = [''];
  let depth = 0;
  for (const c of expression) {
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (c === '|' && depth === 0) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts.map((s) => s.trim());
}

function refersTo(value, type, resource) {
  const text = value?.reference;
  if (text === undefined) return value?.type === type;
  if (text.startsWith('#'))
    return (resource.contained ?? []).find((c) => c.id === text.slice(1))?.resourceType === type;
  const m = text.match(/(?:^|\/)([A-Z]\w+)\/[A-Za-z0-9.-]{1,64}(?:\/_history\/[^/]+)?$/);
  return m?.[1] === type;
}

/** "values, and not only an id or extensions" */
const hasValue = (v) => v !== null && v !== undefined &&
  (typeof v !== 'object' || Object.keys(v).some((k) => k !== 'id' && k !== 'extension' && k !== '__path__'));

/* ---- values by shape ---- */

export const plain = (v) => (v !== null && typeof v === 'object' && 'asStr' in v ? v.asStr : v);
const list = (v) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);

/** [{ system, code }]; system undefined: none. `anySystem`: R4 defines none here. */
export function tokens(v, expression) {
  v = plain(v);
  if (typeof v !== 'object') return [{ code: String(v), bare: true }];
  if (/telecom|^Subscription.contact/.test(expression)) return v.value === undefined ? [] : [{ code: v.value, bare: true }];
  if ('coding' in v || 'text' in v) return list(v.coding).flatMap((c) => coding(c));
  return coding({ system: v.system, code: 'value' in v ? v.value : v.code });
}
const coding = (c) => (c.code === undefined && c.system === undefined ? [] : [{ system: c.system, code: c.code }]);

/** What :text looks at: what is shown beside the codes. */
export function texts(v) {
  v = plain(v);
  if (typeof v !== 'object') return [];
  const shown = [v.display, ...('coding' in v || 'text' in v ? [v.text, ...list(v.coding).map((c) => c.display)] : [])];
  if (v.type !== undefined && 'value' in v) shown.push(v.type.text);
  return shown.filter((s) => typeof s === 'string');
}

/** For :of-type: [system, code, value] of an identifier. */
export function types(v) {
  v = plain(v);
  if (typeof v !== 'object' || v.value === undefined || 'coding' in v) return [];
  return list(v.type?.coding).filter((c) => c.code !== undefined).map((c) => [c.system, c.code, v.value]);
}

export function strings(v) {
  v = plain(v);
  if (typeof v === 'string') return [v];
  if (typeof v !== 'object') return [];
  return ['family', 'given', 'prefix', 'suffix', 'text', 'line', 'city', 'district', 'state', 'postalCode', 'country']
    .flatMap((part) => list(v[part])).filter((s) => typeof s === 'string');
}

/** { local: 'Type/id', version } or { url }, and the logical identifier. */
export function reference(v, base) {
  v = plain(v);
  if (v.resourceType) return {}; // nested in a Bundle: no reference
  const text = typeof v === 'string' ? v : v.reference;
  const identifier = typeof v === 'object' ? v.identifier : undefined;
  if (text === undefined || text.startsWith('#')) return { identifier };
  const relative = text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text;
  const m = relative.match(/^([A-Z][A-Za-z]+)\/([A-Za-z0-9.-]{1,64})(?:\/_history\/([A-Za-z0-9.-]{1,64}))?$/);
  if (m) return { type: m[1], id: m[2], version: m[3], identifier, text };
  return { url: text, identifier, text };
}

/** What Unicode gives no decomposition and is typed without its stroke or hook; typesetters' signs. */
const PLAIN = Object.fromEntries(("æae ðd øo þth đd ħh ıi ĸk łl ŋn œoe ŧt ƀb ƈc ƒf ƙk ƚl ƞn ƥp ƭt ƴy ƶz ǝe ǥg ȷj ȼc ɇe ɉj ɍr ɏy ɓb ɔo ɖd ɗd ɛe ɠg ɣg ɨi ɩi ɫl ɲn ʉu ʊu ʋv " +
  "«\" »\" ʻ' ʼ' ‐- ‒- –- —- ―- ‘' ’' ‛' “\" ”\" „\" ‟\" −-").split(' ').map((s) => [s[0], s.slice(1)]));

/** Two marks that keep their order either way are of one combining class, or one of them is of class 0. */
const keep = (a, b) => (a + b).normalize('NFD') === a + b && (b + a).normalize('NFD') === b + a;
const VOWELS = ['\u094d', '\u0c55', '\u0c56', '\u0e38', '\u0eb8', '\u0f71', '\u0f72', '\u0f74'];
const vowels = new Map();
/** A vowel sign or virama is written as a mark and read as a letter. */
function isVowel(mark) {
  if (!vowels.has(mark)) vowels.set(mark, !/\p{Me}/u.test(mark) && ((keep(mark, '\u0334') && keep(mark, '\u0345')) || VOWELS.some((v) => keep(mark, v))));
  return vowels.get(mark);
}

/** "case and accent insensitive", white space normalised; written anew from Unicode. */
export const fold = (s) => s.replace(/\p{Default_Ignorable_Code_Point}/gu, '').normalize('NFKD').toLowerCase().replaceAll('ς', 'σ').replaceAll('ß', 'ss')
  .normalize('NFKD').replace(/\p{M}/gu, (m) => (isVowel(m) ? m : '')).replace(/[^\x00-\x7f]/gu, (c) => PLAIN[c] ?? c).replace(/\s+/g, ' ').trim();

const OPEN = 8.64e21; // beyond every date, in microseconds

/** [low, high) in microseconds of a date, dateTime or instant of any precision. */
export function dateRange(text) {
  const m = String(text).match(/^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/);
  if (!m) return undefined;
  const [, y, mo, d, h, mi, s, f, z] = m;
  const at = (...a) => { const t = new Date(0); t.setUTCFullYear(a[0], a[1], a[2]); t.setUTCHours(a[3] ?? 0, a[4] ?? 0, a[5] ?? 0); return t.getTime() * 1000; };
  if (!mo) return [at(+y, 0, 1), at(+y + 1, 0, 1)];
  if (!d) return [at(+y, +mo - 1, 1), at(+y, +mo, 1)];
  if (!h) return [at(+y, +mo - 1, +d), at(+y, +mo - 1, +d + 1)];
  const zone = z && z !== 'Z' ? (z[0] === '-' ? -1 : 1) * (+z.slice(1, 3) * 60 + +z.slice(4)) * 60e6 : 0;
  const low = at(+y, +mo - 1, +d, +h, +mi, s ? +s : 0) - zone + (f ? Math.round(+f * 1e6) : 0);
  const width = !s ? 60e6 : !f ? 1e6 : Math.max(1, 10 ** (6 - (f.length - 1)));
  return [low, low + width];
}

export function dateValue(v) {
  v = plain(v);
  if (typeof v === 'string') return dateRange(v);
  if (typeof v !== 'object') return undefined;
  const bounds = (p) => {
    if (p?.start === undefined && p?.end === undefined) return [];
    return [p.start === undefined ? -OPEN : dateRange(p.start)[0], p.end === undefined ? OPEN : dateRange(p.end)[1]];
  };
  let ends;
  if ('event' in v || 'repeat' in v) ends = [...list(v.event).flatMap(dateRange), ...bounds(v.repeat?.boundsPeriod)];
  else ends = bounds(v);
  return ends.length ? [Math.min(...ends), Math.max(...ends)] : undefined;
}

/** The prefixes, as R4 words them: asked [a, b), stored [l, h). */
export const prefixes = {
  eq: ([a, b], [l, h]) => a <= l && h <= b,
  ne: (q, s) => !prefixes.eq(q, s),
  gt: ([, b], [, h]) => h > b,
  lt: ([a], [l]) => l < a,
  ge: (q, s) => prefixes.gt(q, s) || prefixes.eq(q, s),
  le: (q, s) => prefixes.lt(q, s) || prefixes.eq(q, s),
  sa: ([, b], [l]) => l >= b,
  eb: ([a], [, h]) => h <= a,
};

/* ---- queries from values ---- */

const esc = (s) => String(s).replace(/[\\,|$]/g, '\\$&');
const query = (name, value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;

/**
 * Queries on one parameter with the test that a resource's values must pass:
 * [{ text, test(values) }]; `values` are what the parameter's run() selected.
 */
export function* queriesOf(param, allValues, base) {
  const some = (test) => (values) => values.some(test);
  if (param.type !== 'composite') yield { text: query(`${param.code}:missing`, 'true'), test: (v) => v.length === 0 };
  if (param.type !== 'composite') yield { text: query(`${param.code}:missing`, 'false'), test: (v) => v.length > 0 };
  const make = { token: tokenQueries, string: stringQueries, uri: uriQueries, reference: referenceQueries, date: dateQueries,
    number: numberQueries, quantity: quantityQueries, composite: compositeQueries };
  const seen = new Set();
  for (const q of make[param.type](param, allValues, base)) {
    if (seen.has(q.text)) continue;
    seen.add(q.text);
    yield { text: q.text, test: q.whole ?? some(q.one) };
  }
}

function* tokenQueries(p, values) {
  const of = (v) => tokens(v, p.expression);
  const any = (test) => (v) => of(v).some(test);
  for (const { system, code, bare } of values.flatMap(of)) {
    if (code !== undefined) {
      const byCode = any((t) => t.code === code);
      yield { text: query(p.code, esc(code)), one: byCode };
      yield { text: query(`${p.code}:not`, esc(code)), whole: (all) => !all.some(byCode) };
      yield { text: query(p.code, `|${esc(code)}`), one: any((t) => t.code === code && t.system === undefined) };
      if (system !== undefined) {
        const whole = any((t) => t.code === code && t.system === system);
        yield { text: query(p.code, `${esc(system)}|${esc(code)}`), one: whole };
        yield { text: query(`${p.code}:not`, `${esc(system)}|${esc(code)}`), whole: (all) => !all.some(whole) };
        yield { text: query(p.code, `${esc(system)}x|${esc(code)}`), one: any((t) => t.code === code && t.system === `${system}x`) };
      }
    }
    if (system !== undefined && !bare) yield { text: query(p.code, `${esc(system)}|`), one: any((t) => t.system === system) };
  }
  for (const s of new Set(values.flatMap(texts)))
    for (const asked of [s, s.slice(0, 5).toUpperCase(), s.slice(2)])
      if (fold(asked) && Buffer.byteLength(fold(asked)) <= 480)
        yield { text: query(`${p.code}:text`, esc(asked)), one: (v) => texts(v).some((t) => fold(t).startsWith(fold(asked))) };
  for (const [system, code, value] of values.flatMap(types))
    if (system !== undefined)
      yield { text: query(`${p.code}:of-type`, [system, code, value].map(esc).join('|')),
        one: (v) => types(v).some((t) => t[0] === system && t[1] === code && t[2] === value) };
}

function* stringQueries(p, values) {
  const any = (test) => (v) => strings(v).some(test);
  for (const s of values.flatMap(strings)) {
    const folded = fold(s);
    const ask = function* (asked) {
      const f = fold(asked);
      if (f === '') return;
      if (Buffer.byteLength(f) <= 480) yield { text: query(p.code, esc(asked)), one: any((t) => fold(t).startsWith(f)) };
      if (Buffer.byteLength(f) <= 240) yield { text: query(`${p.code}:contains`, esc(asked)), one: any((t) => fold(t).includes(f)) };
      yield { text: query(`${p.code}:exact`, esc(asked)), one: any((t) => t === asked) };
    };
    yield* ask(s);
    yield* ask(s.toUpperCase());
    yield* ask(s.slice(0, 3));
    const middle = Math.floor(folded.length / 2);
    yield* ask(folded.slice(middle, middle + 12));
    yield* ask(folded.slice(-20));
  }
}

function* uriQueries(p, values) {
  for (const u of values.map(plain).filter((v) => typeof v === 'string')) {
    // A canonical is found with and without its version.
    const found = (asked) => (v) => plain(v) === asked || (/profile/i.test(p.expression) && String(plain(v)).split('|')[0] === asked);
    yield { text: query(p.code, esc(u)), one: found(u) };
    if (/\.profile/.test(p.expression)) yield { text: query(p.code, u.split('|')[0]), one: found(u.split('|')[0]) };
    yield { text: query(p.code, `${u}x`), one: found(`${u}x`) };
    const below = u.slice(0, u.lastIndexOf('/') + 1);
    if (below) yield { text: query(`${p.code}:below`, esc(below)), one: (v) => String(plain(v)).startsWith(below) };
  }
}

function* referenceQueries(p, values, base) {
  const of = (v) => reference(v, base);
  const any = (test) => (v) => test(of(v));
  for (const { type, id, version, url, identifier } of values.map(of)) {
    if (type !== undefined) {
      const same = any((r) => r.type === type && r.id === id);
      yield { text: query(p.code, `${type}/${id}`), one: same };
      yield { text: query(p.code, `${base}/${type}/${id}`), one: same };
      yield { text: query(`${p.code}:${type}`, id), one: same, ifTarget: type };
      yield { text: query(p.code, id), one: any((r) => r.id === id) };
      yield { text: query(p.code, `${type}/${id}x`), one: any((r) => r.type === type && r.id === `${id}x`) };
      if (version) yield { text: query(p.code, `${type}/${id}/_history/${version}`), one: any((r) => r.type === type && r.id === id && r.version === version) };
    }
    if (url !== undefined && url.includes(':')) {
      yield { text: query(p.code, esc(url)), one: any((r) => r.url === url || (r.url ?? '').split('|')[0] === url || (r.url ?? '').split('/_history/')[0] === url) };
    }
    if (identifier?.value !== undefined && identifier.system !== undefined)
      yield { text: query(`${p.code}:identifier`, `${esc(identifier.system)}|${esc(identifier.value)}`),
        one: any((r) => r.identifier?.system === identifier.system && r.identifier?.value === identifier.value) };
  }
}

function* dateQueries(p, values) {
  const asked = new Set();
  const texts = (v) => {
    v = plain(v);
    if (typeof v === 'string') return [v];
    return [v.start, v.end, ...list(v.event), v.repeat?.boundsPeriod?.start, v.repeat?.boundsPeriod?.end].filter(Boolean);
  };
  for (const t of values.flatMap(texts)) {
    if (!dateRange(t)) continue;
    for (const length of [4, 7, 10, 16, t.length]) {
      if (length > t.length) continue;
      asked.add(length === 16 && t.length > 19 ? `${t.slice(0, 16)}${t.match(/(Z|[+-]\d\d:\d\d)$/)?.[0] ?? ''}` : t.slice(0, length));
    }
  }
  for (const text of asked) {
    const range = dateRange(text);
    if (!range) continue;
    const one = (prefix) => (v) => { const s = dateValue(v); return s !== undefined && s[0] < s[1] && prefixes[prefix](range, s); };
    yield { text: query(p.code, text), one: one('eq') };
    const now = Date.UTC(2026, 0, 1) * 1000; // as build/ask has it
    const away = Math.floor(Math.max(0, range[0] - now, now - range[1]) / 10);
    yield { text: query(p.code, `ap${text}`), one: (v) => { const s = dateValue(v); return s !== undefined && s[0] < s[1] && s[0] < range[1] + away && s[1] > range[0] - away; } };
    for (const prefix of Object.keys(prefixes)) yield { text: query(p.code, prefix + text), one: one(prefix) };
  }
}

/* ---- numbers ---- */

const PLACES = 60;
const INFINITE = 10n ** 200n;

/** A decimal as an integer of 10^-60, with the place of its last digit. */
export function decimal(text) {
  const m = String(text).match(/^([+-]?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i);
  if (!m) return undefined;
  const [, sign, whole, fraction = '', exponent = '0'] = m;
  const last = +exponent - fraction.length;
  const value = BigInt(whole + fraction) * 10n ** BigInt(PLACES + last);
  return { value: sign === '-' ? -value : value, half: 5n * 10n ** BigInt(PLACES + last - 1) };
}

/** [least, greatest] that a stored element may mean, and its unit. */
export function measure(v) {
  v = plain(v);
  if (typeof v === 'number') { const { value } = decimal(v); return { low: value, high: value }; }
  if (typeof v !== 'object') return undefined;
  if ('low' in v || 'high' in v) {
    const low = v.low?.value === undefined ? -INFINITE : decimal(v.low.value).value;
    const high = v.high?.value === undefined ? INFINITE : decimal(v.high.value).value;
    const unit = v.low?.value !== undefined ? v.low : v.high;
    return unit?.value === undefined || low > high ? undefined : { low, high, code: unit.code, system: unit.system, unit: unit.unit };
  }
  if (typeof v.value !== 'number') return undefined;
  const { value } = decimal(v.value);
  const m = { low: value, high: value, code: v.code, system: v.system, unit: v.unit };
  if (v.currency !== undefined) Object.assign(m, { code: v.currency, system: 'urn:iso:std:iso:4217' });
  if (v.comparator?.startsWith('<')) Object.assign(m, { low: -INFINITE, high: v.comparator === '<' ? value - 1n : value });
  if (v.comparator?.startsWith('>')) Object.assign(m, { high: INFINITE, low: v.comparator === '>' ? value + 1n : value });
  return m;
}

export const UCUM = 'http://unitsofmeasure.org';
const units = new Map();
export function unitOf(code) {
  if (!units.has(code)) {
    // An annotation is text; alone it is the unit one.
    const bare = code.replace(/\{[^{}]*\}/g, '') || '1';
    const { unit } = lhc.UcumLhcUtils.getInstance().getSpecifiedUnit(bare, 'validate') ?? {};
    units.set(code, unit && (unit.csCode_ === bare || bare === '1') ? unit : undefined);
  }
  return units.get(code);
}
const one = 10n ** BigInt(PLACES);
/** Of scales with a zero of their own, in kelvin. */
const kelvin = { Cel: (v) => v + decimal('273.15').value, degF: (v) => ((v + decimal('459.67').value) * 5n) / 9n };

/** A number with its unit, in base units: what UCUM's own table says, by another's parser. */
export function normal(value, unit) {
  if (unit.cnv_) return kelvin[unit.cnv_]?.(value);
  return (value * decimal(unit.magnitude_.toPrecision(15)).value) / one;
}

/** The measure in base units if it compares with the unit, else undefined. */
export function measureIn(m, unit) {
  const own = m.system === UCUM && m.code !== undefined ? unitOf(m.code) : undefined;
  if (!own || !unit || String(own.dim_?.dimVec_) !== String(unit.dim_?.dimVec_)) return undefined;
  if (own.isArbitrary_ || unit.isArbitrary_) return undefined; // those agree with themselves, as written
  const end = (v) => (v === INFINITE || v === -INFINITE ? v : normal(v, own));
  return { low: end(m.low), high: end(m.high) };
}

export const numberPrefixes = {
  eq: ({ value, half }, { low, high }) => value - half <= low && high < value + half,
  ne: (q, s) => !numberPrefixes.eq(q, s),
  gt: ({ value }, { high }) => high > value,
  lt: ({ value }, { low }) => low < value,
  ge: ({ value }, { high }) => high >= value,
  le: ({ value }, { low }) => low <= value,
  sa: ({ value }, { low }) => low > value,
  eb: ({ value }, { high }) => high < value,
  ap: ({ value, half }, { low, high }) => {
    const tenth = (value < 0n ? -value : value) / 10n;
    const away = tenth > half ? tenth : half;
    return low <= value + away && high >= value - away;
  },
};

function textsOfNumber(v) {
  v = plain(v);
  const n = typeof v === 'number' ? v : v.value ?? v.low?.value ?? v.high?.value;
  if (typeof n !== 'number') return [];
  return [...new Set([String(n), `${n}${Number.isInteger(n) ? '.0' : '0'}`, String(Math.round(n)), n.toExponential(0), n.toPrecision(2), String(n + 1), String(-n)])];
}

/** The prefixes again, on values in base units, where half a digit is not the same to both sides. */
export const inUnits = (prefix, { low, value, high }, s) => {
  const eq = low <= s.low && s.high < high;
  return { eq, ne: !eq, gt: s.high > value, lt: s.low < value, ge: s.high >= value, le: s.low <= value, sa: s.low > value, eb: s.high < value }[prefix];
};

function* numberForms(p, values, tail, fits, unit) {
  for (const text of new Set(values.flatMap(textsOfNumber))) {
    const asked = decimal(text);
    const apart = unit && { low: normal(asked.value - asked.half, unit), value: normal(asked.value, unit), high: normal(asked.value + asked.half, unit) };
    const one = (prefix) => (v) => {
      const s = measure(v);
      if (s === undefined) return false;
      if (fits(s) && numberPrefixes[prefix](asked, s)) return true;
      const there = unit && measureIn(s, unit);
      return there !== undefined && there !== false && inUnits(prefix, apart, there);
    };
    yield { text: query(p.code, text + tail), one: one('eq') };
    for (const prefix of Object.keys(numberPrefixes).filter((x) => !(unit && x === 'ap'))) yield { text: query(p.code, prefix + text + tail), one: one(prefix) };
  }
}

function* numberQueries(p, values) {
  yield* numberForms(p, values, '', () => true);
}

function* quantityQueries(p, values) {
  yield* numberForms(p, values, '', () => true);
  const seen = new Set();
  for (const m of values.map(measure).filter(Boolean)) {
    for (const code of [m.code, m.unit, 'nothing']) {
      if (code === undefined || seen.has(`${m.system}|${code}`)) continue;
      seen.add(`${m.system}|${code}`);
      const some = values.filter((v) => measure(v)?.code === m.code).slice(0, 3);
      yield* numberForms(p, some, `||${esc(code)}`, (s) => s.code === code || s.unit === code);
      if (m.system === undefined) continue;
      yield* numberForms(p, some, `|${esc(m.system)}|${esc(code)}`, (s) => s.code === code && s.system === m.system,
        m.system === UCUM ? unitOf(code) : undefined);
      yield* numberForms(p, some, `|${esc(m.system)}|`, (s) => s.system === m.system);
    }
  }
}

/** Each component's own queries, joined; all must hold for values of one element. */
function* compositeQueries(p, tuples, base) {
  const make = { token: tokenQueries, string: stringQueries, uri: uriQueries, reference: referenceQueries, date: dateQueries, number: numberQueries, quantity: quantityQueries };
  const step = Math.max(1, Math.floor(tuples.length / 12));
  for (let t = 0; t < tuples.length; t += step) {
    const asked = p.parts.map((part, i) => [...make[part.type](part, tuples[t][i], base)]
      .filter((q) => q.one && !/%3A/.test(q.text.split('=')[0]) && !(part.type === 'token' && q.text.endsWith('%7C')))
      .map((q) => ({ text: q.text.slice(q.text.indexOf('=') + 1), one: q.one }))
      .filter((q) => part.type !== 'string' || Buffer.byteLength(fold(decodeURIComponent(q.text).replace(/\\(.)/g, '$1'))) <= 160));
    if (asked.some((a) => a.length === 0)) continue;
    const rounds = Math.max(...asked.map((a) => a.length));
    for (let i = 0; i < Math.min(rounds, 60); i++) {
      const chosen = asked.map((a, k) => a[(i * (k + 1) + Math.floor(i / a.length)) % a.length]);
      yield { text: `${encodeURIComponent(p.code)}=${chosen.map((q) => q.text).join('%24')}`,
        one: (tuple) => chosen.every((q, k) => tuple[k].some(q.one)) };
    }
  }
}

/* ---- _sort ---- */

const low = (s) => (s !== undefined && s[0] < s[1] ? s[0] : undefined);
const keysOf = {
  token: (p, v) => tokens(v, p.expression).map((t) => t.code).filter((c) => c !== undefined),
  string: (p, v) => strings(v).map(fold).filter(Boolean),
  uri: (p, v) => [plain(v)].filter((u) => typeof u === 'string'),
  date: (p, v) => [low(dateValue(v))].filter((d) => d !== undefined),
  number: (p, v) => [measure(v)?.low].filter((n) => n !== undefined),
  quantity: (p, v) => [measure(v)?.low].filter((n) => n !== undefined),
};

export const order = (a, b) => (typeof a === 'string' ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : a < b ? -1 : a > b ? 1 : 0);

/** What each resource is sorted by: its least value, descending its greatest. */
export function sortKey(param, values, descending) {
  const keys = values.flatMap((v) => keysOf[param.type](param, v)).sort(order);
  return descending ? keys.at(-1) : keys[0];
}
export const isSorted = (param) => param.type in keysOf;
