// jobs.test.mjs - jobs beside each other, and jobs that a kill -9 cuts off.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import * as sdk from '@aws-sdk/client-healthlake';
import { keys, scratch, serve } from './lib.mjs';

const DataAccessRoleArn = 'arn:aws:iam::000000000000:role/job';
const LINES = 40_000;
let place, bucket;

before(() => {
  place = scratch();
  bucket = join(place.folder, 's3', 'bucket');
  mkdirSync(join(bucket, 'large'), { recursive: true });
  mkdirSync(join(bucket, 'small'), { recursive: true });
  const lines = (file, count) => Array.from({ length: count }, (_, i) => (i % 100 === 99
    ? '{"resourceType":"Patient"}' // no id: a line of FAILURE
    : JSON.stringify({ resourceType: 'Patient', id: `${file}-${i}`, name: [{ family: `F${i}` }] })));
  writeFileSync(join(bucket, 'large', 'a.ndjson'), `${lines('a', LINES / 2).join('\n')}\n`);
  writeFileSync(join(bucket, 'large', 'b.ndjson'), lines('b', LINES / 2).join('\n'));
  writeFileSync(join(bucket, 'small', 'c.ndjson'), lines('c', 10).join('\n'));
});
after(() => place?.remove());

async function start(name, more = []) {
  const server = await serve(join(place.folder, name), ['--s3-root', join(place.folder, 's3'), ...more]);
  const client = new sdk.HealthLakeClient({ region: 'us-east-1', endpoint: server.origin,
    credentials: keys, maxAttempts: 1 });
  return { ...server, send: (operation, input) => client.send(new sdk[`${operation}Command`](input)) };
}
const submit = async (server, DatastoreId, from) => (await server.send('StartFHIRImportJob', {
  DatastoreId, DataAccessRoleArn, InputDataConfig: { S3Uri: `s3://bucket/${from}` },
  JobOutputDataConfig: { S3Configuration: { S3Uri: 's3://bucket/out', KmsKeyId: 'alias/k' } } })).JobId;
const describe = async (server, DatastoreId, JobId) => (await server.send('DescribeFHIRImportJob',
  { DatastoreId, JobId })).ImportJobProperties;

async function until(what, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const value = await what();
    if (value) return value;
    await new Promise((done) => setTimeout(done, 10));
  }
  return assert.fail('it did not come');
}

test('a large job of one data store does not keep those of another waiting', async () => {
  const server = await start('beside');
  try {
    const { DatastoreId: other } = await server.send('CreateFHIRDatastore',
      { DatastoreTypeVersion: 'R4' });
    const large = await submit(server, server.id, 'large');
    const behind = await submit(server, server.id, 'small'); // in the same data store
    const small = await submit(server, other, 'small');
    await until(async () => (await describe(server, other, small)).EndTime);
    const meanwhile = await describe(server, server.id, large);
    assert.equal(meanwhile.JobStatus, 'IN_PROGRESS');
    assert.equal((await describe(server, server.id, behind)).JobStatus, 'SUBMITTED');
    const done = await until(async () => {
      const job = await describe(server, server.id, behind);
      return job.EndTime && job;
    });
    const first = await describe(server, server.id, large);
    assert.equal(first.JobStatus, 'COMPLETED_WITH_ERRORS');
    assert.ok(first.EndTime <= done.EndTime);
  } finally {
    await server.stop();
  }
});

test('an import cut off by kill -9 goes on, and each line is stored and told of once', async () => {
  const options = ['--always-new-version']; // not healthlake's rates, which a poll passes
  let server = await start('killed', options);
  const id = server.id, job = await submit(server, id, 'large');
  let kills = 0;
  for (const share of [0.1, 0.3, 0.45, 0.6, 0.9]) {
    const is = await until(async () => {
      const now = await describe(server, id, job);
      const read = now.JobProgressReport?.TotalNumberOfResourcesScanned ?? 0;
      return (now.EndTime || read >= LINES * share) && now;
    });
    if (is.EndTime) break;
    server.child.kill('SIGKILL');
    await server.ended;
    kills++;
    server = await start('killed', options);
  }
  assert.ok(kills >= 2, `killed ${kills} times only`);
  try {
    const end = await until(async () => {
      const now = await describe(server, id, job);
      return now.EndTime && now;
    });
    const bad = LINES / 100, good = LINES - bad;
    assert.equal(end.JobStatus, 'COMPLETED_WITH_ERRORS', JSON.stringify(end));
    const report = end.JobProgressReport;
    assert.equal(report.TotalNumberOfScannedFiles, 2);
    assert.equal(report.TotalNumberOfResourcesScanned, LINES);
    assert.equal(report.TotalNumberOfResourcesImported, good);
    assert.equal(report.TotalNumberOfResourcesWithCustomerError, bad);
    const folder = join(bucket, 'out', `${id}-FHIR_IMPORT-${job}`);
    for (const file of ['a', 'b']) {
      const told = ['SUCCESS', 'FAILURE'].flatMap((kind) =>
        readFileSync(join(folder, kind, `large_${file}.ndjson`), 'utf8').trimEnd().split('\n')
          .map((line) => JSON.parse(line).lineId));
      assert.deepEqual(told.sort((x, y) => x - y),
        Array.from({ length: LINES / 2 }, (_, i) => i + 1), `lines of ${file}`);
    }
    await until(() => readdirSync(join(place.folder, 'killed', 'jobs')).length === 0, 5);
    // No line made a second version.
    const exported = (await server.send('StartFHIRExportJob', { DatastoreId: id, DataAccessRoleArn,
      OutputDataConfig: { S3Configuration: { S3Uri: 's3://bucket/out', KmsKeyId: 'alias/k' } } })).JobId;
    await until(async () => (await server.send('DescribeFHIRExportJob',
      { DatastoreId: id, JobId: exported })).ExportJobProperties.EndTime);
    const versions = readFileSync(join(bucket, 'out', `${id}-FHIR_EXPORT-${exported}`, 'Patient',
      'Patient-1-0-0.ndjson'), 'utf8').trimEnd().split('\n')
      .map((line) => JSON.parse(line).meta.versionId);
    assert.equal(versions.length, good);
    assert.deepEqual([...new Set(versions)], ['1']);
  } finally {
    await server.stop();
  }
});
