/** F-15: clients that never finish their request. They are cut off; honest ones are served all the while. */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { DECK, openScene } from '../support/scene.ts'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { until } from '../support/wait.ts'

const SLOW_HEADS = 150
const SLOW_BODIES = 150
const DRIP_EVERY_MS = 1_000

test('F-15 300 slow-loris sockets: honest clients are served, every slow one is cut', { timeout: 90_000 }, async () => {
  // Bodies are cut by the request timeout, heads by the fixed header timeout of 10 s.
  await using scene = await openScene({ limits: { requestTimeoutMs: 10_000 } })
  const { hub, ledger, driver } = scene
  const port = Number(new URL(hub.url).port)
  const head = `POST /api/v2/forms/${DECK}/responses HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer ${hub.adminKey}\r\ncontent-type: application/json\r\n`
  const slow = [
    ...Array.from({ length: SLOW_HEADS }, () => openSlow(port, 'POST /api/v2/forms HTTP/1.1\r\nhost: hub\r\nx-slow: ')),
    ...Array.from({ length: SLOW_BODIES }, () =>
      openSlow(port, `${head}content-length: 100000\r\n\r\n{"data":{"key":"`),
    ),
  ]
  try {
    await until('all slow sockets to be open', () => slow.filter(({ opened }) => opened()).length, {
      accept: (open) => open === slow.length,
    })
    let served = 0
    while (slow.some(({ closed }) => !closed()) && served < 2_000) {
      expect(await driver.submit(`honest-${served}`)).toBe(201)
      served += 1
      await new Promise((resolve) => {
        setTimeout(resolve, 50)
      })
    }
    expect(slow.filter(({ closed }) => !closed())).toHaveLength(0)
    expect(served).toBeGreaterThan(10)
    await settled(hub)
    expect(ledger.account(await storedKeys(hub, DECK))).toMatchObject({ lost: [], invented: [], undelivered: [] })
  } finally {
    for (const { end } of slow) end()
  }
})

interface Slow {
  readonly opened: () => boolean
  readonly closed: () => boolean
  readonly end: () => void
}

/** Sends the beginning of a request, then one byte a second. */
function openSlow(port: number, beginning: string): Slow {
  let opened = false
  let closed = false
  const socket: Socket = connect(port, '127.0.0.1', () => {
    opened = true
    socket.write(beginning)
  })
  const timer = setInterval(() => socket.write('a'), DRIP_EVERY_MS)
  // The hub may answer 408 before it closes; what it says is not the point here.
  socket.resume()
  socket.on('error', () => undefined)
  socket.once('close', () => {
    closed = true
    clearInterval(timer)
  })
  return {
    opened: () => opened,
    closed: () => closed,
    end: () => {
      clearInterval(timer)
      socket.destroy()
    },
  }
}
