/** F-14: receivers that answer with far too much. The hub reads a little, keeps less, and stays small. */
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { watchPeaks } from '../support/processes.ts'
import { hook, openScene } from '../support/scene.ts'

const MB = 1_048_576
const KEPT_BYTES_MAX = 65_536
const GROWTH_BYTES_MAX = 96 * MB

interface AttemptItem {
  readonly outcome: string
  readonly error_code: string | null
  readonly exchanges: readonly {
    response_body: string | null
    truncated: boolean
    error: string | null
    status: number | null
  }[]
}

test('F-14 endless body, gzip bomb, giant header: at most 64 KiB kept, marked truncated, memory bounded', async () => {
  const bomb = gzipSync(Buffer.alloc(200 * MB))
  await using endless = await serve((response) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    const piece = Buffer.alloc(65_536, 'x')
    const more = () => {
      while (!response.destroyed && response.write(piece));
    }
    response.on('drain', more)
    more()
  })
  await using long = await serve((response) => response.end('y'.repeat(KEPT_BYTES_MAX + 1_000)))
  await using zipped = await serve((response) => {
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' })
    response.end(bomb)
  })
  await using header = await serve((response) => {
    response.writeHead(200, { 'x-giant': 'z'.repeat(MB) })
    response.end()
  })
  const once = { retry: { schedule: [] } }
  const beside = [
    hook('endless', endless.url, once),
    hook('long', long.url, once),
    hook('zipped', zipped.url, once),
    hook('giant-header', header.url, once),
  ]
  await using scene = await openScene({ beside, limits: { httpTimeoutMs: 5_000 } })
  const { hub, receiver, driver } = scene
  await driver.submit('warm')
  await settled(hub)
  const before = await hub.rssBytes()
  using peaks = watchPeaks(hub.pid)
  for (let n = 0; n < 5; n += 1) await driver.submit(`n${n}`)
  await settled(hub, 60_000)
  expect(peaks.ownBytesMax - before).toBeLessThan(GROWTH_BYTES_MAX)
  expect(receiver.requests).toHaveLength(6)

  for (const id of ['endless', 'long', 'zipped', 'giant-header']) {
    const deliveries = await allItems<{ id: string; state: string }>(hub, `/api/v2/deliveries?installation=${id}`)
    expect(deliveries.length, id).toBe(6)
    const one = await hub.api<{ attempt_log: readonly AttemptItem[] }>('GET', `/api/v2/deliveries/${deliveries[0]?.id}`)
    for (const attempt of one.body.attempt_log) {
      for (const exchange of attempt.exchanges) {
        expect(Buffer.byteLength(exchange.response_body ?? ''), id).toBeLessThanOrEqual(KEPT_BYTES_MAX)
        if (id === 'long' || id === 'endless') expect(exchange.truncated, id).toBe(true)
      }
    }
  }
  expect(await hub.metric('manifold_attempts_total', { installation: 'giant-header', outcome: 'delivered' })).toBe(0)
})

interface Sink extends AsyncDisposable {
  readonly url: string
}

async function serve(answer: (response: ServerResponse) => void): Promise<Sink> {
  const server: Server = createServer((request, response) => {
    request.resume()
    request.once('end', () => answer(response))
    response.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
