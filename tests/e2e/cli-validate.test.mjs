// cli-validate.test.mjs - `tarn validate`: files, lines, folders, standard input.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, scratch, tarn } from './lib.mjs';

const good = '{"resourceType":"Patient","gender":"female"}';
const bad = '{"resourceType":"Patient",\n "gender":"x"}';
const lines = `${good}\n\n${bad.replace('\n', '')}\n{"a":\n`;

const withFiles = async (use) => {
  const place = scratch();
  try {
    mkdirSync(join(place.folder, 'in/deep'), { recursive: true });
    const path = (name) => join(place.folder, 'in', name);
    writeFileSync(path('good.json'), `\ufeff${good}`);
    writeFileSync(path('deep/bad.json'), bad);
    writeFileSync(path('lines.ndjson'), lines);
    writeFileSync(path('readme.txt'), 'no JSON');
    await use(path, place.folder);
  } finally {
    place.remove();
  }
};

/** The same with something on standard input. */
const runWith = (input, args) => new Promise((done) => {
  const child = spawn(tarn, args);
  let stdout = '';
  child.stdout.on('data', (piece) => { stdout += piece; });
  child.on('close', (status) => done({ status, stdout }));
  child.stdin.end(input);
});

test('a fault is shown with its line, column and a caret under it', () => withFiles(async (path) => {
  const answer = await run(['validate', '--quiet', path('deep/bad.json')]);
  assert.equal(answer.status, 1);
  const told = answer.stdout.split('\n');
  assert.match(told[0], /bad\.json:2:12: error: Patient\.gender: The value provided \('x'\) was not found/);
  assert.equal(told[1], '     "gender":"x"}');
  assert.equal(told[2].indexOf('^'), told[1].indexOf('x"'));
  assert.match(told[3], /bad\.json: 1 errors, 1 warnings/);
}));

test('what is valid, invalid or not there has its exit status', () => withFiles(async (path) => {
  assert.equal((await run(['validate', path('good.json')])).status, 0);
  assert.equal((await run(['validate', path('good.json'), path('deep/bad.json')])).status, 1);
  assert.equal((await run(['validate', path('deep/bad.json'), path('none.json')])).status, 2);
  assert.equal((await run(['validate', path('readme.txt')])).status, 1); // named: so it is read
  assert.equal((await run(['validate'])).status, 2);
}));

test('NDJSON is a resource a line, and answers are, too', () => withFiles(async (path) => {
  const answer = await run(['validate', '--quiet', '--json-lines', path('lines.ndjson')]);
  assert.equal(answer.status, 1);
  const told = answer.stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(told.map((o) => [o.line, o.errors]), [[1, 0], [3, 1], [4, 1]]);
  const [issue] = told[1].issues;
  assert.equal(issue.line, 3);
  assert.equal(issue.expression, 'Patient.gender');
  assert.match(told[2].issues[0].text, /^Error parsing JSON: /);
  assert.match((await run(['validate', '--quiet', path('lines.ndjson')])).stdout,
    /lines\.ndjson:3:38: error[^]*3 resources: 2 errors/);
}));

test('folders are gone through by name, standard input is read', () => withFiles(async (path, folder) => {
  const answer = await run(['validate', '--json-lines', '--quiet', join(folder, 'in')]);
  const told = answer.stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(told.map((o) => o.file.slice(folder.length + 4)),
    ['deep/bad.json', 'good.json', 'lines.ndjson', 'lines.ndjson', 'lines.ndjson']);
  const one = await runWith(bad, ['validate', '--json', '--quiet', '-']);
  assert.equal(one.status, 1);
  assert.equal(JSON.parse(one.stdout).errors, 1);
  const many = await runWith(lines, ['validate', '--json-lines', '--ndjson', '-']);
  assert.equal(many.stdout.trim().split('\n').length, 3);
}));

test('a rule has its key, and its profile where it has one', () => withFiles(async (path) => {
  writeFileSync(path('o.json'), JSON.stringify({
    resourceType: 'Observation', status: 'final', code: { text: 'x' }, valueInteger: 1,
    dataAbsentReason: { text: 'x' }, referenceRange: [{ low: { value: 1, comparator: '<' } }],
  }));
  const { issues } = JSON.parse((await run(['validate', '--json', '--quiet', path('o.json')])).stdout);
  const rule = (key) => issues.find((i) => i.rule === key);
  assert.match(rule('obs-6').text, /^Constraint failed: obs-6: '/);
  assert.equal(rule('sqty-1').profile, 'http://hl7.org/fhir/StructureDefinition/SimpleQuantity|4.0.1');
}));
