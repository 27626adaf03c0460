// worker asks the Worker at BASE_URL and returns the HTTP status and the JSON of its answer.
export async function worker(method, path, body) {
  const base = process.env.BASE_URL;
  if (!base) {
    throw new Error('BASE_URL is not set: say where the Worker answers, BASE_URL=https://notes.example.com npm run …');
  }
  const response = await fetch(new URL(path, base), {
    method,
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  }).catch((error) => {
    throw new Error(`no answer from BASE_URL=${base}: ${error.cause?.message ?? error.message}`);
  });
  const text = await response.text();
  try {
    return { status: response.status, json: text && JSON.parse(text) };
  } catch {
    throw new Error(`${method} ${path} answered ${response.status} and no JSON: ${text.slice(0, 200)}`);
  }
}
