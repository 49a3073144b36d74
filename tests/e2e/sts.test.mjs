// sts.test.mjs - roles and temporary credentials: AWS's command line and its SDK's own
// chain of credentials assume a role; policies on tags and of resources decide.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as sdk from '@aws-sdk/client-healthlake';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { keys, run, scratch, serve } from './lib.mjs';

const account = '123456789012', cli = '/usr/bin/aws';
const userArn = `arn:aws:iam::${account}:user/app`, roleArn = `arn:aws:iam::${account}:role/etl`;
let place, data, store, arn, app, other;

async function iam(...args) {
  const done = await run(['iam', ...args, '--data', data]);
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}
const file = (name, document) => {
  const path = join(place.folder, name);
  writeFileSync(path, JSON.stringify(document));
  return path;
};
const statement = (...list) => ({ Version: '2012-10-17', Statement: list });
const credentials = (text) => Object.fromEntries([...text.matchAll(/^aws_(\w+) = (\S+)$/gm)]
  .map(([, name, value]) => [{ access_key_id: 'accessKeyId', secret_access_key: 'secretAccessKey' }[name], value]));
const settle = () => new Promise((done) => setTimeout(done, 1200));

async function ask(who, service, method, path, { body, headers = {} } = {}) {
  const url = new URL(path, store.origin);
  const signer = new SignatureV4({ credentials: who, region: 'us-east-1', service, sha256: Sha256 });
  const request = new HttpRequest({ method, protocol: url.protocol, hostname: url.hostname,
    port: Number(url.port), path: url.pathname, body, headers: { host: url.host, ...headers } });
  const signed = await signer.sign(request);
  const answer = await fetch(url, { method, body, headers: signed.headers });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
const sts = (who, form, service = 'sts') => ask(who, service, 'POST', '/', {
  body: new URLSearchParams({ Version: '2011-06-15', ...form }).toString(),
  headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } });
const element = (answer, name) => answer.text.match(new RegExp(`<${name}>([^<]*)</${name}>`))?.[1];
const session = (answer) => {
  assert.equal(answer.status, 200, answer.text);
  return { accessKeyId: element(answer, 'AccessKeyId'), sessionToken: element(answer, 'SessionToken'),
    secretAccessKey: element(answer, 'SecretAccessKey') };
};
const assume = (who, more = {}) => sts(who, { Action: 'AssumeRole', RoleArn: roleArn,
  RoleSessionName: 'nightly', ...more });
const read = (who) => ask(who, 'healthlake', 'GET', `/datastore/${store.id}/r4/Patient`);
const control = (who, operation, body = {}) => ask(who, 'healthlake', 'POST', '/', {
  body: JSON.stringify(body), headers: { 'x-amz-target': `HealthLake.${operation}`,
    'content-type': 'application/x-amz-json-1.0' } });
function refused(answer, code, status) {
  assert.equal(answer.status, status, answer.text);
  assert.equal(element(answer, 'Code'), code);
  assert.ok(element(answer, 'RequestId'));
  assert.match(answer.headers.get('content-type'), /^text\/xml/);
}

before(async () => {
  place = scratch();
  data = join(place.folder, 'data');
  store = await serve(data, ['--account-id', account]);
  arn = `arn:aws:healthlake:us-east-1:${account}:datastore/fhir/${store.id}`;
  for (const name of ['app', 'other']) await iam('user', 'create', name);
  app = credentials(await iam('key', 'create', 'app'));
  other = credentials(await iam('key', 'create', 'other'));
  await iam('role', 'create', 'etl', '--max-session', '7200', '--trust', file('trust.json', statement(
    { Effect: 'Allow', Principal: { AWS: userArn }, Action: 'sts:AssumeRole' },
    { Effect: 'Allow', Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'sts:ExternalId': 'secret-handshake' } } })));
  await iam('policy', 'put', '--role', 'etl', '--name', 'read', '--policy', file('read.json',
    statement({ Effect: 'Allow', Action: ['healthlake:SearchWithGet', 'healthlake:ListFHIRDatastores'],
      Resource: '*' })));
  await settle();
});
after(async () => {
  await store?.stop();
  place?.remove();
});

test('a user that the trust policy names assumes the role, and its policies hold', async () => {
  assert.equal((await read(app)).status, 403);
  const answer = await assume(app, { DurationSeconds: '900' });
  const who = session(answer);
  assert.match(who.accessKeyId, /^ASIA[A-Z2-7]{16}$/);
  assert.equal(element(answer, 'Arn'), `arn:aws:sts::${account}:assumed-role/etl/nightly`);
  const life = Date.parse(element(answer, 'Expiration')) - Date.now();
  assert.ok(life > 880_000 && life < 901_000, `${life}`);
  assert.equal((await read(who)).status, 200);
  const denied = await ask(who, 'healthlake', 'DELETE', `/datastore/${store.id}/r4/Patient/1`);
  assert.equal(denied.status, 403);
  assert.match(denied.text, new RegExp(`assumed-role/etl/nightly is not authorized to perform: `
    + 'healthlake:DeleteResource'));
  const identity = await sts(who, { Action: 'GetCallerIdentity' });
  assert.equal(element(identity, 'Arn'), `arn:aws:sts::${account}:assumed-role/etl/nightly`);
  assert.equal(element(await sts(app, { Action: 'GetCallerIdentity' }), 'Arn'), userArn);
  assert.equal(element(await sts(keys, { Action: 'GetCallerIdentity' }), 'Account'), account);
});

test('a session policy only takes away', async () => {
  const policy = statement({ Effect: 'Allow', Action: '*', Resource: '*' });
  assert.equal((await read(session(await assume(app, { Policy: JSON.stringify(policy) })))).status, 200);
  policy.Statement[0].Action = 'healthlake:ReadResource';
  const less = session(await assume(app, { Policy: JSON.stringify(policy) }));
  const denied = await read(less);
  assert.equal(denied.status, 403);
  assert.match(denied.text, /because no session policy allows/);
});

test('who is named only by the account needs a policy of its own', async () => {
  refused(await assume(other), 'AccessDenied', 403);
  refused(await assume(other, { ExternalId: 'secret-handshake' }), 'AccessDenied', 403);
  await iam('policy', 'put', 'other', '--name', 'assume', '--policy', file('assume.json',
    statement({ Effect: 'Allow', Action: 'sts:AssumeRole', Resource: roleArn })));
  await settle();
  refused(await assume(other, { ExternalId: 'wrong-handshake' }), 'AccessDenied', 403);
  assert.equal((await read(session(await assume(other, { ExternalId: 'secret-handshake' })))).status, 200);
});

test('a token is of one key, whole, and for a while', async () => {
  const who = session(await assume(app)), second = session(await assume(app));
  for (const wrong of [{ ...who, sessionToken: second.sessionToken }, { ...who, sessionToken: undefined },
    { ...who, sessionToken: `${who.sessionToken.slice(0, -2)}AA` }, { ...who, sessionToken: 'x' },
    { ...who, secretAccessKey: second.secretAccessKey }]) {
    const answer = await read(wrong);
    assert.equal(answer.status, 403, answer.text);
    assert.match(answer.headers.get('x-amzn-errortype'), /UnrecognizedClient|InvalidSignature/);
  }
  refused(await sts({ ...who, sessionToken: 'x' }, { Action: 'GetCallerIdentity' }),
    'UnrecognizedClient', 403);
  refused(await sts(app, { Action: 'GetCallerIdentity' }, 'healthlake'), 'InvalidSignature', 403);
});

test('what AssumeRole may not be asked is refused as AWS does', async () => {
  refused(await assume(app, { RoleSessionName: 'a b' }), 'ValidationError', 400);
  refused(await assume(app, { DurationSeconds: '899' }), 'ValidationError', 400);
  refused(await assume(app, { DurationSeconds: '7201' }), 'ValidationError', 400);
  refused(await assume(app, { Policy: '{' }), 'MalformedPolicyDocument', 400);
  refused(await assume(app, { Policy: 'x'.repeat(2049) }), 'PackedPolicyTooLarge', 400);
  refused(await assume(app, { 'Tags.member.1.Key': 'a' }), 'ValidationError', 400);
  refused(await assume(app, { RoleArn: `arn:aws:iam::${account}:role/none` }), 'AccessDenied', 403);
  refused(await assume(app, { RoleArn: 'arn:aws:iam::999999999999:role/etl' }), 'AccessDenied', 403);
  refused(await sts(app, { Action: 'Dance' }), 'InvalidAction', 400);
  const large = await sts(app, { Action: 'GetCallerIdentity', x: 'y'.repeat(70_000) });
  assert.equal(large.status, 413);
  const longest = await assume(app, { DurationSeconds: '7200' });
  const chained = await assume(session(longest), { DurationSeconds: '7200' });
  refused(chained, 'AccessDenied', 403); // the role does not trust itself
});

test('GetSessionToken gives a user temporary credentials', async () => {
  const who = session(await sts(other, { Action: 'GetSessionToken' }));
  assert.equal(element(await sts(who, { Action: 'GetCallerIdentity' }), 'Arn'),
    `arn:aws:iam::${account}:user/other`);
  refused(await sts(who, { Action: 'GetSessionToken' }), 'AccessDenied', 403);
});

test("AWS's command line assumes a role", { skip: !existsSync(cli) && 'no /usr/bin/aws' }, () => {
  const done = spawnSync(cli, ['--endpoint-url', store.origin, '--region', 'us-east-1', '--output', 'json',
    'sts', 'assume-role', '--role-arn', roleArn, '--role-session-name', 'by-cli'], { encoding: 'utf8',
    env: { ...process.env, HOME: place.folder, AWS_ACCESS_KEY_ID: app.accessKeyId, AWS_PAGER: '',
      AWS_SECRET_ACCESS_KEY: app.secretAccessKey } });
  assert.equal(done.status, 0, done.stderr);
  const { Credentials: c, AssumedRoleUser: user } = JSON.parse(done.stdout);
  assert.equal(user.Arn, `arn:aws:sts::${account}:assumed-role/etl/by-cli`);
  const list = spawnSync(cli, ['--endpoint-url', store.origin, '--region', 'us-east-1', '--output', 'json',
    'healthlake', 'list-fhir-datastores'], { encoding: 'utf8', env: { ...process.env, HOME: place.folder,
    AWS_ACCESS_KEY_ID: c.AccessKeyId, AWS_SECRET_ACCESS_KEY: c.SecretAccessKey,
    AWS_SESSION_TOKEN: c.SessionToken, AWS_PAGER: '' } });
  assert.equal(list.status, 0, list.stderr);
  assert.equal(JSON.parse(list.stdout).DatastorePropertiesList.length, 1);
  const refusal = spawnSync(cli, ['--endpoint-url', store.origin, '--region', 'us-east-1', 'sts',
    'assume-role', '--role-arn', `${roleArn}x`, '--role-session-name', 'by-cli'], { encoding: 'utf8',
    env: { ...process.env, HOME: place.folder, AWS_ACCESS_KEY_ID: app.accessKeyId,
      AWS_SECRET_ACCESS_KEY: app.secretAccessKey } });
  assert.match(refusal.stderr, /\(AccessDenied\).*is not authorized to perform: sts:AssumeRole/);
});

test("a profile with role_arn works in the SDK's own chain", async () => {
  const config = join(place.folder, 'config');
  writeFileSync(config, `[profile base]\naws_access_key_id = ${app.accessKeyId}\n`
    + `aws_secret_access_key = ${app.secretAccessKey}\nregion = us-east-1\n`
    + `[profile etl]\nrole_arn = ${roleArn}\nsource_profile = base\nregion = us-east-1\n`
    + 'role_session_name = by-sdk\n');
  const before = { ...process.env };
  Object.assign(process.env, { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: config,
    AWS_ENDPOINT_URL_STS: store.origin, AWS_REGION: 'us-east-1' });
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
  try {
    const client = new sdk.HealthLakeClient({ region: 'us-east-1', endpoint: store.origin,
      credentials: defaultProvider({ profile: 'etl', configFilepath: config, filepath: config }) });
    const { DatastorePropertiesList } = await client.send(new sdk.ListFHIRDatastoresCommand({}));
    assert.equal(DatastorePropertiesList.length, 1);
  } finally {
    process.env = before;
  }
});

test("a profile with role_arn works in ours: source_profile, credential_process", async () => {
  const config = join(place.folder, 'ours');
  writeFileSync(config, `[default]\nregion = us-east-1\n[profile base]\n`
    + `credential_process = printf '{"Version":1,"AccessKeyId":"${app.accessKeyId}","SecretAccessKey":"`
    + `${app.secretAccessKey}"}'\n[profile etl]\nrole_arn = ${roleArn}\nsource_profile = base\n`
    + `role_session_name = ours\n[profile none]\nrole_arn = ${roleArn}x\nsource_profile = base\n`);
  const env = { AWS_CONFIG_FILE: config, AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_ENDPOINT_URL_STS: store.origin, AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' };
  const made = await run(['presign', '--profile', 'etl', `${store.endpoint}/Patient`], { env });
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /X-Amz-Credential=ASIA/);
  assert.equal((await fetch(made.stdout.trim())).status, 200);
  const none = await run(['presign', '--profile', 'none', `${store.endpoint}/Patient`], { env });
  assert.equal(none.status, 1);
  assert.match(none.stderr, /cannot be assumed: status 403 AccessDenied/);
  assert.ok(!none.stderr.includes(app.secretAccessKey));
});

test('conditions on tags of the data store, of the request, and on their keys', async () => {
  await iam('user', 'create', 'tagger');
  const who = credentials(await iam('key', 'create', 'tagger'));
  await iam('policy', 'put', 'tagger', '--name', 'tags', '--policy', file('tags.json', statement(
    { Effect: 'Allow', Action: 'healthlake:CreateFHIRDatastore', Resource: '*',
      Condition: { StringEquals: { 'aws:RequestTag/team': 'blue' },
        'ForAllValues:StringEquals': { 'aws:TagKeys': ['team', 'cost'] } } },
    { Effect: 'Allow', Action: ['healthlake:DescribeFHIRDatastore', 'healthlake:CreateResource',
      'healthlake:UntagResource', 'healthlake:TagResource'], Resource: '*',
    Condition: { StringEquals: { 'aws:ResourceTag/team': 'blue' } } },
    { Effect: 'Deny', Action: 'healthlake:UntagResource', Resource: '*',
      Condition: { 'ForAnyValue:StringEquals': { 'aws:TagKeys': 'team' } } })));
  await settle();
  const create = (Tags) => control(who, 'CreateFHIRDatastore', { DatastoreTypeVersion: 'R4', Tags });
  assert.equal((await create([{ Key: 'team', Value: 'red' }])).status, 403);
  assert.equal((await create(undefined)).status, 403);
  assert.equal((await create([{ Key: 'team', Value: 'blue' }, { Key: 'x', Value: '' }])).status, 403);
  const made = await create([{ Key: 'team', Value: 'blue' }, { Key: 'cost', Value: '1' }]);
  assert.equal(made.status, 200, made.text);
  const { DatastoreId, DatastoreArn } = JSON.parse(made.text);
  assert.equal((await control(who, 'DescribeFHIRDatastore', { DatastoreId })).status, 200);
  assert.equal((await control(who, 'DescribeFHIRDatastore', { DatastoreId: store.id })).status, 403);
  const post = (id) => ask(who, 'healthlake', 'POST', `/datastore/${id}/r4/Patient`, {
    body: '{"resourceType":"Patient"}', headers: { 'content-type': 'application/fhir+json' } });
  assert.equal((await post(DatastoreId)).status, 201);
  assert.equal((await post(store.id)).status, 403);
  const untag = (TagKeys) => control(who, 'UntagResource', { ResourceARN: DatastoreArn, TagKeys });
  const denial = await untag(['cost', 'team']);
  assert.match(denial.text, /with an explicit deny in an identity-based policy/);
  assert.equal((await untag(['cost'])).status, 200);
  // A tag that is taken away, or given, counts for the next request.
  const tagged = await control(who, 'TagResource', { ResourceARN: DatastoreArn,
    Tags: [{ Key: 'team', Value: 'green' }] });
  assert.equal(tagged.status, 200, tagged.text);
  assert.equal((await post(DatastoreId)).status, 403);
});

test("a resource's own policy permits, and its Deny wins", async () => {
  await iam('user', 'create', 'guest');
  const who = credentials(await iam('key', 'create', 'guest'));
  const guest = `arn:aws:iam::${account}:user/guest`;
  assert.equal((await read(who)).status, 403);
  await iam('policy', 'put', '--resource', arn, '--name', 'guests', '--policy', file('guests.json',
    statement({ Effect: 'Allow', Principal: { AWS: guest }, Action: 'healthlake:SearchWithGet',
      Resource: arn })));
  await settle();
  assert.equal((await read(who)).status, 200);
  await iam('policy', 'put', '--resource', arn, '--name', 'closed', '--policy', file('closed.json',
    statement({ Effect: 'Deny', Principal: '*', Action: 'healthlake:SearchWithGet', Resource: arn,
      Condition: { StringEquals: { 'aws:username': 'guest' } } })));
  await settle();
  const denied = await read(who);
  assert.equal(denied.status, 403);
  assert.match(denied.text, /with an explicit deny in a resource-based policy/);
});

test('a boundary limits what policies allow, of users and of roles', async () => {
  const less = file('boundary.json', statement({ Effect: 'Allow', Action: 'healthlake:Read*', Resource: '*' }));
  const more = file('more.json', statement({ Effect: 'Allow', Action: ['healthlake:SearchWithGet', 'sts:*'],
    Resource: '*' }));
  const before = session(await assume(app));
  assert.equal((await read(before)).status, 200);
  await iam('boundary', 'put', '--role', 'etl', '--policy', less);
  await settle();
  assert.match((await read(before)).text, /because no permissions boundary allows the healthlake:SearchWithGet action/);
  await iam('boundary', 'put', '--role', 'etl', '--policy', more);
  await iam('boundary', 'put', 'other', '--policy', less);
  await settle();
  assert.equal((await read(before)).status, 200);
  refused(await assume(other, { ExternalId: 'secret-handshake' }), 'AccessDenied', 403);
  await iam('boundary', 'delete', '--role', 'etl');
  await iam('boundary', 'delete', 'other');
  await settle();
  assert.equal((await read(session(await assume(other, { ExternalId: 'secret-handshake' })))).status, 200);
});

test('simulate takes a role', async () => {
  const args = ['iam', 'simulate', '--role', 'etl', '--data', data, '--resource', arn];
  const may = await run([...args, '--action', 'healthlake:SearchWithGet']);
  assert.equal(may.status, 0, may.stdout + may.stderr);
  const mayNot = await run([...args, '--action', 'healthlake:DeleteResource']);
  assert.equal(mayNot.status, 1);
  assert.match(mayNot.stdout, /no identity-based policy allows the healthlake:DeleteResource action/);
});

test('a role that is gone, or made again, ends its sessions', async () => {
  const who = session(await assume(app));
  assert.equal((await read(who)).status, 200);
  await iam('role', 'delete', 'etl');
  await settle();
  assert.equal((await read(who)).status, 403);
  await iam('role', 'create', 'etl', '--trust', join(place.folder, 'trust.json'));
  await iam('policy', 'put', '--role', 'etl', '--name', 'read', '--policy', join(place.folder, 'read.json'));
  await settle();
  const again = await read(who);
  assert.equal(again.status, 403);
  assert.equal(again.headers.get('x-amzn-errortype'), 'UnrecognizedClientException');
  assert.equal((await read(session(await assume(app)))).status, 200);
});
