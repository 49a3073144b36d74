// control.test.mjs - the control plane from outside: AWS's SDK and, where it is
// installed, AWS's command line.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as sdk from '@aws-sdk/client-healthlake';
import { SignatureV4 } from '@smithy/signature-v4';
import { Sha256 } from '@aws-crypto/sha256-js';
import { HttpRequest } from '@smithy/protocol-http';
import { dataFolder, keys, scratch, serve } from './lib.mjs';

let place, data, store, client;
const id32 = /^[0-9a-f]{32}$/;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const arn = (id) => `arn:aws:healthlake:eu-west-1:123456789012:datastore/fhir/${id}`;
const options = ['--region', 'eu-west-1', '--account-id', '123456789012'];
const DataAccessRoleArn = 'arn:aws:iam::123456789012:role/job';
let bucket;

const connect = (server) => new sdk.HealthLakeClient({ region: 'eu-west-1',
  endpoint: server.origin, credentials: keys, maxAttempts: 1 });

before(async () => {
  place = scratch();
  data = join(place.folder, 'data');
  bucket = join(place.folder, 's3', 'bucket');
  mkdirSync(bucket, { recursive: true });
  options.push('--s3-root', join(place.folder, 's3'));
  store = await serve(data, options);
  client = connect(store);
});
after(async () => {
  await store?.stop();
  place?.remove();
});

const send = (name, input = {}) => client.send(new sdk[`${name}Command`](input));
const describe = async (DatastoreId) =>
  (await send('DescribeFHIRDatastore', { DatastoreId })).DatastoreProperties;
const create = async (more = {}) => (await send('CreateFHIRDatastore',
  { DatastoreTypeVersion: 'R4', ...more })).DatastoreId;

/** The error that the call ends with. */
async function refusal(promise) {
  return promise.then(() => assert.fail('not refused'), (error) => error);
}

const signer = new SignatureV4({ credentials: keys, region: 'eu-west-1', service: 'healthlake',
  sha256: Sha256 });

/** A signed request as it stands, past what an SDK would let through. */
async function raw(path, { method = 'POST', target, body, headers = {}, origin = store.origin } = {}) {
  const url = new URL(path, origin);
  const request = new HttpRequest({ method, protocol: url.protocol, hostname: url.hostname,
    port: Number(url.port), path: url.pathname, body,
    headers: { host: url.host, ...(target ? { 'x-amz-target': target } : {}), ...headers } });
  const signed = await signer.sign(request);
  const answer = await fetch(url, { method, body, headers: signed.headers });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) };
}
const call = (operation, body, origin) => raw('/', { origin, target: `HealthLake.${operation}`,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers: { 'content-type': 'application/x-amz-json-1.0' } });

const fhir = (id, path, init = {}) => raw(`/datastore/${id}/r4/${path}`,
  { method: 'GET', ...init, headers: { 'content-type': 'application/fhir+json' } });

async function until(what, seconds = 10) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const value = await what();
    if (value) return value;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail('it did not come');
}

test('the default data store is listed and described', async () => {
  const { DatastorePropertiesList: list } = await send('ListFHIRDatastores');
  const own = list.find((d) => d.DatastoreId === store.id);
  assert.equal(own.DatastoreStatus, 'ACTIVE');
  assert.equal(own.DatastoreArn, arn(store.id));
  assert.equal(own.DatastoreEndpoint, `${store.endpoint}/`);
  assert.deepEqual(await describe(store.id), own);
  assert.equal((await refusal(send('DeleteFHIRDatastore', { DatastoreId: store.id }))).name,
    'ConflictException');
});

test('a data store is created, described, written to and read', async () => {
  const before = Date.now();
  const made = await send('CreateFHIRDatastore', { DatastoreTypeVersion: 'R4', DatastoreName: 'Ä one' });
  assert.match(made.DatastoreId, id32);
  assert.equal(made.DatastoreStatus, 'CREATING');
  assert.equal(made.DatastoreArn, arn(made.DatastoreId));
  assert.match(made.$metadata.requestId, uuid);
  const d = await describe(made.DatastoreId);
  assert.equal(d.DatastoreStatus, 'ACTIVE');
  assert.equal(d.DatastoreName, 'Ä one');
  assert.equal(d.DatastoreTypeVersion, 'R4');
  assert.ok(Math.abs(d.CreatedAt - before) < 20000, String(d.CreatedAt));
  assert.deepEqual(d.SseConfiguration, { KmsEncryptionConfig: { CmkType: 'AWS_OWNED_KMS_KEY' } });
  assert.deepEqual(d.IdentityProviderConfiguration,
    { AuthorizationStrategy: 'AWS_AUTH', FineGrainedAuthorizationEnabled: false });

  const patient = JSON.stringify({ resourceType: 'Patient', id: 'p' });
  assert.equal((await fhir(d.DatastoreId, 'Patient/p', { method: 'PUT', body: patient })).status, 201);
  assert.equal((await fhir(d.DatastoreId, 'Patient/p')).json().id, 'p');
  assert.equal((await fhir(store.id, 'Patient/p')).status, 404, 'stores are apart');
  const found = (await fhir(d.DatastoreId, 'Patient')).json();
  assert.equal(found.entry.length, 1);
  assert.match(found.entry[0].fullUrl, new RegExp(`/datastore/${d.DatastoreId}/r4/Patient/p$`));
});

test('what Create said is said again by Describe', async () => {
  const said = {
    DatastoreName: 'echo',
    SseConfiguration: { KmsEncryptionConfig: { CmkType: 'CUSTOMER_MANAGED_KMS_KEY', KmsKeyId: 'alias/a' } },
    IdentityProviderConfiguration: { AuthorizationStrategy: 'SMART_ON_FHIR',
      FineGrainedAuthorizationEnabled: true, Metadata: '{"a":"\u2028\\""}',
      IdpLambdaArn: 'arn:aws:lambda:eu-west-1:123456789012:function:login' },
    NlpConfiguration: { Status: 'ENABLED' },
    AnalyticsConfiguration: { Status: 'ENABLED' },
    ProfileConfiguration: { DefaultProfiles: ['us-core-3.1.1'] },
  };
  const d = (await call('DescribeFHIRDatastore', { DatastoreId: (await call('CreateFHIRDatastore',
    { DatastoreTypeVersion: 'R4', ...said })).json().DatastoreId })).json().DatastoreProperties;
  for (const name of Object.keys(said)) assert.deepEqual(d[name], said[name], name);
  assert.equal(typeof d.CreatedAt, 'number');
});

test('a ClientToken makes one data store, whatever the order of members', async () => {
  const ClientToken = 'token-1';
  const first = await create({ ClientToken, DatastoreName: 'once' });
  assert.equal(await create({ ClientToken, DatastoreName: 'once' }), first);
  assert.equal((await call('CreateFHIRDatastore', JSON.stringify({ DatastoreName: 'once', ClientToken,
    DatastoreTypeVersion: 'R4' }))).json().DatastoreId, first);
  const other = await refusal(create({ ClientToken, DatastoreName: 'twice' }));
  assert.equal(other.name, 'ValidationException');
});

test('lists filter exactly and come in pages', async () => {
  const names = ['page', 'page', 'page', 'pages'];
  const ids = [];
  for (const DatastoreName of names) ids.push(await create({ DatastoreName }));
  const seen = [];
  const pages = sdk.paginateListFHIRDatastores({ client, pageSize: 2 }, { Filter: { DatastoreName: 'page' } });
  for await (const page of pages) {
    assert.ok(page.DatastorePropertiesList.length <= 2);
    seen.push(...page.DatastorePropertiesList.map((d) => d.DatastoreId));
  }
  assert.deepEqual(seen, ids.slice(0, 3));
  const filtered = async (Filter) => (await send('ListFHIRDatastores', { Filter })).DatastorePropertiesList
    .map((d) => d.DatastoreId);
  const { CreatedAt } = await describe(ids[1]);
  const DatastoreName = 'page';
  assert.deepEqual(await filtered({ DatastoreName, CreatedBefore: CreatedAt }), ids.slice(0, 1));
  assert.deepEqual(await filtered({ DatastoreName, CreatedAfter: new Date(+CreatedAt + 1) }), ids.slice(2, 3));
  assert.deepEqual(await filtered({ DatastoreName, DatastoreStatus: 'DELETED' }), []);
  assert.equal((await filtered({ DatastoreName, DatastoreStatus: 'ACTIVE' })).length, 3);

  const { NextToken } = await send('ListFHIRDatastores', { MaxResults: 1 });
  const bad = { wrong: { NextToken: 'x' }, changed: { NextToken: NextToken.replace(/.$/, (c) => c === '0' ? '1' : '0') },
    elsewhere: { NextToken, Filter: { DatastoreName } } };
  for (const [why, input] of Object.entries(bad))
    assert.equal((await refusal(send('ListFHIRDatastores', input))).name, 'ValidationException', why);
});

test('an update changes what it names and leaves the rest', async () => {
  /* The SDK at hand does not know all members. */
  const { DatastoreId: id } = (await call('CreateFHIRDatastore', { DatastoreTypeVersion: 'R4',
    DatastoreName: 'old', NlpConfiguration: { Status: 'DISABLED' }, Tags: [{ Key: 'k', Value: 'v' }] })).json();
  const { DatastoreProperties: d } = (await call('UpdateFHIRDatastore', { DatastoreId: id,
    DatastoreName: 'new', AnalyticsConfiguration: { Status: 'DISABLED' } })).json();
  assert.equal(d.DatastoreName, 'new');
  assert.deepEqual(d.NlpConfiguration, { Status: 'DISABLED' });
  assert.deepEqual(d.AnalyticsConfiguration, { Status: 'DISABLED' });
  assert.equal((await describe(id)).DatastoreName, 'new');
  assert.deepEqual((await send('ListTagsForResource', { ResourceARN: arn(id) })).Tags, [{ Key: 'k', Value: 'v' }]);
  const passing = await call('UpdateFHIRDatastore', { DatastoreId: id, NlpConfiguration: { Status: 'ENABLING' } });
  assert.equal(passing.json().__type, 'ValidationException');
});

test('tags are put, replaced and taken away', async () => {
  const id = await create({ Tags: [{ Key: 'a', Value: '1' }] });
  const ResourceARN = arn(id);
  const tags = async () => Object.fromEntries((await send('ListTagsForResource', { ResourceARN })).Tags
    .map(({ Key, Value }) => [Key, Value]));
  await send('TagResource', { ResourceARN, Tags: [{ Key: 'b', Value: '' }, { Key: 'a', Value: '2' }] });
  assert.deepEqual(await tags(), { a: '2', b: '' });
  await send('UntagResource', { ResourceARN, TagKeys: ['a', 'never'] });
  assert.deepEqual(await tags(), { b: '' });
  const many = Array.from({ length: 200 }, (_, i) => ({ Key: `k${i}`, Value: 'v' }));
  const rows = [
    [{ ResourceARN, Tags: many }, 'ValidationException'], /* 201 in all */
    [{ ResourceARN, Tags: [{ Key: 'x', Value: '1' }, { Key: 'x', Value: '2' }] }, 'ValidationException'],
    [{ ResourceARN, Tags: [{ Key: 'aws:x', Value: '1' }] }, 'ValidationException'],
    [{ ResourceARN: arn('0'.repeat(32)), Tags: [] }, 'ResourceNotFoundException'],
    [{ ResourceARN: ResourceARN.replace('123456789012', '000000000000'), Tags: [] }, 'ResourceNotFoundException'],
    [{ ResourceARN: 'arn:aws:s3:::bucket', Tags: [] }, 'ValidationException'],
  ];
  for (const [input, name] of rows) assert.equal((await refusal(send('TagResource', input))).name, name);
  assert.deepEqual(await tags(), { b: '' });
});

test('a deleted data store loses its files and is told of as DELETED', async () => {
  const id = await create({ DatastoreName: 'gone' });
  const body = JSON.stringify({ resourceType: 'Patient', id: 'p' });
  assert.equal((await fhir(id, 'Patient/p', { method: 'PUT', body })).status, 201);
  assert.ok(existsSync(join(data, 'datastores', id)));
  assert.equal((await send('DeleteFHIRDatastore', { DatastoreId: id })).DatastoreStatus, 'DELETING');
  assert.equal((await fhir(id, 'Patient/p')).status, 404);
  await until(async () => (await describe(id)).DatastoreStatus === 'DELETED');
  const result = await sdk.waitUntilFHIRDatastoreDeleted({ client, maxWaitTime: 10, minDelay: 1, maxDelay: 1 },
    { DatastoreId: id });
  assert.equal(result.state, 'SUCCESS');
  assert.ok(!existsSync(join(data, 'datastores', id)));
  assert.ok(readFileSync(join(data, 'control.json'), 'utf8').includes(id));
  assert.equal((await fhir(id, 'Patient/p')).status, 404);
  assert.equal((await fhir(id, 'Patient/p', { method: 'PUT', body })).status, 404);
  assert.ok(!existsSync(join(data, 'datastores', id)));
  for (const [name, more] of [['DeleteFHIRDatastore', {}], ['UpdateFHIRDatastore', { DatastoreName: 'x' }]]) {
    const answer = await call(name, { DatastoreId: id, ...more });
    assert.equal(answer.json().__type, 'ResourceNotFoundException');
  }
  const { DatastorePropertiesList } = await send('ListFHIRDatastores', { Filter: { DatastoreName: 'gone' } });
  assert.deepEqual(DatastorePropertiesList.map((d) => d.DatastoreStatus), ['DELETED']);
});

test('a data store goes while requests run on it', async () => {
  const id = await create();
  const write = (i) => fhir(id, `Patient/p${i}`, { method: 'PUT',
    body: JSON.stringify({ resourceType: 'Patient', id: `p${i}` }) });
  await write(0);
  const answers = Array.from({ length: 60 }, (_, i) => i === 30
    ? send('DeleteFHIRDatastore', { DatastoreId: id }).then(() => ({ status: 200 })) : write(i));
  for (const { status } of await Promise.all(answers)) assert.ok([200, 201, 404].includes(status), status);
  await until(async () => (await describe(id)).DatastoreStatus === 'DELETED');
  assert.ok(!existsSync(join(data, 'datastores', id)));
});

const output = (S3Uri) => ({ S3Configuration: { S3Uri, KmsKeyId: 'alias/key' } });
const lines = (path) => readFileSync(path, 'utf8').trim().split('\n').map((l) => JSON.parse(l));

async function finished(kind, DatastoreId, JobId) {
  return until(async () => {
    const job = (await send(`DescribeFHIR${kind}Job`, { DatastoreId, JobId }))[`${kind}JobProperties`];
    return /COMPLETED|FAILED/.test(job.JobStatus) && job;
  }, 20);
}
const runImport = async (DatastoreId, S3Uri, more = {}) => finished('Import', DatastoreId,
  (await send('StartFHIRImportJob', { DatastoreId, InputDataConfig: { S3Uri }, DataAccessRoleArn,
    JobOutputDataConfig: output('s3://bucket/out'), ...more })).JobId);
const runExport = async (DatastoreId, S3Uri = 's3://bucket/export/', more = {}) => finished('Export', DatastoreId,
  (await send('StartFHIRExportJob', { DatastoreId, OutputDataConfig: output(S3Uri), DataAccessRoleArn, ...more })).JobId);

test('an import job stores lines by id, and an export job gives them back', async () => {
  const id = await create({ DatastoreName: 'jobs' });
  mkdirSync(join(bucket, 'in', 'deep'), { recursive: true });
  const patients = Array.from({ length: 1200 }, (_, i) => ({ resourceType: 'Patient', id: `p${i}`,
    name: [{ family: `F${i}` }], extension: [{ url: 'http://x', valueDecimal: 1 }] }));
  writeFileSync(join(bucket, 'in', 'Patient.ndjson'), patients.map((p) => JSON.stringify(p)).join('\n') + '\n');
  const mixed = [JSON.stringify({ resourceType: 'Observation', id: 'o', status: 'final', code: { text: 'c' },
    subject: { reference: 'Patient/nobody' } }), '{"resourceType":"Patient"}', 'nonsense', '',
    '{"resourceType":"Patient","id":"p0","active":true}', '{"resourceType":"Patient","id":"p0","active":false}',
    '{"resourceType":"Nothing","id":"x"}', '{"resourceType":"Patient","id":"a b"}'];
  writeFileSync(join(bucket, 'in', 'deep', 'mixed.ndjson'), mixed.join('\n'));
  writeFileSync(join(bucket, 'in', 'notes.txt'), 'no resources');
  const job = await runImport(id, 's3://bucket/in/', { JobName: 'one', ValidationLevel: 'minimal' });
  assert.equal(job.JobStatus, 'COMPLETED_WITH_ERRORS', JSON.stringify(job));
  assert.equal(job.JobName, 'one');
  assert.equal(job.ValidationLevel, 'minimal');
  assert.ok(job.EndTime >= job.SubmitTime);
  const report = job.JobProgressReport;
  assert.equal(report.TotalNumberOfScannedFiles, 2);
  assert.equal(report.TotalNumberOfImportedFiles, 1);
  assert.equal(report.TotalNumberOfFilesReadWithCustomerError, 1);
  assert.equal(report.TotalNumberOfResourcesScanned, 1207);
  assert.equal(report.TotalNumberOfResourcesImported, 1203);
  assert.equal(report.TotalNumberOfResourcesWithCustomerError, 4);
  assert.deepEqual((await fhir(id, 'Patient/p7')).json().name, [{ family: 'F7' }]);
  const last = (await fhir(id, 'Patient/p0')).json();
  assert.equal(last.active, false, 'the last line wins');
  assert.equal(last.meta.versionId, '3');
  assert.equal((await fhir(id, 'Patient/p1199')).status, 200);

  const out = join(bucket, 'out', `${id}-FHIR_IMPORT-${job.JobId}`);
  assert.ok(existsSync(join(bucket, 'out', '.healthlake_write_access_check_file.temp')));
  const failures = lines(join(out, 'FAILURE', 'in_deep_mixed.ndjson'));
  assert.deepEqual(failures.map((f) => f.lineId), [2, 3, 7, 8]);
  for (const { UpdateResourceResponse: r } of failures) {
    assert.ok(r.statusCode >= 400 && r.statusCode < 500);
    assert.equal(r.jsonBlob.resourceType, 'OperationOutcome');
  }
  assert.match(failures[0].UpdateResourceResponse.jsonBlob.issue[0].diagnostics, /Missing required id field/);
  assert.equal(lines(join(out, 'SUCCESS', 'in_Patient.ndjson')).length, 1200);
  const manifest = JSON.parse(readFileSync(join(out, 'Manifest.json'), 'utf8'));
  assert.equal(manifest.inputDataConfig.s3Uri, 's3://bucket/in/');
  assert.equal(manifest.numberOfResourcesScanned, 1207);
  assert.equal(manifest.failureOutput.failureOutputS3Uri, `s3://bucket/out/${id}-FHIR_IMPORT-${job.JobId}/FAILURE/`);

  const exported = await runExport(id);
  assert.equal(exported.JobStatus, 'COMPLETED', JSON.stringify(exported));
  const folder = `export/${id}-FHIR_EXPORT-${exported.JobId}`;
  assert.equal(exported.OutputDataConfig.S3Configuration.S3Uri, `s3://bucket/${folder}/`);
  assert.deepEqual(readdirSync(join(bucket, folder)).sort(), ['Observation', 'Patient']);
  const back = lines(join(bucket, folder, 'Patient', 'Patient-1-0-0.ndjson'));
  assert.equal(back.length, 1200);
  const { meta, ...seven } = back.find((p) => p.id === 'p7');
  assert.deepEqual(seven, patients[7]);
  assert.equal(meta.versionId, '1');
  assert.equal(back.find((p) => p.id === 'p0').active, false);

  const copy = await create();
  const again = await runImport(copy, `s3://bucket/${folder}`);
  assert.equal(again.JobStatus, 'COMPLETED');
  assert.equal(again.JobProgressReport.TotalNumberOfResourcesImported, 1201);
});

test('a data store may come with made-up records', async () => {
  const id = await create({ PreloadDataConfig: { PreloadDataType: 'SYNTHEA' } });
  await sdk.waitUntilFHIRDatastoreActive({ client, maxWaitTime: 30, minDelay: 1, maxDelay: 1 }, { DatastoreId: id });
  assert.deepEqual((await describe(id)).PreloadDataConfig, { PreloadDataType: 'SYNTHEA' });
  const patients = (await fhir(id, 'Patient')).json().entry;
  assert.ok(patients.length >= 20);
  assert.ok((await fhir(id, 'ExplanationOfBenefit')).json().entry.length > 20);
});

test('jobs that cannot be done end FAILED and say why', async () => {
  const id = await create();
  const rows = [['s3://nowhere/in', /nowhere does not exist/], ['s3://bucket/empty/', /no .ndjson file/],
    ['s3://bucket/../../etc', /cannot be mapped/]];
  for (const [uri, message] of rows) {
    const job = await runImport(id, uri);
    assert.equal(job.JobStatus, 'FAILED');
    assert.match(job.Message, message);
    assert.ok(job.SubmitTime && job.EndTime);
  }
  assert.equal((await runExport(id, 's3://nowhere/x')).JobStatus, 'FAILED');
  const kinds = [['StartFHIRExportJob', { OutputDataConfig: output('s3://bucket/e'), DataAccessRoleArn: 'role' }, /dataAccessRoleArn/],
    ['StartFHIRExportJob', { OutputDataConfig: {}, DataAccessRoleArn }, /outputDataConfig/],
    ['StartFHIRExportJob', { OutputDataConfig: output('https://x'), DataAccessRoleArn }, /s3Uri/],
    ['StartFHIRImportJob', { InputDataConfig: { S3Uri: 's3://bucket/in' }, DataAccessRoleArn }, /jobOutputDataConfig/]];
  for (const [operation, input, message] of kinds) {
    const answer = (await call(operation, { DatastoreId: id, ...input })).json();
    assert.equal(answer.__type, 'ValidationException');
    assert.match(answer.Message, message);
  }
  for (const kind of ['Import', 'Export'])
    assert.equal((await call(`DescribeFHIR${kind}Job`, { DatastoreId: id, JobId: 'none' })).json().__type,
      'ResourceNotFoundException');
});

test('jobs are listed, filtered and paged, and a token starts one', async () => {
  const id = await create();
  const start = (JobName, ClientToken) => send('StartFHIRExportJob', { DatastoreId: id, JobName, ClientToken,
    OutputDataConfig: output('s3://bucket/list'), DataAccessRoleArn });
  const made = [];
  for (const name of ['a', 'b', 'b']) made.push((await start(name)).JobId);
  assert.equal((await start('t', 'once')).JobId, (await start('t', 'once')).JobId);
  assert.equal((await refusal(start('u', 'once'))).name, 'ValidationException');
  for (const JobId of made) await finished('Export', id, JobId);
  const names = [];
  for await (const page of sdk.paginateListFHIRExportJobs({ client, pageSize: 2 }, { DatastoreId: id }))
    names.push(...page.ExportJobPropertiesList.map((j) => j.JobName));
  assert.deepEqual(names, ['a', 'b', 'b', 't']);
  const list = async (more) => (await send('ListFHIRExportJobs', { DatastoreId: id, ...more })).ExportJobPropertiesList;
  assert.deepEqual((await list({ JobName: 'b' })).map((j) => j.JobId), made.slice(1));
  assert.equal((await list({ JobStatus: 'FAILED' })).length, 0);
  assert.equal((await list({ SubmittedAfter: new Date(Date.now() + 60000) })).length, 0);
  assert.equal((await send('ListFHIRImportJobs', { DatastoreId: id })).ImportJobPropertiesList.length, 0);
  const waited = await sdk.waitUntilFHIRExportJobCompleted({ client, maxWaitTime: 10, minDelay: 1, maxDelay: 1 },
    { DatastoreId: id, JobId: made[0] });
  assert.equal(waited.state, 'SUCCESS');
  await send('DeleteFHIRDatastore', { DatastoreId: id });
  const late = await refusal(start('late'));
  assert.ok(['ValidationException', 'ResourceNotFoundException'].includes(late.name), late.name);
});

test('errors have type, message, status and request id', async () => {
  const rows = [
    ['DescribeFHIRDatastore', { DatastoreId: '0'.repeat(32) }, 'ResourceNotFoundException'],
    ['DescribeFHIRDatastore', {}, 'ValidationException', /^1 validation error detected: Value null at 'datastoreId' failed to satisfy constraint: Member must not be null$/],
    ['DescribeFHIRDatastore', { DatastoreId: 'x'.repeat(33) }, 'ValidationException', /Member must have length less than or equal to 32$/],
    ['CreateFHIRDatastore', { DatastoreTypeVersion: 'R4', AnalyticsConfiguration: { Status: 'DISABLED' } }, 'ValidationException'],
    ['CreateFHIRDatastore', { DatastoreTypeVersion: 'R4', ClientToken: 'a b' }, 'ValidationException', /at 'clientToken'/],
    ['ListFHIRDatastores', { MaxResults: 501 }, 'ValidationException'],
    ['ListFHIRDatastores', { MaxResults: '5' }, 'SerializationException', /STRING_VALUE/],
    ['ListFHIRDatastores', '{', 'SerializationException'],
    ['ListFHIRDatastores', '[]', 'SerializationException'],
    ['ListFHIRDatastores', 'nonsense', 'SerializationException'],
    ['ListFHIRDatastores', '{"MaxResults":1,"MaxResults":2}', 'SerializationException'],
    ['GetDataTransformationProfile', {}, 'UnknownOperationException'],
    ['listFHIRDatastores', {}, 'UnknownOperationException'],
    ['', {}, 'UnknownOperationException'],
  ];
  for (const [operation, input, type, message = /./] of rows) {
    const answer = await call(operation, input);
    assert.equal(answer.status, 400, answer.text);
    assert.equal(answer.headers.get('content-type'), 'application/x-amz-json-1.0');
    assert.equal(answer.headers.get('x-amzn-errortype'), type);
    assert.match(answer.headers.get('x-amzn-requestid'), uuid);
    assert.equal(answer.json().__type, type, answer.text);
    assert.match(answer.json().Message, message);
  }
  const error = await refusal(describe('none'));
  assert.ok(error instanceof sdk.ResourceNotFoundException);
  assert.match(error.message, /none/);
  const large = await call('ListFHIRDatastores', JSON.stringify({ x: 'x'.repeat(2 << 20) }));
  assert.equal(large.status, 413);
  assert.equal((await call('ListFHIRDatastores', '')).status, 200, 'nothing said is {}');
  const unsigned = await fetch(store.origin, { method: 'POST', body: '{}',
    headers: { 'x-amz-target': 'HealthLake.ListFHIRDatastores' } });
  assert.equal(unsigned.status, 401);
});

test('a data store is CREATING for as long as is asked, and all is there after a restart', async () => {
  const other = scratch();
  const folder = join(other.folder, 'data');
  let server = await serve(folder, [...options, '--create-delay', '2']);
  let peer = connect(server);
  try {
    const { DatastoreId } = await peer.send(new sdk.CreateFHIRDatastoreCommand({ DatastoreTypeVersion: 'R4',
      DatastoreName: 'slow', Tags: [{ Key: 'a', Value: 'b' }], ClientToken: 'kept' }));
    const status = async () => (await peer.send(new sdk.DescribeFHIRDatastoreCommand({ DatastoreId })))
      .DatastoreProperties.DatastoreStatus;
    assert.equal(await status(), 'CREATING');
    const early = await refusal(peer.send(new sdk.DeleteFHIRDatastoreCommand({ DatastoreId })));
    assert.equal(early.name, 'ConflictException');
    assert.equal((await fetch(`${server.origin}/datastore/${DatastoreId}/r4/metadata`)).status, 401);
    await sdk.waitUntilFHIRDatastoreActive({ client: peer, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { DatastoreId });
    assert.equal(await status(), 'ACTIVE');
    await server.stop();
    server = await serve(folder, options);
    peer = connect(server);
    assert.equal(await status(), 'ACTIVE');
    const again = await peer.send(new sdk.CreateFHIRDatastoreCommand({ DatastoreTypeVersion: 'R4',
      DatastoreName: 'slow', Tags: [{ Key: 'a', Value: 'b' }], ClientToken: 'kept' }));
    assert.equal(again.DatastoreId, DatastoreId);
    const { Tags } = await peer.send(new sdk.ListTagsForResourceCommand({ ResourceARN: arn(DatastoreId) }));
    assert.deepEqual(Tags, [{ Key: 'a', Value: 'b' }]);
  } finally {
    await server.stop();
    other.remove();
  }
});

test('a change of analytics is UPDATING for as long as is asked, and requests go on', async () => {
  const other = scratch();
  const server = await serve(join(other.folder, 'data'), [...options, '--create-delay', '1']);
  const peer = connect(server);
  try {
    const update = async (input) => (await call('UpdateFHIRDatastore', { DatastoreId: server.id, ...input },
      server.origin)).json();
    const named = await update({ DatastoreName: 'at once' });
    assert.equal(named.DatastoreProperties.DatastoreStatus, 'ACTIVE');
    const slow = await update({ AnalyticsConfiguration: { Status: 'PAUSED' } });
    assert.equal(slow.DatastoreProperties.DatastoreStatus, 'UPDATING');
    assert.equal((await update({ DatastoreName: 'too early' })).__type, 'ConflictException');
    const list = await peer.send(new sdk.ListFHIRDatastoresCommand({ Filter: { DatastoreStatus: 'UPDATING' } }));
    assert.equal(list.DatastorePropertiesList.length, 1);
    assert.equal((await fetch(`${server.endpoint}/Patient/1`)).status, 401); // known, asks for credentials
    await until(async () => (await peer.send(new sdk.DescribeFHIRDatastoreCommand({ DatastoreId: server.id })))
      .DatastoreProperties.DatastoreStatus === 'ACTIVE');
    assert.equal((await update({ DatastoreName: 'now' })).DatastoreProperties.DatastoreStatus, 'ACTIVE');
  } finally {
    await server.stop();
    other.remove();
  }
});

const cli = '/usr/bin/aws';
test('the AWS command line does the same', { skip: !existsSync(cli) && 'no /usr/bin/aws' }, () => {
  const aws = (...args) => {
    const done = spawnSync(cli, ['--endpoint-url', store.origin, '--region', 'eu-west-1', '--output', 'json',
      'healthlake', ...args], { encoding: 'utf8', env: { ...process.env, HOME: place.folder, AWS_PAGER: '',
      AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey, AWS_PROFILE: undefined } });
    return { ...done, json: () => JSON.parse(done.stdout || 'null') };
  };
  const made = aws('create-fhir-datastore', '--datastore-type-version', 'R4', '--datastore-name', 'cli');
  assert.equal(made.status, 0, made.stderr);
  const id = made.json().DatastoreId;
  assert.equal(aws('describe-fhir-datastore', '--datastore-id', id).json().DatastoreProperties.DatastoreName, 'cli');
  const list = aws('list-fhir-datastores', '--filter', 'DatastoreName=cli').json();
  assert.equal(list.DatastorePropertiesList.length, 1);
  assert.equal(aws('tag-resource', '--resource-arn', arn(id), '--tags', 'Key=a,Value=b').status, 0);
  assert.deepEqual(aws('list-tags-for-resource', '--resource-arn', arn(id)).json().Tags, [{ Key: 'a', Value: 'b' }]);
  assert.equal(aws('untag-resource', '--resource-arn', arn(id), '--tag-keys', 'a').status, 0);
  assert.match(aws('describe-fhir-datastore', '--datastore-id', 'none').stderr, /\(ResourceNotFoundException\)/);
  assert.equal(aws('delete-fhir-datastore', '--datastore-id', id).json().DatastoreStatus, 'DELETING');
});

const modelFolder = dataFolder() && join(dataFolder(), 'aws/healthlake-model');
test('the AWS command line with the newest model updates, waits and runs jobs',
  { skip: !(existsSync(cli) && modelFolder && existsSync(modelFolder)) && 'no /usr/bin/aws or model' }, () => {
    const home = join(place.folder, 'home'), models = join(home, '.aws/models/healthlake/2017-07-01');
    cpSync(modelFolder, models, { recursive: true });
    const aws = (...args) => {
      const done = spawnSync(cli, ['--endpoint-url', store.origin, '--region', 'eu-west-1', '--output', 'json',
        'healthlake', ...args], { encoding: 'utf8', env: { ...process.env, HOME: home, AWS_PAGER: '',
        AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey, AWS_PROFILE: undefined } });
      assert.equal(done.status, 0, done.stderr);
      return JSON.parse(done.stdout || 'null');
    };
    const id = aws('create-fhir-datastore', '--datastore-type-version', 'R4').DatastoreId;
    aws('wait', 'fhir-datastore-active', '--datastore-id', id);
    const updated = aws('update-fhir-datastore', '--datastore-id', id, '--datastore-name', 'by-model',
      '--nlp-configuration', 'Status=DISABLED').DatastoreProperties;
    assert.equal(updated.DatastoreName, 'by-model');
    assert.deepEqual(updated.NlpConfiguration, { Status: 'DISABLED' });
    mkdirSync(join(bucket, 'cli'), { recursive: true });
    writeFileSync(join(bucket, 'cli', 'a.ndjson'), '{"resourceType":"Patient","id":"cli"}\n');
    const output = 'S3Configuration={S3Uri=s3://bucket/cli-out/,KmsKeyId=alias/any}';
    const job = aws('start-fhir-import-job', '--datastore-id', id, '--input-data-config', 'S3Uri=s3://bucket/cli/',
      '--data-access-role-arn', 'arn:aws:iam::123456789012:role/any', '--job-output-data-config', output).JobId;
    const jobOf = () => aws('describe-fhir-import-job', '--datastore-id', id, '--job-id', job).ImportJobProperties;
    for (let i = 0; i < 20 && !jobOf().EndTime; i++);
    assert.equal(jobOf().JobStatus, 'COMPLETED');
    assert.equal(aws('list-fhir-import-jobs', '--datastore-id', id).ImportJobPropertiesList.length, 1);
  });
