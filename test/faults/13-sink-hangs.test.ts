/** F-13: receivers that never accept, never answer, drip or never end. Their neighbours do not notice. */
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { allItems, storedKeys } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, openScene } from '../support/scene.ts'
import { ROOT } from '../support/hub.ts'

const EVENTS = 150
const HTTP_TIMEOUT_MS = 1_500
const HANGING = ['deaf', 'silent', 'dripping', 'endless', 'slow-headers']

test('F-13 five kinds of hanging receivers: every one times out, the neighbour gets every event once', async () => {
  await using deaf = await startDeafListener()
  await using silent = await startReceiver({ hang: true })
  await using dripping = await startReceiver({ body: 'x'.repeat(4_000), drip: { bytes: 1, everyMs: 400 } })
  await using endless = await startReceiver({ drip: { bytes: 16, everyMs: 50, endless: true } })
  // The status line comes, the end of the headers never does.
  await using slowHeaders = await startReceiver({ raw: 'HTTP/1.1 200 OK\r\nx-slow: y', hang: false, delayMs: 10_000 })
  const beside = [
    hook('deaf', deaf.url, { retry: { schedule: [] } }),
    hook('silent', silent.url, { retry: { schedule: [] } }),
    hook('dripping', dripping.url, { retry: { schedule: [] } }),
    hook('endless', endless.url, { retry: { schedule: [] } }),
    hook('slow-headers', slowHeaders.url, { retry: { schedule: [] } }),
  ]
  await using scene = await openScene({ beside, limits: { httpTimeoutMs: HTTP_TIMEOUT_MS, breakerFailuresMax: 1_000 } })
  const { hub, receiver, ledger, driver } = scene
  await driver.submit('first')
  // Now every hanging receiver holds a delivery; the rest must still pass by.
  for (let n = 1; n < EVENTS; n += 1) expect(await driver.submit(`n${n}`)).toBe(201)
  await receiver.received(EVENTS)
  const early = await allItems<{ installation: string; state: string }>(
    hub,
    '/api/v2/deliveries?state=delivered&installation=honest',
  )
  expect(early.length).toBeGreaterThan(0)
  expect(silent.concurrencyMax).toBeLessThanOrEqual(64)
  await settled(hub, 60_000)

  const account = ledger.account(await storedKeys(hub, DECK))
  expect(account).toMatchObject({ lost: [], undelivered: [], unaccounted: [], duplicates: new Map() })
  for (const id of HANGING) {
    const deliveries = await allItems<{ state: string; error_code: string }>(
      hub,
      `/api/v2/deliveries?installation=${id}`,
    )
    expect(deliveries).toHaveLength(EVENTS)
    const codes = new Set(deliveries.map(({ state, error_code: code }) => `${state} ${code}`))
    // A response whose head has come counts by its status when only the body never ends.
    expect(
      [...codes].filter((code) => !['dead http_timeout', 'dead http_connect'].includes(code)),
      id,
    ).toEqual([])
  }
})

interface Deaf extends AsyncDisposable {
  readonly url: string
}

/** A listener whose process stands still: the kernel takes connections until its queue is full, nobody ever reads. */
async function startDeafListener(): Promise<Deaf> {
  const code = `const s = require('node:net').createServer(); s.listen(0, '127.0.0.1', 1, () => console.log(s.address().port))`
  const child = spawn(`${ROOT}node_modules/.bin/node`, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise<string>((resolve) =>
    child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString().trim())),
  )
  child.kill('SIGSTOP')
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      await closed
    },
  }
}
