// oracle-corpus.mjs - resources whose values are where searches go wrong: names in many
// scripts, separators of the query language, dates of every precision and zone, open and
// inverted periods, numbers of every size, references of every form, places at the poles
// and beside the date line, parts of parts in a circle.

import { dateRange } from './search-oracle.mjs';

/** Names as people have them; made up, some by letters alone. */
export const NAMES = [
  'Müller', 'MÜLLER', 'Mueller', 'Weiß', 'WEISS', 'Straße', 'Łukasz Żółw', 'Đorđević', 'Dvořák', 'Nguyễn Thị Bích', 'Nguyên', 'Åse Østergård',
  'Þórður Æsir', 'Ðan', 'Çelik', 'İstanbul', 'Işık', 'ılgaz', 'Jose\u0301 A\u0301lvarez', 'José Álvarez', 'François Œuvre', 'OEuvre', 'Ħal Għaxaq', 'Ŋgũgĩ', "O'Brien", 'O’Brien',
  'Al-Hassan', 'van der Berg', 'McDonald', 'Ünal', 'Ø', 'Σίσυφος', 'ΣΊΣΥΦΟΣ', 'σισυφοσ', 'Γιώργος Παπαδόπουλος', 'Ἀχιλλεύς', 'Иванов Пётр', 'ИВАНОВ ПЕТР', 'Йосиф', 'Иосиф', 'Їжакевич',
  'Ђорђе', 'Հայկ', 'ԵՒՐՈՊԱ', 'ანა', 'ᲐᲜᲐ', 'כהן', 'כֹּהֵן', 'محمد', 'مُحَمَّد', 'أحمد', 'احمد', 'فاطمة', 'علی', 'علي', 'राम', 'राम कुमार', 'कि', 'தமிழ்', 'สมชาย', 'น้ำ', '王小明', '王 小明', '山田太郎', 'やまだ',
  'ヤマダ', 'ﾔﾏﾀﾞ', 'ヴァイオリン', 'がく', 'か\u3099く', '김철수', '김철수', '가각', 'ＡＢＣ', 'ａｂｃ', 'ﬁne', 'fine', 'ĳssel', 'ijssel', 'Ǆin', 'Ⅷ', '①', '²', '½', 'Ａ\u3000Ｂ', 'a\u00a0b', 'a  b', '\u200bzero', 'zero\u200dwidth',
  'na\u0308ive', 'Zoë', 'ZOË', '𝒵oe', '𐐀𐐁', '𐐨𐐩', 'e\u0301\u0327', 'e\u0327\u0301', 'ẞ', 'ſ', 'K', 'Å', 'Ω', 'ǰ', 'ΐ', 'ŉa', '👩‍⚕️ Ada', 'x'.repeat(300), `${'é'.repeat(120)}`, `${'ab '.repeat(100)}c`,
];
const ODD = ['a,b', 'a|b', 'a$b', 'a\\b', 'a\\,b', '\\', ',', '|', '$', 'a%20b', 'a+b', 'a&b=c', '50%', '#1', 'a;b', '"q"', "it's", '<x>', 'ge2010', 'eq5', 'true', 'null', ' lead', 'trail ', 'tab\there', 'Z', 'z', '0', '00', '-1', '1.0', 'http://a/b', 'urn:uuid:x', 'a/b', 'Patient/1', '*', '(', 'and', '_id', ':not', 'é', 'É'];
const SYSTEMS = ['http://a.example', 'http://a.example/', 'http://A.example', 'urn:oid:1.2.3', 'http://a.example/x?y=z&w=1', 'http://a,b.example', undefined, undefined];
const DATES = ['2020', '2020-02', '2020-02-29', '2019-12-31', '2020-01-01', '2020-02-29T23:59:59Z', '2020-02-29T23:59:59.999Z', '2020-02-29T23:59:59.999999Z', '2020-03-01T00:00:00+14:00',
  '2020-02-29T00:00:00-12:00', '2020-02-29T12:00:00.5+05:30', '2020-02-29T12:00:00.50+05:30', '0001-01-01', '1582-10-15', '1899-12-31', '1969-12-31T23:59:59Z', '1970-01-01', '9999-12-31', '9999', '2016-12-31T23:59:59Z', '2020-06', '2000-02-29', '1900'];
const UNITS = [['kg', 'kg'], ['g', 'g'], ['mg', 'mg'], ['mmol/L', 'mmol/L'], ['mg/dL', 'mg/dL'], ['%', '%'], ['1', '1'], ['Cel', '°C'], ['[degF]', '°F'], ['mm[Hg]', 'mmHg'], ['/min', '/min'], ['{score}', 'score'], ['10*9/L', '10*9/L'], ['h', 'h'], ['min', 'min'], ['a', 'a'], ['wk', 'wk']];
const NUMBERS = [0, 1, -1, 0.1, 0.5, 1.5, 2, 5, 9.95, 9.99, 10, 37, 37.5, 98.6, 99.5, 100, 100.5, 120, 250, 999, 1000, 1e6, 1234567.891, 0.001, 1e-7, -0.25, 4503599627, 1e12];

/** Some hundred resources; the same for the same Random. */
export function corpus(rng, base, count = 240) {
  const text = () => rng.of(rng.chance(0.7) ? NAMES : ODD);
  const some = (make, most = 3) => Array.from({ length: rng.below(most + 1) }, make);
  const ids = { Patient: 40, Practitioner: 10, Organization: 16, Location: 24, Encounter: 20, Device: 6 };
  const id = (type) => `c-${rng.below(ids[type] ?? 30)}`;
  const coding = () => clean({ system: rng.of(SYSTEMS), code: rng.of(['a', 'A', 'b', 'final', ...ODD.filter((s) => s.trim() === s && !/\s/.test(s))]), display: rng.chance(0.5) ? text() : undefined });
  const concept = () => clean({ coding: full(some(coding, 2)), text: rng.chance(0.4) ? text() : undefined });
  const identifier = () => clean({ system: rng.of(SYSTEMS), value: rng.of(ODD), type: rng.chance(0.3) ? concept() : undefined });
  const reference = (...types) => {
    const type = rng.of(types), own = `${type}/${id(type)}`;
    switch (rng.below(9)) {
      case 0: return { reference: `${base}/${own}` };
      case 1: return { reference: `${own}/_history/${1 + rng.below(3)}` };
      case 2: return { reference: `http://other.example/fhir/${own}` };
      case 3: return { identifier: identifier(), display: text() };
      case 4: return { reference: own, identifier: identifier() };
      case 5: return { reference: 'urn:uuid:0a1b2c3d-0000-4000-8000-00000000000' + rng.below(9) };
      default: return { reference: own };
    }
  };
  const date = () => rng.of(DATES), day = () => rng.of(DATES.filter((d) => d.length <= 10)), instant = () => rng.of(DATES.filter((d) => d.length > 16));
  const period = () => {
    const [start, end] = [date(), date()].sort((a, b) => dateRange(a)[0] - dateRange(b)[0]);
    return clean({ start: rng.chance(0.8) ? start : undefined, end: rng.chance(0.6) ? end : undefined });
  };
  const quantity = () => {
    const [code, unit] = rng.of(UNITS);
    const odd = rng.below(6);
    return clean({ value: rng.of(NUMBERS), comparator: rng.chance(0.15) ? rng.of(['<', '<=', '>', '>=']) : undefined, unit: odd === 5 ? text() : unit,
      system: odd ? 'http://unitsofmeasure.org' : rng.of(SYSTEMS), code: odd === 4 ? undefined : odd ? code : rng.of(['x', 'kg', 'a|b']) });
  };
  const range = () => {
    const unit = { ...quantity(), comparator: undefined }, [low, high] = [rng.of(NUMBERS), rng.of(NUMBERS)].sort((a, b) => a - b);
    return clean({ low: rng.chance(0.8) ? { ...unit, value: low } : undefined, high: rng.chance(0.8) ? { ...unit, value: high } : undefined });
  };
  const timing = () => clean({ event: full(some(date)), repeat: rng.chance(0.4) ? { boundsPeriod: period() } : undefined });
  const name = () => clean({ family: rng.chance(0.8) ? text() : undefined, given: full(some(text, 2)), text: rng.chance(0.3) ? text() : undefined, prefix: rng.chance(0.1) ? ['Dr.'] : undefined });
  const address = () => clean({ line: full(some(text, 2)), city: text(), state: rng.of(['CA', 'ca', undefined]), postalCode: rng.of(['0123', '01-23', undefined]), country: rng.of(['DE', undefined]), use: rng.of(['home', 'work', undefined]) });
  const telecom = () => clean({ system: rng.of(['phone', 'email', undefined]), value: rng.of(['+49 (0) 30 1', 'A@B.example', 'a@b.example', '555', ...ODD]), use: rng.of(['home', 'mobile', undefined]) });
  const narrative = () => (rng.chance(0.6) ? { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${escape(text())} <b>${escape(text())}</b></p>&#233;t&#xE9; &amp; more<br/>end</div>` } : undefined);
  const meta = () => clean({ tag: full(some(coding, 1)), security: full(some(coding, 1)), profile: rng.chance(0.2) ? [rng.of(['http://p.example/a', 'http://p.example/a|1.0', 'http://p.example/a/b'])] : undefined, source: rng.of([undefined, undefined, 'http://s.example/x', 'urn:s#y']) });
  const make = {
    Patient: () => ({ active: rng.of([true, false, undefined]), name: full(some(name)), telecom: full(some(telecom)), address: full(some(address, 2)), identifier: full(some(identifier)), gender: rng.of(['male', 'female', 'other', undefined]), birthDate: rng.chance(0.8) ? day() : undefined,
      ...rng.of([{}, { deceasedBoolean: true }, { deceasedBoolean: false }, { deceasedDateTime: date() }]), generalPractitioner: full(some(() => reference('Practitioner', 'Organization'), 2)), managingOrganization: rng.chance(0.4) ? reference('Organization') : undefined,
      link: rng.chance(0.3) ? [{ other: reference('Patient'), type: 'seealso' }] : undefined, communication: rng.chance(0.3) ? [{ language: concept() }] : undefined }),
    Practitioner: () => ({ name: full(some(name)), identifier: full(some(identifier)), telecom: full(some(telecom)) }),
    Organization: () => ({ name: text(), alias: full(some(text, 2)), partOf: rng.chance(0.7) ? reference('Organization') : undefined, type: full(some(concept, 2)), identifier: full(some(identifier)) }),
    Location: () => ({ name: text(), status: rng.of(['active', 'suspended', undefined]), partOf: rng.chance(0.7) ? reference('Location') : undefined, address: rng.chance(0.5) ? address() : undefined, managingOrganization: rng.chance(0.4) ? reference('Organization') : undefined,
      position: rng.chance(0.8) ? { latitude: rng.of([0, 89.9, -89.95, 90, 48.2, 48.21, 48.3, -33.9]), longitude: rng.of([0, 179.99, -179.99, 180, 16.4, 16.41, 16.5, 151.2]) } : undefined }),
    Encounter: () => ({ status: rng.of(['finished', 'planned']), class: coding(), subject: rng.chance(0.8) ? reference('Patient') : undefined, period: rng.chance(0.8) ? period() : undefined, length: rng.chance(0.4) ? quantity() : undefined, partOf: rng.chance(0.3) ? reference('Encounter') : undefined,
      location: full(some(() => ({ location: reference('Location'), period: rng.chance(0.3) ? period() : undefined }), 2)), type: full(some(concept, 2)), serviceProvider: rng.chance(0.3) ? reference('Organization') : undefined }),
    Observation: () => ({ status: rng.of(['final', 'preliminary', 'amended']), code: concept(), category: full(some(concept, 2)), subject: reference('Patient', 'Location', 'Device'), encounter: rng.chance(0.4) ? reference('Encounter') : undefined, performer: full(some(() => reference('Practitioner', 'Organization', 'Patient'), 2)),
      ...rng.of([{}, { effectiveDateTime: date() }, { effectiveDateTime: date() }, { effectivePeriod: period() }, { effectiveInstant: instant() }, { effectiveTiming: timing() }]),
      ...rng.of([{}, { valueQuantity: quantity() }, { valueQuantity: quantity() }, { valueCodeableConcept: concept() }, { valueString: text() }, { valueDateTime: date() }, { valuePeriod: period() }, { valueInteger: 5 }, { valueRange: range() }]),
      component: full(some(() => ({ code: concept(), ...rng.of([{}, { valueQuantity: quantity() }, { valueCodeableConcept: concept() }]) }), 2)), hasMember: full(some(() => reference('Observation'), 2)),
      ...(rng.chance(0.2) ? { subject: { reference: '#p' }, contained: [clean({ resourceType: 'Patient', id: 'p', name: full(some(name)), gender: rng.of(['male', 'female']), managingOrganization: reference('Organization'), link: rng.chance(0.3) ? [{ other: reference('Patient'), type: 'seealso' }] : undefined })] } : {}) }),
    Condition: () => ({ code: concept(), subject: reference('Patient'), encounter: rng.chance(0.3) ? reference('Encounter') : undefined, clinicalStatus: concept(), ...rng.of([{}, { onsetDateTime: date() }, { onsetPeriod: period() }, { onsetAge: quantity() }, { onsetRange: range() }, { onsetString: text() }]),
      ...rng.of([{}, { abatementDateTime: date() }, { abatementAge: quantity() }, { abatementString: text() }]), recordedDate: rng.chance(0.4) ? date() : undefined, evidence: full(some(() => ({ code: [concept()], detail: [reference('Observation')] }), 1)) }),
    RiskAssessment: () => ({ status: 'final', subject: reference('Patient'), prediction: full(some(() => ({ ...rng.of([{}, { probabilityDecimal: rng.of(NUMBERS) }, { probabilityRange: range() }]), qualitativeRisk: concept() }), 2)) }),
    List: () => ({ status: 'current', mode: 'working', title: text(), code: concept(), entry: full(some(() => ({ item: reference('Patient', 'Observation', 'Location') }), 5)), subject: rng.chance(0.5) ? reference('Patient') : undefined }),
    ValueSet: () => ({ url: rng.of(['http://v.example/a', 'http://v.example/a/b', 'http://v.example/ab', 'urn:oid:1.2']), status: 'draft', version: rng.of(['1.0', '1', undefined]), name: text(), title: text(), description: text(), useContext: full(some(() => ({ code: coding(), ...rng.of([{ valueCodeableConcept: concept() }, { valueQuantity: quantity() }, { valueRange: range() }]) }), 2)) }),
    ActivityDefinition: () => ({ url: rng.of(['http://v.example/a', 'http://v.example/c']), status: 'draft', version: '1', library: full(some(() => rng.of(['http://v.example/lib', 'http://v.example/lib|2']), 2)), name: text(),
      relatedArtifact: full(some(() => ({ type: rng.of(['depends-on', 'derived-from', 'predecessor']), resource: rng.of(['http://v.example/lib|2', 'http://v.example/a', `${base}/ValueSet/c-1`, 'ValueSet/c-2']) }), 2)) }),
    MedicationRequest: () => ({ status: 'active', intent: 'order', subject: reference('Patient'), ...rng.of([{ medicationCodeableConcept: concept() }, { medicationReference: { reference: '#m' }, contained: [clean({ resourceType: 'Medication', id: 'm', code: concept(), manufacturer: rng.chance(0.6) ? rng.of([{ reference: '#o' }, reference('Organization')]) : undefined }), clean({ resourceType: 'Organization', id: 'o', name: text(), partOf: rng.chance(0.5) ? reference('Organization') : undefined })] }]), requester: rng.chance(0.5) ? reference('Practitioner', 'Patient') : undefined, authoredOn: rng.chance(0.7) ? date() : undefined,
      dosageInstruction: full(some(() => ({ timing: timing() }), 2)) }),
    Device: () => ({ udiCarrier: rng.chance(0.5) ? [{ carrierHRF: text(), deviceIdentifier: rng.of(ODD) }] : undefined, deviceName: [{ name: text(), type: 'other' }], type: concept(), patient: rng.chance(0.5) ? reference('Patient') : undefined, url: rng.of([undefined, 'http://d.example/x']) }),
  };
  const types = Object.keys(make), all = new Map();
  for (let n = 0; n < count; n++) {
    const type = n < types.length ? types[n] : rng.of(['Patient', 'Observation', 'Observation', 'Observation', ...types]);
    const r = clean({ resourceType: type, id: id(type), meta: meta(), text: narrative(), ...make[type]() });
    all.set(`${type}/${r.id}`, r);
  }
  return [...all.values()];
}

const escape = (s) => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);
const full = (array) => (array.length ? array : undefined);
/** Without what is empty: FHIR has no empty objects. */
function clean(v) {
  if (Array.isArray(v)) return full(v.map(clean).filter((x) => x !== undefined)) ;
  if (v === null || typeof v !== 'object') return v;
  const kept = Object.entries(v).map(([k, x]) => [k, clean(x)]).filter(([, x]) => x !== undefined);
  return kept.length ? Object.fromEntries(kept) : undefined;
}

/** Parameters of a store's own: [code, type, bases, expression, targets]. */
const OWN = [
  ['x-lang', 'token', ['Patient'], 'Patient.communication.language'],
  ['x-doctor', 'string', ['Patient', 'Practitioner'], "Patient.name.where(prefix.exists() or given.exists()) | Practitioner.name.family"],
  ['x-part', 'quantity', ['Observation'], 'Observation.component.value.ofType(Quantity)'],
  ['x-place', 'reference', ['Encounter'], 'Encounter.location.location', ['Location']],
  ['x-end', 'date', ['Condition', 'Encounter'], 'Condition.abatement.ofType(dateTime) | Encounter.period'],
  ['x-chance', 'number', ['RiskAssessment'], 'RiskAssessment.prediction.probability.ofType(decimal)'],
  ['x-lib', 'uri', ['ActivityDefinition'], 'ActivityDefinition.library'],
  ['x-label', 'token', ['Resource'], 'Resource.meta.tag | Resource.meta.security'],
  ['x-shown', 'string', ['Observation', 'Condition'], 'Observation.code.coding.display | Condition.code.text | Condition.code.coding.display'],
  ['x-many', 'token', ['Patient'], "Patient.telecom.where(system = 'phone').value.first() | Patient.identifier.where(system.exists()).value"],
];
export const ownParams = () => OWN.map(([code, type, base, expression, target]) => ({ resourceType: 'SearchParameter', id: code, url: `http://p.example/${code}`, name: code.replace('-', ''), status: 'active',
  description: code, code, base, type, expression, ...(target ? { target } : {}) }));
