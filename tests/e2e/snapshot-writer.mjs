// snapshot-writer.mjs - a process of snapshot.test.mjs: moves amounts between accounts of
// its own until told to stop. An account is an Observation and its Patient; both are
// always written together with the same mark, an account may die while another is born.
import { Random } from './oracle-queries.mjs';

const [, , endpoint, name, count, seed] = process.argv;
const headers = { 'content-type': 'application/fhir+json' };
const rng = new Random(+seed);
const accounts = new Map(); // id: amount
let mark = 0, born = +count, isOver = false;
process.on('message', () => { isOver = true; });

const patient = (id, m) => ({ resourceType: 'Patient', id: `${name}-${id}`, active: true, identifier: [{ system: 'urn:mark', value: m }] });
const observation = (id, amount, m) => ({ resourceType: 'Observation', id: `${name}-${id}`, status: 'final', code: { coding: [{ system: 'urn:t', code: 'account' }] }, identifier: [{ system: 'urn:mark', value: m }],
  subject: { reference: `Patient/${name}-${id}` }, valueQuantity: { value: amount, unit: 'USD' } });
const put = (r) => ({ resource: r, request: { method: 'PUT', url: `${r.resourceType}/${r.id}` } });
const pause = (ms) => new Promise((r) => setTimeout(r, ms));

/** Until it is answered; the server may be away. True when it must have been done. */
async function post(entry) {
  for (;;) {
    try {
      const answer = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }) });
      if (answer.status === 200) { await answer.text(); return; }
      if (answer.status < 500) throw new Error(`refused: ${answer.status} ${await answer.text()}`);
    } catch (e) {
      if (/refused/.test(e.message)) throw e;
    }
    await pause(20); // what was done is done again: the same content makes no difference
  }
}

const first = [];
for (let i = 0; i < +count; i++) {
  accounts.set(i, 100);
  first.push(put(patient(i, `${name}-0`)), put(observation(i, 100, `${name}-0`)));
}
await post(first);
process.send({ ready: true });
let writes = 0;
while (!isOver) {
  const m = `${name}-${++mark}`, ids = [...accounts.keys()], entry = [];
  const [a, b] = [rng.of(ids), rng.of(ids)], amount = rng.below(50) - 10;
  if (a === b) continue;
  accounts.set(a, accounts.get(a) - amount);
  accounts.set(b, accounts.get(b) + amount);
  for (const id of [a, b]) entry.push(put(patient(id, m)), put(observation(id, accounts.get(id), m)));
  if (rng.chance(0.3)) { // another takes over what one had
    const old = rng.of(ids.filter((x) => x !== a && x !== b)), id = born++;
    accounts.set(id, accounts.get(old));
    accounts.delete(old);
    entry.push(put(patient(id, m)), put(observation(id, accounts.get(id), m)),
      ...['Patient', 'Observation'].map((t) => ({ request: { method: 'DELETE', url: `${t}/${name}-${old}` } })));
  }
  await post(entry);
  writes++;
  if (rng.chance(0.2)) await pause(rng.below(10));
}
process.send({ writes });
process.disconnect();
