/** The test tools themselves: an oracle that cannot find a loss would be worse than none. */
import { describe, expect, test } from 'vitest'
import { openLedger } from './ledger.ts'
import { startReceiver } from './receiver.ts'
import { tempDir } from './temp.ts'
import { until } from './wait.ts'

describe('ledger', () => {
  test('tells lost, invented, doubled and missing apart', async () => {
    await using dir = await tempDir()
    using ledger = openLedger(dir.file('ledger'))
    for (const key of ['a', 'b', 'c', 'd']) ledger.sent(key)
    ledger.acknowledged('a', 'rsp_1')
    ledger.acknowledged('b', 'rsp_2')
    ledger.acknowledged('b', 'rsp_9')
    for (const key of ['a', 'a', 'x']) ledger.received(key)
    expect(ledger.open()).toEqual(['c', 'd'])
    expect(ledger.account(['a', 'c', 'c', 'y'])).toEqual({
      sent: 4,
      acknowledged: 2,
      received: 2,
      lost: ['b'],
      invented: ['y'],
      storedTwice: ['c'],
      undelivered: ['c', 'y'],
      unaccounted: ['x'],
      duplicates: new Map([['a', 2]]),
      idChanged: ['b'],
    })
  })
})

describe('until', () => {
  test('says what it saw last', async () => {
    await expect(until('the moon', () => ({ phase: 3 }), { timeoutMs: 50, accept: () => false })).rejects.toThrow(
      /the moon.*phase: 3/s,
    )
    await expect(until('it', () => Promise.reject(new Error('odd')), { timeoutMs: 50 })).rejects.toThrow(/odd/)
  })
})

describe('receiver', () => {
  test('records, follows its script and misbehaves', async () => {
    await using receiver = await startReceiver([{ status: 500 }, { status: 201, headers: { 'x-a': 'b' }, body: 'ok' }])
    const send = () => fetch(receiver.url, { method: 'POST', body: '{"n":1}', headers: { 'webhook-id': 'dlv_1' } })
    expect((await send()).status).toBe(500)
    const second = await send()
    expect([second.status, second.headers.get('x-a'), await second.text()]).toEqual([201, 'b', 'ok'])
    expect(receiver.requests.map(({ id, method }) => [id, method])).toEqual([
      ['dlv_1', 'POST'],
      ['dlv_1', 'POST'],
    ])
    expect(receiver.requests[0]?.json()).toEqual({ n: 1 })
    receiver.respond({ reset: true })
    await expect(send()).rejects.toThrow()
    receiver.respond({ raw: 'this is no HTTP' })
    await expect(send()).rejects.toThrow()
    receiver.respond({ body: 'abcdef', drip: { bytes: 2, everyMs: 1 } })
    expect(await (await send()).text()).toBe('abcdef')
    receiver.respond({ hang: true })
    await expect(fetch(receiver.url, { signal: AbortSignal.timeout(100) })).rejects.toThrow()
    expect(await receiver.received(5)).toHaveLength(6)
  })
})
