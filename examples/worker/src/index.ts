// A notes app: GET and POST /notes, DELETE /notes/1, and GET /health. Env comes from `npm run types`.

export default {
  async fetch(request, env): Promise<Response> {
    const { pathname } = new URL(request.url);
    const note = /^\/notes\/(\d+)$/.exec(pathname);
    try {
      if (request.method === 'GET' && pathname === '/health') return await health(env);
      if (request.method === 'GET' && pathname === '/notes') return await list(env.DB);
      if (request.method === 'POST' && pathname === '/notes') return await create(env.DB, request);
      if (request.method === 'DELETE' && note) return await remove(env.DB, Number(note[1]));
    } catch (error) {
      console.error(error);
      return Response.json({ error: 'the database did not answer as expected' }, { status: 500 });
    }
    return Response.json({ error: 'not found' }, { status: 404 });
  },
} satisfies ExportedHandler<Env>;

// health says which Worker answers, and which migration its database has reached.
async function health(env: Env): Promise<Response> {
  const newest = env.DB.prepare('SELECT name FROM d1_migrations ORDER BY name DESC LIMIT 1');
  const migration = await newest.first<string>('name');
  return Response.json({ environment: env.ENVIRONMENT, migration });
}

async function list(db: D1Database): Promise<Response> {
  const [totals, notes] = await db.batch([
    db.prepare('SELECT notes FROM totals'),
    db.prepare('SELECT id, text, created_at FROM notes ORDER BY created_at DESC, id DESC LIMIT 20'),
  ]);
  return Response.json({ total: (totals.results[0] as { notes: number }).notes, notes: notes.results });
}

async function create(db: D1Database, request: Request): Promise<Response> {
  const body = await request.json<{ text?: unknown } | null>().catch(() => null);
  const text = typeof body?.text === 'string' ? body.text.trim() : '';
  if (!text) return Response.json({ error: 'a note needs a text' }, { status: 400 });
  const insert = db.prepare('INSERT INTO notes (text) VALUES (?) RETURNING id, text, created_at');
  return Response.json(await insert.bind(text).first(), { status: 201 });
}

async function remove(db: D1Database, id: number): Promise<Response> {
  const { meta } = await db.prepare('DELETE FROM notes WHERE id = ?').bind(id).run();
  return new Response(null, { status: meta.changes > 0 ? 204 : 404 });
}
