// Is the right Worker up, on a database that has all migrations of this checkout? Reads only.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { worker } from './worker.mjs';

const files = readdirSync(new URL('../migrations', import.meta.url));
const last = files.filter((name) => name.endsWith('.sql')).sort().at(-1);

test('health: the right environment, the last migration', async () => {
  const { status, json } = await worker('GET', '/health');
  assert.equal(status, 200, JSON.stringify(json));
  assert.deepEqual(json, { environment: process.env.EXPECT_ENVIRONMENT, migration: last });
});

test('the list of notes, and how many there are', async () => {
  const { status, json } = await worker('GET', '/notes');
  assert.equal(status, 200, JSON.stringify(json));
  assert.ok(Array.isArray(json.notes));
  assert.ok(json.total >= json.notes.length, `${json.total} notes in all, ${json.notes.length} listed`);
});
