// elsewhere.mjs - what searches of other people ask: the questions that the tests of other FHIR
// servers, the R4 search page and clients put, each with the answer R4's text gives (or, where we
// differ, the answer docs/compatibility.md promises). Read by elsewhere.test.mjs.
//
// A case is a line: `QUERY => ids` (any order), `QUERY -> ids` (this order) or
// `QUERY ! status word` (refused). `+` marks a resource included, BASE is the server's address.
const ucum = 'http://unitsofmeasure.org';
const numbered = (type, list, make) =>
  Object.fromEntries(list.map((x, i) => [`${type}/${String.fromCharCode(97 + i)}`, make(x)]));
const coded = (...coding) => ({ coding: coding.map(([system, code, display]) => ({ system, code, display })) });

export const sections = [
{ name: 'quantities', resources: numbered('Observation',
  [[0.004, 'mg', 'urn:u:1'], [2, 'mg', 'urn:u:1'], [7, 'mg', 'urn:u:2'], [9, 'mg', 'urn:u:1'], [9, 'ml', 'urn:u:2'], [12, 'ml', 'urn:u:2'], [17.95, 'ml', 'urn:u:1']],
  ([value, code, system]) => ({ valueQuantity: { value, code, system } })), cases: `
Observation?value-quantity=40 =>
Observation?value-quantity=4E-3 => a
Observation?value-quantity=9.000 => d e
Observation?value-quantity=9|urn:u:1 => d
Observation?value-quantity=ne9|urn:u:1 => a b g
Observation?value-quantity=lt5e-3|urn:u:1 => a
Observation?value-quantity=gt3e-3|urn:u:2 => c e f
Observation?value-quantity=ne9||ml => f g
Observation?value-quantity=lt9.01||ml => e
Observation?value-quantity=eb9.0001|urn:u:1 => a b d
Observation?value-quantity=4e-3|urn:u:1|mg => a
Observation?value-quantity=sa8.9999|urn:u:1|ml => g
Observation?value-quantity=|urn:u:1 ! 400
Observation?value-quantity=9|bare-word ! 400
Observation?value-quantity=st5.35 ! 400
Observation?value-quantity=9|urn:u:1|mg|x ! 400
Observation?value-quantity=9||mg|x ! 400
Observation?value-quantity=gt ! 400
Observation?_sort=value-quantity -> a b c d e f g
Observation?_sort=-value-quantity&_count=2 -> g f d e c b a
` },
{ name: 'units that can be converted', resources: {
  'Observation/cells': { valueQuantity: { value: 0.08, system: ucum, code: '10*6/L' } },
  'Observation/long': { valueQuantity: { value: 80, system: ucum, code: 'm' } },
  'Observation/dense': { valueQuantity: { value: 0.7, system: ucum, code: 'g/mL' } },
  'Observation/pets': { component: [{ valueQuantity: { value: 31, unit: 'mice' } }, { valueQuantity: { value: 8, unit: 'owls' } }] },
  'Observation/share': { valueQuantity: { value: 100, system: ucum, code: '%' } },
  'Observation/molar': { valueQuantity: { value: 1, system: ucum, code: 'mol/L' } },
  'Observation/faint': { valueQuantity: { value: 1.0e-245, system: ucum, code: 'g' } },
}, cases: `
Observation?value-quantity=80|${ucum}|10*3/L => cells
Observation?value-quantity=8000|${ucum}|cm => long
Observation?value-quantity=0.08|${ucum}|km => long
Observation?value-quantity=700|${ucum}|kg/m3 => dense
Observation?value-quantity=700|${ucum}|g/L => dense
Observation?value-quantity=1000|${ucum}|mmol/L => molar
Observation?value-quantity=1|${ucum}|%25 =>
Observation?value-quantity=1|${ucum}|1 => share
Observation?component-value-quantity=31||mice => pets
Observation?component-value-quantity=31||owls =>
Observation?component-value-quantity=31&component-value-quantity=8 => pets
Observation?value-quantity=1.0e-245|${ucum}|g => faint
Observation?value-quantity=lt1e-200|${ucum}|g => faint
` },
{ name: 'tokens', resources: numbered('Observation', [
  coded(['urn:s:1', 'red']), coded(['urn:s:2', 'blue']), { text: 'colour' }, { ...coded(['urn:s:1', 'blue', 'hue']), text: 'colour' },
  coded(['urn:s:3', 'green', 'colour']), { ...coded([undefined, undefined, 'colour'], ['urn:s:1', 'red', 'colour'], ['urn:s:3', 'blue']), text: 'colour' },
  coded(['urn:s:2', 'red'], ['urn:s:3', 'green', 'hue']), coded([undefined, 'green']),
], (valueCodeableConcept) => ({ valueCodeableConcept })), cases: `
Observation?value-concept=pink =>
Observation?value-concept=red => a f g
Observation?value-concept=|green => h
Observation?value-concept=|blue =>
Observation?value-concept=urn:s:3| => e f g
Observation?value-concept=urn:s:2|blue => b
Observation?value-concept=urn:s:2|red,urn:s:1|blue => d g
Observation?value-concept:text=colour => c d e f
Observation?value-concept:text=hue => d g
Observation?value-concept:text=red =>
Observation?value-concept:not=pink => a b c d e f g h
Observation?value-concept:not=red => b c d e h
Observation?value-concept:not=urn:s:3| => a b c d h
Observation?value-concept:not=|green => a b c d e f g
Observation?value-concept:not=red,green => b c d
Observation?value-concept:missing=true =>
Observation?value-concept=a|b|c|d =>
Observation?value-concept=| ! 400
Observation?value-concept= ! 400
` },
{ name: 'tokens of strings, booleans and codes', resources: {
  'ValueSet/v': { version: '1.0-RC' }, 'Medication/m': { batch: { lotNumber: 'QxZ' } },
  'Patient/p': { gender: 'male', active: true, telecom: [{ system: 'phone', value: '(555) 010 4477' }, { system: 'email', value: 'Kim@Ex.org' }] },
  'Task/typed': { for: { type: 'Patient', identifier: { system: 'urn:mrn', value: '31' } } }, 'Task/plain': { for: { identifier: { system: 'urn:mrn', value: '31' } } },
}, cases: `
ValueSet?version=1.0-RC => v
ValueSet?version=1.0-rc =>
Medication?lot-number=QxZ => m
Medication?lot-number=qxz =>
Patient?gender=male => p
Patient?gender=Male =>
Patient?gender=http://hl7.org/fhir/administrative-gender|male => p
Patient?active=true => p
Patient?active=True =>
Patient?phone=(555)%20010%204477 => p
Patient?phone=5550104477 =>
Patient?email=Kim@Ex.org => p
Task?subject:identifier=urn:mrn|31 => plain typed
` },
{ name: 'references', resources: {
  'Organization/o': { name: 'Ward' }, 'Practitioner/p': { name: [{ family: 'Ost' }] },
  'Patient/a': { managingOrganization: { reference: 'Organization/o' } }, 'Patient/b': { managingOrganization: { reference: 'Organization/other' } },
  'Patient/c': { generalPractitioner: [{ reference: 'Practitioner/p' }] },
  'Patient/77': { name: [{ family: 'Same' }] }, 'Group/77': { type: 'person', actual: true },
  'Observation/s': { subject: { reference: 'Patient/77' } }, 'Observation/t': { subject: { reference: 'Group/77' } },
  'Observation/u': { hasMember: [{ reference: 'Observation/s/_history/1' }] },
}, cases: `
Patient?organization=Organization/o => a
Patient?organization=o => a
Patient?organization=BASE/Organization/o => a
Patient?organization=Organization/ot =>
Patient?organization=organization/o ! 400
Patient?organization:missing=true => 77 c
Patient?general-practitioner:Practitioner=p => c
Patient?general-practitioner:Practitioner=Practitioner/p => c
Patient?general-practitioner:Organization=p =>
Patient?general-practitioner.family=ost => c
Observation?subject=77 => s t
Observation?patient=77 => s
Observation?subject:Group=77 => t
Observation?subject:Patient._type=Patient => s
Observation?subject._type=Group => t
Observation?subject._id=77 => s t
Observation?has-member=Observation/s => u
Observation?has-member=Observation/s/_history/1 => u
Observation?has-member=Observation/s/_history/2 =>
Observation?_id=u&_include=Observation:has-member => u s+
Observation?_id=s&_include=Observation:* => s 77+
Observation?_id=s&_include=* => s 77+
Patient?_id=77&_revinclude=Observation:* => 77 s+
Patient?_id=77&_revinclude=* ! 400
` },
{ name: 'uris and canonicals', resources: {
  'ValueSet/a': { url: 'http://one.example/set' }, 'ValueSet/b': { url: 'urn:oid:1.2.36.7' }, 'ValueSet/c': { url: 'http://two.example/fhir/ValueSet/9/deep' },
  'Questionnaire/q1': { url: 'http://q.example/sleep', version: '1', title: 'Sleep' }, 'Questionnaire/q2': { url: 'http://q.example/sleep', version: '2', title: 'Sleep again' },
  'Questionnaire/q3': { url: 'http://q.example/pain', title: 'Pain' }, 'Questionnaire/q4': { title: 'Nameless' },
  'QuestionnaireResponse/r1': { questionnaire: 'http://q.example/sleep|1' }, 'QuestionnaireResponse/r2': { questionnaire: 'http://q.example/sleep' },
  'QuestionnaireResponse/r3': { questionnaire: 'http://q.example/pain' }, 'QuestionnaireResponse/r4': { questionnaire: 'Questionnaire/q4' },
  'QuestionnaireResponse/r5': { questionnaire: 'http://q.example/sleepless|1.4' }, 'QuestionnaireResponse/r6': { questionnaire: 'http://q.example/sleepless|1.4.2' },
  'Measure/m': { url: 'http://m.example/falls', version: '0.3' }, 'MeasureReport/x': { measure: 'http://m.example/falls', period: { start: '2019-02-01', end: '2019-02-28' } }, 'MeasureReport/y': { measure: 'http://m.example/none' },
  'DocumentReference/x1': { content: [{ attachment: { contentType: 'text/csv; header=present' } }] }, 'DocumentReference/x2': { content: [{ attachment: { contentType: 'text/csv' } }] },
  'DocumentReference/x3': { content: [{ attachment: { contentType: 'text/csvs' } }] },
  'Observation/o1': { meta: { profile: ['http://p.example/x|1'] } }, 'Observation/o2': { meta: { profile: ['http://p.example/x|2'] } }, 'Observation/o3': { meta: { profile: ['http://p.example/x', 'http://p.example/y|1'] } },
}, cases: `
ValueSet?url=http://one.example/set => a
ValueSet?url=http://one.EXAMPLE/set =>
ValueSet?url=urn:oid:1.2.36.7 => b
ValueSet?url:below=http => a c
ValueSet?url:below=set =>
ValueSet?url:below=http://two.example/fhir/ => c
ValueSet?url:below=urn:oid:1.2.36 => b
ValueSet?url:above=http://two.example/fhir/ValueSet/9/deep/er => c
ValueSet?url:above=http://two.example/fhir/ValueSet/9 =>
ValueSet?url:contains=one ! 400
Questionnaire?url=http://q.example/sleep => q1 q2
Questionnaire?url=http://q.example/sleep|2 => q2
Questionnaire?url=http://q.example/sleep|1,http://q.example/sleep|2 => q1 q2
QuestionnaireResponse?questionnaire=http://q.example/sleep => r1 r2
QuestionnaireResponse?questionnaire=http://q.example/sleep|1 => r1
QuestionnaireResponse?questionnaire=http://q.example/sleep|2 =>
QuestionnaireResponse?questionnaire:below=http://q.example/sleepless|1.4 => r5 r6
QuestionnaireResponse?questionnaire:below=http://q.example/sleepless|1.4.2 => r6
QuestionnaireResponse?questionnaire=Questionnaire/q4 => r4
QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire => r1 q1+
QuestionnaireResponse?_id=r2&_include=QuestionnaireResponse:questionnaire => r2 q1+ q2+
QuestionnaireResponse?_id=r4&_include=QuestionnaireResponse:questionnaire => r4 q4+
Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire => q1 r1+ r2+
QuestionnaireResponse?questionnaire.title=Pain => r3
QuestionnaireResponse?questionnaire.title=Sleep => r1 r2
QuestionnaireResponse?questionnaire:Questionnaire.title=Nameless => r4
Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r3 => q3
Measure?_has:MeasureReport:measure:period=ge2019-01-01 => m
MeasureReport?measure:Measure._has:MeasureReport:measure:period=ge2019 => x
Measure?_has:MeasureReport:measure:measure._has:MeasureReport:measure:_id=x => m
DocumentReference?contenttype=text/csv => x2
DocumentReference?contenttype:below=text/csv => x1 x2
DocumentReference?contenttype:below=text => x1 x2 x3
Observation?_profile=http://p.example/x => o1 o2 o3
Observation?_profile=http://p.example/x|2 => o2
Observation?_profile=http://p.example/x|1,http://p.example/y|1 => o1 o3
Observation?_profile:below=http://p.example/ => o1 o2 o3
` },
{ name: 'names as they are written', resources: {
  'Patient/a': { name: [{ family: 'Soto Ibáñez', given: ['Ana'] }] },
  'Patient/b': { name: [{ family: "D'Arcy", given: ['Lou-Ann'], text: 'Dame  Lou\tAnn' }], address: [{ line: ['4 Quay St.'], city: 'Saint-Cléry' }], birthDate: '1968-02-29' },
}, cases: `
Patient?family=Soto => a
Patient?family=ibanez =>
Patient?family:contains=IBAN => a
Patient?family=d'arcy => b
Patient?family=darcy =>
Patient?given=lou-ann => b
Patient?given=lou%20ann =>
Patient?name=dame%20lou%20ann => b
Patient?address=4%20quay%20st => b
Patient?address-city=saint-clery => b
Patient?address-city=saint%20clery =>
Patient?birthdate=1968 => b
Patient?birthdate=1968-02-29 => b
Patient?birthdate=sa1968-02-28 => b
Patient?birthdate=1968-02-29T00:00:00Z =>
Patient?birthdate=ge1968-02-29T12%3A00%3A00%2B02%3A00 => b
Patient?birthdate=ge1968-02-29T12:00:00+02:00 => b
Patient?birthdate=ge1968-02-29T00:00 => b
Patient?birthdate=1968-13 ! 400
Patient?birthdate=1968-02-29T25:00 ! 400
Patient?birthdate=1968-02-29T10 ! 400
` },
{ name: 'dates of parts', resources: numbered('Patient',
  ['1990', '1990-06', '1990-06-09', '1989-12-31', '1990-07-01', '1990-12', '1990-06-30', '1991', '1991-12', '1991-12-31', '1992-01-01'], (birthDate) => ({ birthDate })), cases: `
Patient?birthdate=1990 => a b c e f g
Patient?birthdate=1990-06 => b c g
Patient?birthdate=1990-06-09 => c
Patient?birthdate=1991-12 => i j
Patient?birthdate=1990-06-09,1991-12-31 => c j
Patient?birthdate=ne1990-06-09 => a b d e f g h i j k
Patient?_sort=birthdate&birthdate=1990 -> a b c g e f
Patient?_sort=-birthdate&_count=3 -> k j i h f e g c b a d
` },
{ name: 'periods and numbers', resources: {
  'Encounter/open': { period: { start: '2021-04-16T12:00:00Z' } }, 'Encounter/until': { period: { end: '2021-04-16T12:00:00Z' } },
  'Encounter/stays': { location: [{ period: { start: '2012-10-02T09:10:11Z', end: '2012-10-02T09:10:11Z' } }, { period: { start: '2012-10-01T09:10:11Z', end: '2012-10-01T09:10:11Z' } }] },
  'RiskAssessment/low': { prediction: [{ probabilityRange: { low: { value: 5 }, high: { value: 7 } } }] }, 'RiskAssessment/mid': { prediction: [{ probabilityRange: { low: { value: 50 }, high: { value: 70 } } }] },
  'RiskAssessment/a': { prediction: [{ probabilityDecimal: 99.5 }] }, 'RiskAssessment/b': { prediction: [{ probabilityDecimal: 100.5 }] }, 'RiskAssessment/c': { prediction: [{ probabilityDecimal: 93 }] },
  'MolecularSequence/s': { referenceSeq: { referenceSeqId: { coding: [{ code: 'NT_5.1' }] }, windowStart: 18130, windowEnd: 18143 } },
}, cases: `
Encounter?date=ge2021-04-16T13:00:00Z => open
Encounter?date=ge2021-04-16T11:00:00Z => open until
Encounter?date=le2021-04-16T13:00:00Z => open until
Encounter?date=le2021-04-16T11:00:00Z => until
Encounter?date=ge2021-04-17 => open
Encounter?date=le2021-04-15 => until
Encounter?location-period=2012-10-02T09:10:11Z => stays
RiskAssessment?probability=5 =>
RiskAssessment?probability=ap5 => low
RiskAssessment?probability=gt60 => a b c mid
RiskAssessment?probability=100 => a
RiskAssessment?probability=ne100 => b c low mid
RiskAssessment?probability=ap100 => a b c
RiskAssessment?probability=sa99.5 => b
RiskAssessment?probability=eb99.5 => c low mid
RiskAssessment?probability=gt55555555555555555555555555555555555555555555555 =>
RiskAssessment?probability=gt ! 400
RiskAssessment?probability=foo ! 400
MolecularSequence?referenceseqid-window-coordinate=NT_5.1$18130$18143 => s
` },
{ name: 'joins', resources: {
  'Patient/p1': { active: true }, 'Patient/p2': { active: true }, 'Encounter/e': {}, 'Device/d': { manufacturer: 'Osk', identifier: [{ system: 'urn:dev', value: 'K7' }] },
  'Observation/o1': { status: 'final', subject: { reference: 'Patient/p1' }, device: { reference: 'Device/d' } }, 'Observation/o2': { effectiveDateTime: '2003-05-06', subject: { reference: 'Patient/p1' } }, 'Observation/o3': { status: 'final', subject: { reference: 'Patient/p2' } },
  'Provenance/pv': { target: [{ reference: 'Patient/p1' }, { reference: 'Encounter/e' }], agent: [{ who: { reference: 'Device/d' } }] },
  'DiagnosticReport/r1': { status: 'final', result: [{ reference: 'Observation/o1' }] },
  'Observation/up': { hasMember: [{ reference: 'Observation/down' }] }, 'Observation/down': { derivedFrom: [{ reference: 'Observation/up' }] }, 'DiagnosticReport/r2': { result: [{ reference: 'Observation/up' }] },
}, cases: `
Patient?_has:Observation:subject:status=final&_has:Observation:subject:date=2003-05-06 => p1
Encounter?_has:Provenance:target:agent=Device/d => e
Patient?_has:Observation:subject:_has:DiagnosticReport:result:status=final => p1
Patient?_has:Observation:subject:device.identifier=urn:dev|K7 => p1
Patient?_has:Observation:patient:status:not=final => p1
Patient?_has:Observation:patient:status:missing=true => p1
Patient?_has:Observation:patient:date=ge2003,lt1990 => p1
DiagnosticReport?_id=r2&_include=DiagnosticReport:result&_include:iterate=Observation:has-member => r2 up+ down+
Observation?_has:DiagnosticReport:result:_id=r1&_include=Observation:subject&_revinclude=DiagnosticReport:result => o1 p1+ r1+
Patient?_has:Observations:subject:status=x ! 400
Patient?_has:Observation:subject:wrong=x ! 400 wrong
Patient?_has:Observation:subjects:status=x ! 400
Patient?_has=Observation ! 400
Patient?_has:Observation=x ! 400
` },
{ name: 'the whole store', resources: {
  'Basic/b': { meta: { tag: [{ system: 'urn:t', code: 'k' }], security: [{ system: 'urn:s', code: 'R' }], profile: ['http://p.example/z'], source: 'http://src.example#1' } },
  'Patient/b': {}, 'Patient/z': { meta: { tag: [{ code: 'k' }] } },
}, cases: `
?_id=b => Basic/b Patient/b
?_id=b,none => Basic/b Patient/b
?_type=Patient,Basic&_id=b => Basic/b Patient/b
?_tag=urn:t|k => Basic/b
?_tag=k => Basic/b Patient/z
?_tag=|k => Patient/z
?_tag:not=k => Patient/b
?_security=urn:s|R => Basic/b
?_profile=http://p.example/z => Basic/b
?_source=http://src.example%231 => Basic/b
?_lastUpdated=gt2000&_type=Patient => Patient/b Patient/z
?_sort=-_id&_type=Patient,Basic&_count=1 -> Patient/z Basic/b Patient/b
?bogus=1 ! 400 bogus
?name=x ! 400 name
?_type=Patient1 ! 400 Patient1
?_type= ! 400
Patient?_lastUpdated=gt2000 => b z
Patient?_lastUpdated=xyz ! 400
Patient?_count=2147483647&_id=b => b
Patient?_count=0&_totalMethod=count =>
Patient?_count=abc ! 400
Patient?_count=-1 ! 400
Patient?_summary=_count ! 400
Patient?_elements= ! 400
Patient?_total=xyz ! 400
Patient?_sort=xyz ! 400
Patient?maritalstatus=x ! 400 marital
Observation?date=05 ! 400
` },
];
