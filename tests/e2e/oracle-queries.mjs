// oracle-queries.mjs - random searches made of values that the resources have.
import { UCUM, dateRange, measure, plain, strings, texts, tokens, types } from './search-oracle.mjs';
import { inCompartment } from './oracle.mjs';

/** mulberry32: the same numbers for the same seed everywhere. */
export class Random {
  constructor(seed) { this.state = seed >>> 0; }
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  below(n) { return Math.floor(this.next() * n); }
  chance(p) { return this.next() < p; }
  of(array) { return array[this.below(array.length)]; }
}

const list = (v) => (v === undefined ? [] : Array.isArray(v) ? v : [v]);
const esc = (s) => String(s).replace(/[\\,|$]/g, '\\$&');
const nameOf = (r) => `${r.resourceType}/${r.id}`;
const PREFIXES = ['', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];

/** Some part of a text, as people type it. */
function some(rng, s) {
  const from = rng.chance(0.7) ? 0 : rng.below(s.length);
  const cut = [...s].slice(from, from + 1 + rng.below(12)).join('').trim() || s;
  return rng.chance(0.3) ? cut.toUpperCase() : rng.chance(0.2) ? s : cut;
}

/** [modifier, text] that this value may satisfy; undefined: it offers nothing. */
const makers = {
  token(rng, world, p, v) {
    const shown = texts(v), typed = types(v).filter((t) => t[0] !== undefined);
    if (shown.length && rng.chance(0.15)) {
      const t = some(rng, rng.of(shown));
      return Buffer.byteLength(t) < 400 ? ['text', esc(t)] : undefined;
    }
    if (typed.length && rng.chance(0.3)) return ['of-type', rng.of(typed).map(esc).join('|')];
    const t = rng.of(tokens(v, p.expression).filter((x) => x.code !== undefined || x.system !== undefined));
    if (!t) return undefined;
    if (t.code !== undefined && rng.chance(0.08)) return setOf(rng, world, t);
    if (t.system !== undefined && t.code !== undefined && rng.chance(0.1) && world.definitions.ancestors(t.system).has(t.code)) {
      const up = [...world.definitions.ancestors(t.system).get(t.code)];
      return rng.chance(0.6) ? ['below', `${esc(t.system)}|${esc(rng.of(up))}`] : ['above', `${esc(t.system)}|${esc(t.code)}`];
    }
    const modifier = rng.chance(0.15) ? 'not' : undefined;
    if (t.code === undefined) return [modifier, `${esc(t.system)}|`];
    if (t.system === undefined) return [modifier, rng.chance(0.3) ? `|${esc(t.code)}` : esc(t.code)];
    return [modifier, rng.of([esc(t.code), `${esc(t.system)}|${esc(t.code)}`, `${esc(t.system)}|`])];
  },
  string(rng, world, p, v) {
    const all = strings(v).filter((s) => /[\p{L}\p{N}]/u.test(s));
    if (!all.length) return undefined;
    const s = rng.of(all), kind = rng.of([undefined, undefined, 'exact', 'contains', 'text']);
    const asked = kind === 'exact' ? (rng.chance(0.8) ? s : some(rng, s)) : some(rng, s);
    if (!/[\p{L}\p{N}]/u.test(asked) || Buffer.byteLength(asked.normalize('NFKD')) > 200) return undefined;
    return [kind, esc(asked)];
  },
  uri(rng, world, p, v) {
    const u = plain(v);
    if (typeof u !== 'string' || u === '') return undefined;
    const kind = rng.of([undefined, undefined, 'below', 'above']);
    if (kind === 'below') return [kind, esc(u.slice(0, 1 + rng.below(u.length)))];
    if (kind === 'above') return [kind, esc(`${u}${rng.of(['', '/a', '/a/b', 'x'])}`)];
    return [kind, esc(rng.chance(0.3) ? u.split('|')[0] : u)];
  },
  reference(rng, world, p, v, r) {
    const x = world.reference(v);
    if (x.identifier?.value !== undefined && rng.chance(x.type ? 0.2 : 0.7))
      return ['identifier', x.identifier.system === undefined ? esc(x.identifier.value) : `${esc(x.identifier.system)}|${esc(x.identifier.value)}`];
    if (!x.type && typeof plain(v) === 'string' && x.url?.includes(':') && rng.chance(0.4)) return ['below', esc(rng.chance(0.5) ? x.url : x.url.replace(/([.|][^.|]*)$/, ''))];
    if (!x.type) return x.url && x.url.includes(':') && !/[\s]/.test(x.url) ? [undefined, esc(x.url)] : undefined;
    const type = p.target?.includes(x.type) ? x.type : undefined;
    const kind = rng.below(type ? 7 : 3);
    if (kind === 0) return [undefined, x.id];
    if (kind === 1) return [undefined, `${world.base}/${x.type}/${x.id}`];
    if (kind === 2 || kind === 3) return [undefined, `${x.type}/${x.id}${x.version && rng.chance(0.5) ? `/_history/${x.version}` : ''}`];
    if (kind === 4) return [type, x.id];
    return [rng.chance(0.5) ? 'below' : 'above', `${x.type}/${x.id}`];
  },
  date(rng, world, p, v) {
    v = plain(v);
    const all = (typeof v === 'string' ? [v] : [v.start, v.end, ...list(v.event), v.repeat?.boundsPeriod?.start]).filter((t) => t && dateRange(t));
    if (!all.length) return undefined;
    const t = rng.of(all);
    const zone = t.match(/(Z|[+-]\d\d:\d\d)$/)?.[0] ?? '';
    const length = rng.of([4, 7, 10, 10, 16, t.length].filter((n) => n <= t.length));
    const text = length === 16 && t.length > 16 ? t.slice(0, 16) + zone : t.slice(0, length);
    return [undefined, rng.of(PREFIXES) + text];
  },
  number(rng, world, p, v) {
    const n = plain(v);
    return typeof n === 'number' ? [undefined, rng.of(PREFIXES) + near(rng, n)] : undefined;
  },
  quantity(rng, world, p, v) {
    v = plain(v);
    const m = measure(v), n = v?.value ?? v?.low?.value ?? v?.high?.value;
    if (!m || typeof n !== 'number') return undefined;
    const text = rng.of(PREFIXES) + near(rng, n);
    const forms = [text];
    if (m.code !== undefined) forms.push(`${text}||${esc(m.code)}`);
    if (m.unit !== undefined) forms.push(`${text}||${esc(m.unit)}`);
    if (m.code !== undefined && m.system !== undefined) forms.push(`${text}|${esc(m.system)}|${esc(m.code)}`, `${text}|${esc(m.system)}|`);
    const other = m.system === UCUM && KIN[m.code];
    if (other && !text.startsWith('ap')) forms.push(`${text.match(/^[a-z]*/)[0]}${near(rng, n * other[1])}|${UCUM}|${other[0]}`);
    return [undefined, rng.of(forms)];
  },
  composite(rng, world, p, tuple) {
    const parts = p.parts.map((part, k) => {
      if (!tuple[k].length) return undefined;
      const made = makers[part.type]?.(rng, world, part, rng.of(tuple[k]));
      const fits = made && !made[0] && !(part.type === 'token' && made[1].endsWith('|'));
      return fits && Buffer.byteLength(made[1]) < 150 ? made[1] : undefined;
    });
    return parts.some((t) => t === undefined) ? undefined : [undefined, parts.join('$')];
  },
};

/** Units that mean the same: [code, how many of it one is]. */
const KIN = { 'mg/dL': ['g/L', 0.01], cm: ['m', 0.01], kg: ['g', 1000], 'mm[Hg]': ['Pa', 133.322387415], '/min': ['/h', 60], g: ['mg', 1000], mg: ['g', 0.001], mL: ['L', 0.001], Cel: ['K', 1] };

function near(rng, n) {
  const forms = [n, n, n + 1, n - 1, Math.round(n), n.toPrecision(2), n.toFixed(1), n.toExponential(1), -n, n * 1.05];
  return String(rng.of(forms)).replace('e+', 'e');
}

function setOf(rng, world, token) {
  const sets = (world.definitions.setsWith ??= new Map());
  const key = `${token.system ?? ''}|${token.code}`;
  if (!sets.has(key)) sets.set(key, [...world.definitions.valueSets].filter(([, codes]) => codes.has(key) && codes.size < 2000).map(([url]) => url));
  const found = sets.get(key);
  return found.length ? [rng.of(['in', 'in', 'not-in']), esc(rng.of(found))] : undefined;
}

/** [name, text] of a condition that r has a good chance to fulfil; undefined: none found. */
export function criterion(rng, world, r, depth = 0) {
  const params = [...world.definitions.params(r.resourceType).values()];
  for (let attempt = 0; attempt < 12; attempt++) {
    if (depth < 3 && rng.chance(0.18)) {
      const join = rng.chance(0.5) ? chained(rng, world, r, params, depth) : reversed(rng, world, r, depth);
      if (join) return join;
      continue;
    }
    if (!depth && rng.chance(0.03)) return ['createdAt', when(rng, rng.of([world.created.get(nameOf(r)), r.meta.lastUpdated]))];
    if (rng.chance(0.07)) return [rng.chance(0.8) ? '_id' : '_id:not', [r, rng.of(world.of(r.resourceType)) ?? r].slice(rng.below(2)).map((x) => x.id).join(',')];
    const p = rng.of(params);
    const values = world.values(r, p);
    if (p.type !== 'composite' && rng.chance(values.length ? 0.04 : 0.02)) return [`${p.code}:missing`, String(values.length === 0 || rng.chance(0.3))];
    const made = values.length && makers[p.type]?.(rng, world, p, rng.of(values), r);
    if (!made) continue;
    return [p.code + (made[0] ? `:${made[0]}` : ''), or(rng, world, r, p, made)];
  }
  return undefined;
}

/** An instant as it stands, or less exact. */
const when = (rng, t) => rng.of(PREFIXES.filter((x) => x !== 'ap')) + (rng.chance(0.5) ? t : rng.of([t.slice(0, 10), `${t.slice(0, 19)}Z`]));

/** A comma: more values of the same kind, from other resources. */
function or(rng, world, r, p, [modifier, text]) {
  const all = [text];
  while (rng.chance(0.2)) {
    const values = world.values(rng.of(world.of(r.resourceType)) ?? r, p);
    const more = values.length ? makers[p.type](rng, world, p, rng.of(values), r) : undefined;
    if (more && more[0] === modifier) all.push(more[1]);
  }
  return all.join(',');
}

function chained(rng, world, r, params, depth) {
  const links = params.filter((p) => p.type === 'reference').flatMap((p) => world.targets(r, p).map((n) => ({ p, there: world.get(n) }))).filter((x) => x.there);
  // and what it contains
  for (const p of r.contained ? params.filter((x) => x.type === 'reference') : [])
    for (const v of world.values(r, p)) {
      const there = r.contained.find((c) => `#${c.id}` === v?.reference);
      if (there) links.push({ p, there });
    }
  if (!links.length) return undefined;
  const { p, there } = rng.of(links);
  const inner = criterion(rng, world, there, depth + 1);
  const typed = rng.chance(0.5) || !p.target?.length || p.target.includes('Resource');
  if (!inner || !p.target?.includes(there.resourceType)) return undefined;
  if (/^_(text|content|list|filter)/.test(inner[0])) return undefined;
  return [`${p.code}${typed ? `:${there.resourceType}` : ''}.${inner[0]}`, inner[1]];
}

/** Who refers to a resource: [referrer, parameter]; kept for a world as it stands. */
export function referrers(world, name) {
  if (!world.memo.has('referrers')) {
    const all = new Map();
    for (const r of world.of())
      for (const p of world.definitions.params(r.resourceType).values()) {
        if (p.type !== 'reference') continue;
        for (const n of world.targets(r, p)) {
          if (!all.has(n)) all.set(n, []);
          all.get(n).push([r, p]);
        }
      }
    world.memo.set('referrers', all);
  }
  return world.memo.get('referrers').get(name) ?? [];
}

function reversed(rng, world, r, depth) {
  const all = referrers(world, nameOf(r));
  if (!all.length) return undefined;
  const [from, p] = rng.of(all);
  const inner = criterion(rng, world, from, depth + 1);
  if (!inner || !targetsOf(p).includes(r.resourceType)) return undefined;
  return [`_has:${from.resourceType}:${p.code}:${inner[0]}`, inner[1]];
}
const targetsOf = (p) => p.target ?? [];

function specials(rng, world, r) {
  const word = () => {
    const s = rng.of(strings(r.text?.div?.replace(/<[^>]*>|&#?\w+;/g, ' ') ?? '').flatMap((t) => t.match(/[\p{L}\p{N}]{3,}/gu) ?? []));
    return s && !/^(and|or|not)$/i.test(s) && (rng.chance(0.2) ? `${s.slice(0, 3)}*` : s);
  };
  switch (rng.below(4)) {
    case 0: {
      const words = [word(), word()].filter(Boolean);
      if (!words.length) return undefined;
      return [rng.of(['_text', '_content']), words.slice(rng.below(words.length)).join(rng.of([' ', ' OR ', ' AND ', ' NOT '])) ];
    }
    case 1: {
      const lists = world.of('List');
      return lists.length ? ['_list', rng.of(lists).id] : undefined;
    }
    case 2: {
      if (r.resourceType !== 'Location' || !r.position) return undefined;
      const away = (at, most) => Math.min(most, Math.max(-most, at + (rng.next() - 0.5) * 4)).toFixed(3);
      return ['near', `${away(r.position.latitude, 90)}|${away(r.position.longitude, 180)}|${rng.of(['5', '50', '500', '120.5'])}|${rng.of(['km', '[mi_i]'])}`];
    }
    default: {
      const f = filter(rng, world, r, 0);
      return f && ['_filter', f];
    }
  }
}

/** A _filter text out of comparisons that r may fulfil. */
function filter(rng, world, r, depth) {
  if (depth < 2 && rng.chance(0.45)) {
    const [a, b] = [filter(rng, world, r, depth + 1), filter(rng, world, rng.chance(0.7) ? r : rng.of(world.of(r.resourceType)), depth + 1)];
    if (!a || !b) return undefined;
    return rng.of([`${a} and ${b}`, `${a} or ${b}`, `(${a} or ${b})`, `not (${a})`, `(${a}) and not (${b})`]);
  }
  for (let attempt = 0; attempt < 10; attempt++) {
    const p = rng.of([...world.definitions.params(r.resourceType).values()]);
    const values = world.values(r, p);
    if (!values.length || p.type === 'composite') continue;
    const quoted = (s) => JSON.stringify(s);
    if (rng.chance(0.1)) return `${p.code} pr ${rng.of(['true', 'false'])}`;
    const made = makers[p.type]?.(rng, world, p, rng.of(values), r);
    if (!made) continue;
    const [modifier, text] = made;
    if (/\\/.test(text)) continue;
    switch (p.type) {
      case 'string': return modifier === 'exact' || modifier === 'text' ? undefined : `${p.code} ${modifier === 'contains' ? 'co' : rng.of(['sw', 'eq', 'ne', 'ew'])} ${quoted(text)}`;
      case 'token': if (!modifier) return `${p.code} ${rng.of(['eq', 'ne'])} ${quoted(text)}`; break;
      case 'reference': if (!modifier) return `${p.code} ${rng.of(['eq', 're'])} ${quoted(text)}`; break;
      case 'uri': if (!modifier) return `${p.code} eq ${quoted(text)}`; break;
      default: {
        const bare = text.replace(/^[a-z]{2}/, '');
        return `${p.code} ${rng.of(['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', ...(p.type === 'date' ? ['po'] : [])])} ${quoted(bare)}`;
      }
    }
  }
  return undefined;
}

/**
 * A whole search: { path, criteria, result }; path is 'Type', 'Patient/1/Type',
 * 'Patient/1/*' or '' with _type.
 */
export function search(rng, world, types) {
  const type = rng.of(types), all = world.of(type);
  if (!all.length) return undefined;
  const r = rng.of(all);
  const criteria = [];
  for (let n = 1 + rng.below(3); n > 0; n--) {
    const own = rng.chance(0.75) ? r : rng.of(all);
    const c = rng.chance(0.08) ? specials(rng, world, own) : criterion(rng, world, own);
    if (c) criteria.push(c);
  }
  if (rng.chance(0.03)) criteria.length = 0;
  if (rng.chance(0.04)) { const q = within(rng, world); if (q) return q; }
  if (rng.chance(0.06)) return overTypes(rng, world, types, r, criteria);
  let path = type;
  if (rng.chance(0.08)) {
    const owner = compartmentOf(rng, world, r);
    if (owner && rng.chance(0.3)) return overTypes(rng, world, types, r, criteria, owner);
    if (owner) path = `${owner}/${type}`;
  }
  return { path, criteria, result: results(rng, world, type) };
}

/** What contained resources meet: values of one and the same of them. */
function within(rng, world) {
  if (!world.memo.has('containers')) world.memo.set('containers', world.of().filter((r) => list(r.contained).length));
  const r = rng.of(world.memo.get('containers'));
  const c = r && rng.of(list(r.contained));
  if (!c || !c.resourceType) return undefined;
  const criteria = [];
  for (let n = 1 + rng.below(2); n > 0; n--) {
    const p = rng.of([...world.definitions.params(c.resourceType).values()]), values = world.values(c, p);
    const made = p.type !== 'reference' && values.length && makers[p.type]?.(rng, world, p, rng.of(values), c);
    if (made) criteria.push([p.code + (made[0] ? `:${made[0]}` : ''), made[1]]);
  }
  const result = [['_contained', rng.of(['true', 'both'])]];
  if (rng.chance(0.3)) result.push(['_containedType', 'container']);
  if (rng.chance(0.3)) result.push(['_sort', rng.of(['_lastUpdated', '-_lastUpdated'])]);
  if (rng.chance(0.3)) result.push(['_count', String(1 + rng.below(5))]);
  return criteria.length ? { path: c.resourceType, criteria, result } : undefined;
}

/** Of several types, in a compartment or everywhere; conditions that all of them know. */
function overTypes(rng, world, types, r, criteria, owner) {
  const chosen = new Set([r.resourceType]);
  for (let n = 1 + rng.below(3); n > 0; n--) chosen.add(rng.of(types));
  const known = ([name]) => /^_(id|has)\b/.test(name) ? !name.startsWith('_has') : [...chosen].every((t) => {
    const [a, b] = [r.resourceType, t].map((x) => world.definitions.params(x).get(name.split(/[.:]/)[0]));
    return a && b && a.type === b.type && !name.includes('.') && !/:([A-Z]|below|above)/.test(name);
  });
  const result = [['_type', [...chosen].join(',')]];
  if (rng.chance(0.4)) {
    const of = (code) => [...chosen].map((t) => world.definitions.params(t).get(code));
    const shared = [...world.definitions.params(r.resourceType).values()].filter((p) => p.type !== 'composite' &&
      of(p.code).every((q) => q && q.type === p.type && q.type !== 'special')).map((p) => p.code);
    const keys = new Set();
    for (let n = 1 + rng.below(3); n > 0; n--) keys.add(rng.chance(0.4) ? rng.of(['_id', '_lastUpdated']) : rng.of(shared) ?? '_id');
    result.push(['_sort', [...keys].map((k) => (rng.chance(0.5) ? '-' : '') + k).join(',')]);
  }
  if (rng.chance(0.5)) result.push(['_count', String(1 + rng.below(30))]);
  return { path: owner ? `${owner}/*` : '', criteria: criteria.filter(known), result };
}

function compartmentOf(rng, world, r) {
  const names = [...world.definitions.params(r.resourceType).values()].filter((p) => p.type === 'reference').flatMap((p) => world.targets(r, p));
  const owners = names.filter((n) => world.definitions.compartments.get(n.split('/')[0])?.get(r.resourceType)?.length);
  return rng.of(owners.filter((o) => inCompartment(world, o, r.resourceType).length));
}

function results(rng, world, type) {
  const params = [...world.definitions.params(type).values()];
  const out = [];
  if (rng.chance(0.35)) {
    const keys = [];
    for (let n = 1 + rng.below(3); n > 0; n--) {
      const sorted = params.filter((p) => p.type !== 'composite' && world.of(type).some((r) => world.values(r, p).length));
      const code = rng.chance(0.15) ? rng.of(['_id', '_lastUpdated']) : rng.of(sorted)?.code;
      if (code && !keys.some((k) => k.replace('-', '') === code)) keys.push((rng.chance(0.5) ? '-' : '') + code);
    }
    if (rng.chance(0.1)) out.push(['_sort', '_score']);
    else if (keys.length) out.push(['_sort', keys.join(',')]);
  }
  if (rng.chance(0.3)) out.push(['_count', String(1 + rng.below(rng.chance(0.5) ? 5 : 40))]);
  if (rng.chance(0.15)) {
    const links = params.filter((p) => p.type === 'reference' && world.of(type).some((r) => world.targets(r, p).length));
    const p = rng.of(links);
    if (p) out.push([`_include${rng.chance(0.3) ? ':iterate' : ''}`, rng.chance(0.15) ? `${type}:*` : `${type}:${p.code}`]);
    if (p && rng.chance(0.3)) {
      const there = rng.of(world.of(type).flatMap((r) => world.targets(r, p)).map((n) => world.get(n)).filter(Boolean));
      const on = there && rng.of([...world.definitions.params(there.resourceType).values()].filter((q) => q.type === 'reference'));
      if (on) out.push(['_include:iterate', `${there.resourceType}:${on.code}`]);
    }
  }
  if (rng.chance(0.1)) {
    const r = rng.of(world.of(type));
    const [from, p] = rng.of(referrers(world, nameOf(r))) ?? [];
    if (from && targetsOf(p).includes(type)) out.push([`_revinclude${rng.chance(0.2) ? ':iterate' : ''}`, rng.chance(0.2) ? `${from.resourceType}:*` : `${from.resourceType}:${p.code}`]);
  }
  const brings = out.some(([n]) => n.includes('include'));
  if (rng.chance(0.08)) out.push(rng.chance(0.5) ? ['_summary', rng.of(brings ? ['true', 'data', 'false'] : ['true', 'data', 'false', 'text'])]
    : ['_elements', Object.keys(rng.of(world.of(type))).filter((k) => !/^_|^(resourceType|id|meta|contained|implicitRules)$/.test(k) && rng.chance(0.4)).join(',') || 'text']);
  return out;
}
