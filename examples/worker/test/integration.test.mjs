// Writes, and cleans up behind itself: for local and staging.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { worker } from './worker.mjs';

before(async () => {
  const { json } = await worker('GET', '/health');
  assert.notEqual(json.environment, 'production', 'this test writes: not to production');
});

test('a note is created, listed first, counted and removed', async (t) => {
  const { json: old } = await worker('GET', '/notes');
  const { status, json: note } = await worker('POST', '/notes', { text: ' buy milk ' });
  assert.equal(status, 201, JSON.stringify(note));
  t.after(() => worker('DELETE', `/notes/${note.id}`));
  assert.equal(note.text, 'buy milk');

  const { json: list } = await worker('GET', '/notes');
  assert.deepEqual(list.notes[0], note);
  assert.equal(list.total, old.total + 1);

  assert.equal((await worker('DELETE', `/notes/${note.id}`)).status, 204);
  assert.equal((await worker('GET', '/notes')).json.total, old.total);
});

test('what is no note is refused', async () => {
  assert.equal((await worker('POST', '/notes', { text: ' ' })).status, 400);
  assert.equal((await worker('DELETE', '/notes/0')).status, 404);
  assert.equal((await worker('GET', '/nowhere')).status, 404);
});
