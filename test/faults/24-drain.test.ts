/** F-24: SIGTERM under load with a receiver that hangs. The hub says so first, finishes what it can, and ends with 0. */
import { describe, expect, test } from 'vitest'
import { settled } from '../support/hub.ts'
import { storedKeys } from '../support/pages.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, idsByKey, openScene } from '../support/scene.ts'
import { sleep, until } from '../support/wait.ts'

const CONCURRENCY = 4

describe('F-24 SIGTERM', () => {
  test('F-24 under load with one hanging sink: not ready first, exit 0 within the grace, 0 lost, few repeats', async () => {
    await using hanging = await startReceiver({ hang: true })
    await using scene = await openScene({
      honest: { concurrency: CONCURRENCY },
      beside: [hook('hanging', hanging.url, { concurrency: 2 })],
      limits: { drainGraceMs: 3_000, httpTimeoutMs: 60_000, pluginActionWallMs: 120_000 },
      driver: { perSecond: 100, timeoutMs: 5_000 },
    })
    const { hub, receiver, ledger, driver } = scene
    driver.start()
    await receiver.received(20)
    await hanging.received(1)
    const readiness: number[] = []
    let ended = false
    const watching = (async () => {
      while (!ended) {
        readiness.push(
          await hub.api('GET', '/readyz', undefined, { timeoutMs: 1_000 }).then(
            ({ status }) => status,
            () => 0,
          ),
        )
        await sleep(10)
      }
    })()
    hub.signal('SIGTERM')
    const exit = await hub.exited
    ended = true
    await watching
    await driver.stop()
    expect(exit).toEqual({ code: 0, signal: null })
    expect(readiness).toContain(503)
    // Ready, then not ready, then gone: never back.
    expect(
      readiness
        .filter((status) => status !== 0)
        .join(' ')
        .replace(/^(?:200 ?)*(?:503 ?)*$/, ''),
    ).toBe('')

    await hub.restart()
    hanging.respond({ status: 200 })
    await driver.resendOpen()
    await until('the hung delivery to be repeated', () => hanging.requests.length > 2)
    await settled(hub)
    const account = ledger.account(await storedKeys(hub, DECK))
    expect(account).toMatchObject({ lost: [], invented: [], storedTwice: [], undelivered: [], unaccounted: [] })
    const repeats = [...account.duplicates.values()].reduce((sum, times) => sum + times - 1, 0)
    expect(repeats).toBeLessThanOrEqual(CONCURRENCY)
    expect([...idsByKey(receiver).values()].filter((ids) => ids.size > 1)).toEqual([])
  })

  test('F-24 idle: SIGTERM ends it at once with 0; a second signal forces an end that would take long', async () => {
    await using hanging = await startReceiver({ hang: true })
    await using scene = await openScene({
      beside: [hook('hanging', hanging.url)],
      limits: { drainGraceMs: 300_000, httpTimeoutMs: 300_000, pluginActionWallMs: 600_000 },
    })
    const { hub, driver } = scene
    expect(await hub.kill('SIGTERM')).toEqual({ code: 0, signal: null })
    await hub.restart()
    await driver.submit('held')
    await hanging.received(1)
    hub.signal('SIGTERM')
    await until('it to be draining', async () => (await hub.api('GET', '/readyz')).status === 503)
    let gone = false
    void hub.exited.then(() => (gone = true))
    await sleep(500)
    expect(gone).toBe(false)
    hub.signal('SIGTERM')
    const exit = await hub.exited
    expect(exit).not.toEqual({ code: 0, signal: null })
    await hub.restart()
    hanging.respond({ status: 200 })
    await settled(hub)
    expect(hanging.requests.length).toBe(2)
    expect(new Set(hanging.requests.map(({ id }) => id)).size).toBe(1)
  })
})
