// package.test.mjs - `tarn package` with files, folders and a registry on loopback.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, scratch } from './lib.mjs';

const definition = (url, base, element) => ({ resourceType: 'StructureDefinition', url, version: '1',
  type: 'Patient', baseDefinition: base, derivation: 'constraint',
  differential: { element: [{ path: element, min: 1 }] } });

// NAME.tgz, as registries have them.
function pack(folder, name, version, resources, dependencies = {}) {
  const inner = join(folder, `${name}-${version}`, 'package');
  mkdirSync(inner, { recursive: true });
  writeFileSync(join(inner, 'package.json'), JSON.stringify({ name, version, dependencies }));
  resources.forEach((r, i) => writeFileSync(join(inner, `r${i}.json`), JSON.stringify(r)));
  const file = join(folder, `${name}-${version}.tgz`);
  execFileSync('tar', ['-czf', file, '-C', join(folder, `${name}-${version}`), 'package']);
  return file;
}

const BASE = 'http://hl7.org/fhir/StructureDefinition/Patient';

async function registry(files) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const file = files[request.url];
    response.writeHead(file ? 200 : 404, { 'content-type': 'application/tar+gzip' });
    response.end(file ? readFileSync(file) : '');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { asked, url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

test('a package by name comes with what it depends on, and resources are checked against it', async () => {
  const place = scratch();
  const low = pack(place.folder, 'x.low', '1.0.0', [definition('http://x/low', BASE, 'Patient.name')]);
  const high = pack(place.folder, 'x.high', '2.0.0',
    [definition('http://x/high', 'http://x/low', 'Patient.gender')],
    { 'x.low': '1.0.0', 'hl7.fhir.r4.core': '4.0.1', 'x.gone': '9.9.9' });
  const from = await registry({ '/x.low/1.0.0': low, '/x.high/2.0.0': high });
  const data = join(place.folder, 'data');
  try {
    const added = await run(['package', 'add', '--data', data, '--registry', from.url, 'x.high@2.0.0']);
    assert.match(added.stdout, /x\.low@1\.0\.0 added[^]*x\.high@2\.0\.0 added/);
    assert.match(added.stderr, /x\.gone@9\.9\.9: not found/);
    // What is built in is not asked for.
    assert.deepEqual(from.asked, ['/x.high/2.0.0', '/x.low/1.0.0', '/x.gone/9.9.9']);
    const list = await run(['package', 'list', '--data', data]);
    assert.match(list.stdout, /x\.high@2\.0\.0 {2}1 profiles/);

    const file = join(place.folder, 'patient.json');
    writeFileSync(file, JSON.stringify({ resourceType: 'Patient', meta: { profile: ['http://x/high'] } }));
    const checked = await run(['validate', '--data', data, '--json', '--quiet', file]);
    assert.equal(checked.status, 1);
    const told = JSON.parse(checked.stdout).issues.map((i) => i.text).join('\n');
    // A differential over another package's differential.
    assert.match(told, /Patient\.gender: minimum required = 1, but only found 0 \(from http:\/\/x\/high\|1\)/);
    assert.match(told, /Patient\.name: minimum required = 1/);
  } finally {
    from.stop();
    place.remove();
  }
});

test('packages are removed; what is no package is refused and told', async () => {
  const place = scratch();
  const data = join(place.folder, 'data');
  const file = pack(place.folder, 'x.low', '1.0.0', [definition('http://x/low', BASE, 'Patient.name')]);
  try {
    assert.equal((await run(['package', 'add', '--data', data, file])).status, 0);
    assert.equal((await run(['package', 'default', '--data', data, 'x.low@1.0.0'])).status, 0);
    assert.match((await run(['package', 'list', '--data', data])).stdout, /x\.low@1\.0\.0.*default/);
    assert.equal((await run(['package', 'remove', '--data', data, 'x.low@1.0.0'])).status, 0);
    assert.equal((await run(['package', 'remove', '--data', data, 'x.low@1.0.0'])).status, 1);
    assert.doesNotMatch((await run(['package', 'list', '--data', data])).stdout, /x\.low/);

    const junk = join(place.folder, 'junk.tgz');
    writeFileSync(junk, Buffer.concat([readFileSync(file).subarray(0, 60), Buffer.alloc(50, 7)]));
    const refused = await run(['package', 'add', '--data', data, junk]);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /cannot be unpacked/);
    const nameless = await run(['package', 'add', '--data', data, 'x.low@1.0.0'], { env: {} });
    assert.equal(nameless.status, 1);
    assert.match(nameless.stderr, /no --registry/);
    assert.equal((await run(['package', 'list'])).status, 2);
  } finally {
    place.remove();
  }
});
