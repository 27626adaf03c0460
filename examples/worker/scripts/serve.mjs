// Serves one environment on this machine and returns, so that the next step of a workflow can ask it:
// a deployment for where nothing can be deployed. The database is the environment's local one
// (d1-rewind migrate local:staging).
//
//   node scripts/serve.mjs staging      http://127.0.0.1:8787, or on $PORT
//   node scripts/serve.mjs stop
import { spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const state = `${root}.wrangler/`;
const [pidFile, logFile] = [`${state}serve.pid`, `${state}serve.log`];
const port = process.env.PORT || '8787';
const url = `http://127.0.0.1:${port}`;

// wrangler and what it starts are one process group, of which pid is the leader.
function runs(pid) {
  try {
    return process.kill(-pid, 0);
  } catch {
    return false;
  }
}

function served() {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    return pid > 1 && runs(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

async function until(done, seconds) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(100)) {
    const result = await done();
    if (result) return result;
  }
}

async function stop(pid) {
  process.kill(-pid, 'SIGTERM');
  if (!(await until(() => !runs(pid), 10))) process.kill(-pid, 'SIGKILL');
  rmSync(pidFile, { force: true });
}

// A port in use would let another program's answers pass for ours.
function free() {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

// The Worker answers with JSON, whatever it says; wrangler answers with other things while it starts.
async function health() {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5000) });
    return `${response.status} ${JSON.stringify(await response.json())}`;
  } catch {
    return undefined;
  }
}

async function serve(environment) {
  const other = served();
  if (other) throw new Error(`process ${other} serves already: npm run serve:stop`);
  if (!(await free())) throw new Error(`port ${port} is in use: PORT=8788 npm run serve:${environment}`);

  mkdirSync(state, { recursive: true });
  const log = openSync(logFile, 'w');
  const options = ['--env', environment, '--ip', '127.0.0.1', '--port', port, '--show-interactive-dev-session=false'];
  const wrangler = spawn('wrangler', ['dev', ...options], { cwd: root, detached: true, stdio: ['ignore', log, log] });
  let ended;
  wrangler.once('error', ({ code, message }) => {
    ended = code === 'ENOENT' ? 'wrangler is not in PATH (npm ci, then npm run)' : message;
  });
  wrangler.once('exit', (code, signal) => (ended = `wrangler dev ended with ${signal ?? code}`));
  if (wrangler.pid) writeFileSync(pidFile, `${wrangler.pid}\n`);

  const answer = await until(async () => ended || (await health()), 60);
  if (!answer || ended) {
    if (wrangler.pid && runs(wrangler.pid)) await stop(wrangler.pid);
    rmSync(pidFile, { force: true });
    const why = ended ?? '/health did not answer within a minute';
    throw new Error(`${why}; ${logFile}:\n${readFileSync(logFile, 'utf8')}`);
  }
  wrangler.unref();
  console.log(`${environment} at ${url}, process ${wrangler.pid}; /health: ${answer}`);
}

const [what] = process.argv.slice(2);
try {
  if (what === 'stop') {
    const pid = served();
    if (pid) await stop(pid);
    console.log(pid ? `process ${pid} ended` : 'nothing is served');
  } else if (what === 'staging' || what === 'production') {
    await serve(what);
  } else {
    throw new Error('usage: node scripts/serve.mjs staging|production|stop');
  }
} catch (error) {
  console.error(`serve: ${error.message}`);
  process.exitCode = 1;
}
