// Asks a hub how it is, where there is no curl: `node probe.mjs http://127.0.0.1:8420/readyz` ends with 0 when it answers 2xx.
const ANSWER_MS_MAX = 3_000

const [url] = process.argv.slice(2)
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  process.stdout.write(await answer.text())
  process.exitCode = answer.ok ? 0 : 1
} catch (error) {
  process.stderr.write(`${url}: ${error.cause?.code ?? error.message}\n`)
  process.exitCode = 1
}
