// iam.test.mjs - users and policies from outside: real signed requests, the
// seed guide's own policy, sessions, and changes under a running server.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { keys, run, scratch, serve } from './lib.mjs';

let place, data, store, resource;
const account = '123456789012', user = `arn:aws:iam::${account}:user/flexpa`;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const guideActions = ['CreateResource', 'UpdateResource', 'ReadResource', 'SearchWithGet',
  'SearchWithPost'].map((a) => `healthlake:${a}`);
const allow = (Action, Resource) => ({ Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource }] });

async function iam(...args) {
  const done = await run(['iam', ...args, '--data', data]);
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}
const file = (name, document) => {
  const path = join(place.folder, name);
  writeFileSync(path, JSON.stringify(document, null, 2));
  return path;
};
const credentials = (text) => Object.fromEntries(
  [...text.matchAll(/^(aws_\w+) = (\S+)$/gm)].map(([, name, value]) => [{
    aws_access_key_id: 'accessKeyId', aws_secret_access_key: 'secretAccessKey',
    aws_session_token: 'sessionToken' }[name], value]));

/** One signed request. */
async function ask(who, method, path, { body, headers = {} } = {}) {
  const url = new URL(path, store.origin);
  const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const signer = new SignatureV4({ credentials: who, region: 'us-east-1', service: 'healthlake',
    sha256: Sha256 });
  const request = new HttpRequest({ method, protocol: url.protocol, hostname: url.hostname,
    port: Number(url.port), path: url.pathname, query: Object.fromEntries(url.searchParams),
    body: text, headers: { host: url.host, 'content-type': 'application/fhir+json', ...headers } });
  const signed = await signer.sign(request);
  const answer = await fetch(url, { method, body: text, headers: signed.headers });
  const content = await answer.text();
  return { status: answer.status, headers: answer.headers, text: content,
    json: content ? JSON.parse(content) : undefined };
}
const fhir = (who, method, path, body, headers) =>
  ask(who, method, `/datastore/${store.id}/r4/${path}`, { body, headers });
const control = (who, operation, body = {}) => ask(who, 'POST', '/', { body, headers: {
  'x-amz-target': `HealthLake.${operation}`, 'content-type': 'application/x-amz-json-1.0' } });

function denied(answer, action, on = resource) {
  assert.equal(answer.status, 403, answer.text);
  assert.equal(answer.headers.get('x-amzn-errortype'), 'AccessDeniedException');
  assert.equal(answer.json.message, `User: ${user} is not authorized to perform: ` +
    `healthlake:${action} on resource: ${on} because no identity-based policy allows the ` +
    `healthlake:${action} action`);
}

let who;
const patient = (id) => ({ resourceType: 'Patient', id });
const bundle = (type, ...entry) => ({ resourceType: 'Bundle', type, entry });
const put = (id) => ({ resource: patient(id), request: { method: 'PUT', url: `Patient/${id}` } });

before(async () => {
  place = scratch();
  data = join(place.folder, 'data');
  store = await serve(data, ['--account-id', account]);
  resource = `arn:aws:healthlake:us-east-1:${account}:datastore/fhir/${store.id}`;
  await iam('user', 'create', 'flexpa');
  who = credentials(await iam('key', 'create', 'flexpa'));
  await iam('policy', 'put', 'flexpa', '--name', 'guide', '--policy',
    file('guide.json', allow(guideActions, resource)));
  await pause(1200);
});
after(async () => {
  await store?.stop();
  place?.remove();
});

test("the guide's policy permits what it lists", async () => {
  assert.equal((await fhir(who, 'PUT', 'Patient/p1', patient('p1'))).status, 201);
  assert.equal((await fhir(who, 'GET', 'Patient/p1')).status, 200);
  assert.equal((await fhir(who, 'POST', 'Patient', { resourceType: 'Patient' })).status, 201);
  assert.equal((await fhir(who, 'GET', 'Patient?_id=p1')).json.entry.length, 1);
  assert.equal((await fhir(who, 'POST', 'Patient/_search', '_id=p1',
    { 'content-type': 'application/x-www-form-urlencoded' })).status, 200);
});

test("the guide's policy lacks what the guide's own program does, and each denial says so", async () => {
  denied(await fhir(who, 'POST', '', bundle('transaction', put('p2'))), 'ProcessBundle');
  denied(await fhir(who, 'POST', '', bundle('batch')), 'ProcessBundle');
  denied(await fhir(who, 'GET', 'Patient/p1/$everything'), 'SearchEverything');
  denied(await control(who, 'ListFHIRDatastores'), 'ListFHIRDatastores', '*');
  assert.equal((await fhir(who, 'GET', 'Patient/p2')).status, 404);
});

test('each interaction takes its own action', async () => {
  denied(await fhir(who, 'DELETE', 'Patient/p1'), 'DeleteResource');
  denied(await fhir(who, 'GET', 'Patient/p1/_history'), 'GetHistoryByResourceId');
  denied(await fhir(who, 'GET', 'Patient/p1/_history/1'), 'VersionReadResource');
  denied(await fhir(who, 'GET', 'metadata'), 'GetCapabilities');
  denied(await fhir(who, 'PATCH', 'Patient/p1', [{ op: 'remove', path: '/x' }],
    { 'content-type': 'application/json-patch+json' }), 'PatchResource');
  denied(await control(who, 'DescribeFHIRDatastore', { DatastoreId: store.id }),
    'DescribeFHIRDatastore');
  denied(await control(who, 'CreateFHIRDatastore', { DatastoreTypeVersion: 'R4' }),
    'CreateFHIRDatastore', '*');
  /* The member that the operation reads decides, not another one. */
  denied(await control(who, 'DeleteFHIRDatastore', { DatastoreId: store.id, ResourceARN: 'x' }),
    'DeleteFHIRDatastore');
});

test('simulate explains the lack and prints the amended policy, which then works', async () => {
  const lacking = ['ProcessBundle', 'SearchEverything', 'ListFHIRDatastores'];
  const said = await run(['iam', 'simulate', '--policy', join(place.folder, 'guide.json'),
    '--resource', resource, ...lacking.flatMap((a) => ['--action', `healthlake:${a}`])]);
  assert.equal(said.status, 1);
  for (const action of lacking)
    assert.match(said.stdout, new RegExp(`no identity-based policy allows the healthlake:${action}`));
  assert.match(said.stdout, /Statement\[0\]: Allow, is of other actions/);
  const amended = JSON.parse(said.stdout.slice(said.stdout.indexOf('\n{')));
  const path = file('amended.json', amended);
  const again = await run(['iam', 'simulate', '--policy', path, '--resource', resource,
    ...lacking.flatMap((a) => ['--action', `healthlake:${a}`])]);
  assert.equal(again.status, 0, again.stdout);

  await iam('policy', 'put', 'flexpa', '--name', 'guide', '--policy', path);
  await pause(1200);
  assert.equal((await fhir(who, 'POST', '', bundle('transaction', put('p2')))).status, 200);
  assert.equal((await fhir(who, 'GET', 'Patient/p1/$everything')).status, 200);
  assert.equal((await control(who, 'ListFHIRDatastores')).json.DatastorePropertiesList.length, 1);
});

test('an entry that may not be is 403 in a batch and stops a transaction', async () => {
  const remove = { request: { method: 'DELETE', url: 'Patient/p1' } };
  const batch = await fhir(who, 'POST', '', bundle('batch', put('p3'), remove));
  assert.equal(batch.status, 200);
  assert.deepEqual(batch.json.entry.map((e) => e.response.status), ['201', '403']);
  assert.match(batch.json.entry[1].response.outcome.issue[0].diagnostics,
    /not authorized to perform: healthlake:DeleteResource/);
  const whole = await fhir(who, 'POST', '', bundle('transaction', put('p4'), remove));
  assert.equal(whole.status, 403);
  assert.match(whole.text, /healthlake:DeleteResource/);
  assert.equal((await fhir(who, 'GET', 'Patient/p4')).status, 404);
  assert.equal((await fhir(who, 'GET', 'Patient/p1')).status, 200);
});

test('a session has a token, may be limited, and ends with its user', async () => {
  const only = file('only-read.json', allow('healthlake:ReadResource', '*'));
  const session = credentials(await iam('session', 'create', 'flexpa', '--policy', only));
  await pause(1200);
  assert.equal((await fhir(session, 'GET', 'Patient/p1')).status, 200);
  const refused = await fhir(session, 'GET', 'Patient?_id=p1');
  assert.equal(refused.status, 403);
  assert.match(refused.json.message, /because no session policy allows/);
  const tokenless = await fhir({ ...session, sessionToken: undefined }, 'GET', 'Patient/p1');
  assert.equal(tokenless.json.__type, 'UnrecognizedClientException');
});

test('groups, and an explicit deny that wins', async () => {
  await iam('policy', 'put', '--group', 'nobody', '--name', 'no', '--policy', file('no.json',
    { Statement: { Effect: 'Deny', Action: '*', Resource: '*',
      Condition: { IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } } } }));
  await iam('group', 'add', 'nobody', 'flexpa');
  await pause(1200);
  const answer = await fhir(who, 'GET', 'Patient/p1');
  assert.equal(answer.status, 403);
  assert.match(answer.json.message, /with an explicit deny in an identity-based policy$/);
  assert.equal((await fhir(keys, 'GET', 'Patient/p1')).status, 200, 'the root key may');
  await iam('group', 'remove', 'nobody', 'flexpa');
  await pause(1200);
  assert.equal((await fhir(who, 'GET', 'Patient/p1')).status, 200);
});

test("erasing takes actions of its own, which healthlake:* does not include", async () => {
  await iam('policy', 'put', 'flexpa', '--name', 'guide', '--policy',
    file('all.json', allow('healthlake:*', resource)));
  await pause(1200);
  assert.equal((await fhir(who, 'PUT', 'Patient/gone', patient('gone'))).status, 201);
  const refused = await fhir(who, 'POST', 'Patient/gone/$purge');
  assert.equal(refused.status, 403);
  assert.match(refused.text, /tarn:PurgeRecord/);
  assert.match((await fhir(who, 'POST', 'Patient/gone/$expunge')).text, /tarn:ExpungeResource/);
  assert.match((await fhir(who, 'GET', '$erasure?number=1')).text, /tarn:DescribeErasure/);
  assert.equal((await fhir(who, 'GET', 'Patient/gone')).status, 200);
  await iam('policy', 'put', 'flexpa', '--name', 'erase', '--policy',
    file('erase.json', allow(['tarn:PurgeRecord', 'tarn:DescribeErasure'], resource)));
  await pause(1200);
  const taken = await fhir(who, 'POST', 'Patient/gone/$purge');
  assert.equal(taken.status, 202, taken.text);
  const at = new URL(taken.headers.get('content-location'));
  assert.ok([200, 202].includes((await fhir(who, 'GET', `$erasure${at.search}`)).status));
  assert.equal((await fhir(who, 'GET', 'Patient/gone')).status, 404);
});

test('a deleted key is unknown within a second', async () => {
  await iam('key', 'delete', who.accessKeyId);
  await pause(1200);
  assert.equal((await fhir(who, 'GET', 'Patient/p1')).json.__type, 'UnrecognizedClientException');
});

test('a policy that is none is refused with its place', async () => {
  const path = file('bad.json', allow('ReadResource', '*'));
  const done = await run(['iam', 'policy', 'put', 'flexpa', '--name', 'bad', '--policy', path,
    '--data', data]);
  assert.equal(done.status, 1);
  assert.match(done.stderr, /line 6, column \d+: Statement\[0\]\.Action 'ReadResource' must be/);
});

test('with --trust-bundles ProcessBundle is enough', async () => {
  await store.stop();
  store = await serve(data, ['--account-id', account, '--trust-bundles']);
  await iam('policy', 'put', 'flexpa', '--name', 'guide', '--policy',
    file('bundles.json', allow('healthlake:ProcessBundle', resource)));
  const key = credentials(await iam('key', 'create', 'flexpa'));
  await pause(1200);
  assert.equal((await fhir(key, 'POST', '', bundle('transaction', put('p9')))).status, 200);
  denied(await fhir(key, 'GET', 'Patient/p9'), 'ReadResource');
});
