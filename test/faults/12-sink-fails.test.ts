/** F-12: the receiver refuses, resets, fails or asks for time. Each is tried again by the rules and ends with its last error. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { allItems } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Reply } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { until } from '../support/wait.ts'

interface DeliveryItem {
  readonly id: string
  readonly installation: string
  readonly state: string
  readonly reason: string | null
  readonly error_code: string | null
  readonly attempts: number
  readonly due_at: string | null
}

const retry = { schedule: ['20ms', '20ms'] }
const submit = (hub: Hub, key: string) => hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })

describe('F-12 a receiver that fails', () => {
  test('F-12 refused, reset, 500 and 429: retried by the schedule, then dead with the last error', async () => {
    const closed = await closedPort()
    await using reset = await startReceiver({ reset: true })
    await using broken = await startReceiver({ status: 500, body: 'out of order' })
    await using busy = await startReceiver({ status: 429, headers: { 'retry-after': '0' } })
    await using refusing = await startReceiver({ status: 422, body: 'not like this' })
    const installations = [
      hook('refused', `http://127.0.0.1:${closed}`, { retry }),
      hook('reset', reset.url, { retry }),
      hook('broken', broken.url, { retry }),
      hook('busy', busy.url, { retry }),
      hook('refusing', refusing.url, { retry }),
    ]
    await using hub = await startHub({ config: sceneConfig({ installations }) })
    expect((await submit(hub, 'one')).status).toBe(201)
    await settled(hub)
    const deliveries = await allItems<DeliveryItem>(hub, '/api/v2/deliveries')
    const ends = Object.fromEntries(
      deliveries.map((item) => [item.installation, [item.state, item.reason, item.error_code, item.attempts]]),
    )
    expect(ends).toEqual({
      refused: ['dead', 'receiver_failed', 'http_connect', 3],
      reset: ['dead', 'receiver_failed', 'http_reset', 3],
      broken: ['dead', 'receiver_failed', 'http_500', 3],
      busy: ['dead', 'receiver_failed', 'http_429', 3],
      refusing: ['dead', 'permanent_reject', 'http_422', 3],
    })
    for (const receiver of [reset, broken, busy, refusing]) {
      expect(receiver.requests).toHaveLength(3)
      expect(new Set(receiver.requests.map(({ id }) => id)).size).toBe(1)
    }
  })

  test.each<[string, () => Reply]>([
    ['seconds', () => ({ status: 429, headers: { 'retry-after': '120' } })],
    ['an HTTP date', () => ({ status: 503, headers: { 'retry-after': new Date(Date.now() + 120_000).toUTCString() } })],
  ])('F-12 Retry-After as %s: the next attempt is not due before', async (_form, reply) => {
    await using receiver = await startReceiver(reply)
    await using hub = await startHub({
      config: sceneConfig({ installations: [hook('patient', receiver.url, { retry })] }),
    })
    await submit(hub, 'one')
    const [item] = await until(
      'the delivery to wait',
      () => allItems<DeliveryItem>(hub, '/api/v2/deliveries?state=retrying'),
      {
        accept: (items) => items.length === 1,
      },
    )
    const waitMs = Date.parse(String(item?.due_at)) - (receiver.requests[0]?.atMs as number)
    expect(waitMs).toBeGreaterThan(115_000)
    expect(waitMs).toBeLessThan(125_000)
    expect(receiver.requests).toHaveLength(1)
  })
})

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
