/** The storm itself, with the connector there is longest: what it finds has to be true, and it has to find what is wrong. */
import { expect, test } from 'vitest'
import { startReceiver } from './receiver.ts'
import { HOOK_SECRET } from './scene.ts'
import { openStorm, SURVEY } from './storm.ts'

test(
  'a webhook in the storm: each answer arrives at least once, under one id, or is a dead letter that says why',
  { timeout: 240_000 },
  async () => {
    // The double is up before the storm; it gets its ledger from it.
    const vendor: { keeps?: (key: string) => void } = {}
    await using receiver = await startReceiver((request) => {
      const { key } = request.json<{ key: string }>()
      if (Number(key.slice(1)) % 100 === 7) return { status: 400, body: 'not this one' }
      if (Math.random() < 0.1) return { status: 503 }
      vendor.keeps?.(key)
      return {}
    })
    await using storm = await openStorm({
      installation: {
        id: 'hook',
        use: 'webhooks',
        when: { form: SURVEY },
        with: { url: receiver.url, secret: HOOK_SECRET, template: { key: '{{data.key}}' } },
        retry: { schedule: ['200ms', '500ms', '1s', '2s', '4s'] },
      },
      responses: 2_000,
    })
    vendor.keeps = (key) => storm.ledger.received(key)
    const { kills, account, dead, deadKeys } = await storm.blow()
    expect(kills).toBeGreaterThan(0)
    expect(account).toMatchObject({
      sent: 2_000,
      acknowledged: 2_000,
      lost: [],
      invented: [],
      storedTwice: [],
      unaccounted: [],
      idChanged: [],
    })
    expect([...deadKeys].sort()).toEqual([...account.undelivered].sort())
    expect(deadKeys.size).toBe(20)
    expect(new Set(dead.map(({ error_code }) => error_code))).toEqual(new Set(['http_400']))
  },
)
