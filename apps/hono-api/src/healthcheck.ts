// `node src/healthcheck.ts [URL]`: ends with 0 where the URL answers with a success within three seconds, and with 1 otherwise.
const [, , url = "http://127.0.0.1:3000/healthz"] = process.argv;
const answer = await fetch(url, { signal: AbortSignal.timeout(3000) }).catch(() => undefined);
process.exitCode = answer?.ok === true ? 0 : 1;
