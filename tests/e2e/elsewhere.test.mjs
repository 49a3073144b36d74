// elsewhere.test.mjs - the cases of elsewhere.mjs against a server of each section's own.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { scratch, serve } from './lib.mjs';
import { sections } from './elsewhere.mjs';

async function load(base, resources) {
  const entry = Object.entries(resources).map(([url, r]) => {
    const [resourceType, id] = url.split('/');
    return { resource: { resourceType, id, ...r }, request: { method: 'PUT', url } };
  });
  const answer = await fetch(base, {
    method: 'POST', headers: { 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry }),
  });
  assert.equal(answer.status, 200, await answer.text());
}

/** Every page of a query: { status, text, found }, included ones last and with a +. */
async function ask(base, query) {
  const asked = query.replaceAll('BASE', base).replaceAll('|', '%7C').replace(/[^\x21-\x7e]/g, encodeURIComponent);
  const name = (r) => (query.startsWith('?') ? `${r.resourceType}/` : '') + r.id;
  const found = [], included = [];
  for (let url = query.startsWith('?') ? base + asked : `${base}/${asked}`; url;) {
    const answer = await fetch(url), text = await answer.text();
    if (answer.status !== 200) return { status: answer.status, text };
    const bundle = JSON.parse(text);
    for (const { search, resource } of bundle.entry ?? []) {
      if (search.mode === 'match') found.push(name(resource));
      else included.push(`${name(resource)}+`);
    }
    url = bundle.link.find((l) => l.relation === 'next')?.url;
  }
  return { status: 200, found: [...found, ...included] };
}

function judge(line, kind, want, answer) {
  if (kind === '!') {
    const [status, word] = want.split(' ');
    assert.equal(String(answer.status), status, `${line}: ${answer.found}`);
    if (word) assert.match(answer.text, new RegExp(word), line);
    return;
  }
  assert.equal(answer.status, 200, `${line}: ${answer.text}`);
  const ids = want.split(/\s+/).filter(Boolean);
  const inOrder = (list) => (kind === '->' ? list : [...list].sort()).join(' ');
  assert.equal(inOrder(answer.found), inOrder(ids), line);
}

for (const { name, resources, cases } of sections) {
  test(`what others ask of ${name} is answered as R4 says`, async () => {
    const place = scratch();
    const server = await serve(join(place.folder, 'd'), ['--no-auth', '--validation-level', 'off']);
    try {
      await load(server.endpoint, resources);
      for (const line of cases.split('\n').filter(Boolean)) {
        const [, query, kind, want] = line.match(/^(\S+) (=>|->|!) ?(.*)$/);
        judge(line, kind, want, await ask(server.endpoint, query));
      }
    } finally {
      await server.stop();
      place.remove();
    }
  });
}
