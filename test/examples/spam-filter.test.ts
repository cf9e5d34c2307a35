/** The spam filter in the real hub: spam reaches nobody, the sender learns nothing, and what was put aside can be released. */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'

const PATH = `/api/v2/forms/${DECK}/responses`

test('spam waits in quarantine, the rest goes on; a released one is delivered like any other', async () => {
  await using receiver = await startReceiver()
  const filter = { id: 'spam', use: 'spam-filter', with: { words: ['casino', 'crypto'] } }
  await using hub = await startHub({ config: sceneConfig({ installations: [filter, hook('crm', receiver.url)] }) })
  const send = async (key: string) => await hub.api('POST', PATH, { data: { key } }, { key: null })
  const [good, bad] = [await send('Hello'), await send('Casino and crypto')]
  expect([good.status, bad.status]).toEqual([201, 201])
  expect(Object.keys(bad.body)).toEqual(Object.keys(good.body))
  await settled(hub)
  expect(receiver.requests.map((request) => request.json()['key'])).toEqual(['Hello'])
  const listed = await hub.api<{ items: Record<string, unknown>[] }>('GET', PATH)
  expect(listed.body.items).toEqual([
    expect.objectContaining({ meta: expect.objectContaining({ spam_points: 0 }) as object }),
  ])
  const aside = await hub.api<{ items: { id: string }[] }>('GET', '/api/v2/quarantine')
  expect(aside.body.items).toEqual([
    expect.objectContaining({ installation: 'spam', verdict: 'flagged', message: 'says "casino", says "crypto"' }),
  ])
  const released = await hub.api('POST', `/api/v2/quarantine/${aside.body.items[0]?.id}/release`)
  expect(released.status, released.text).toBeLessThan(300)
  await receiver.received(2)
  expect(receiver.requests[1]?.json()['key']).toBe('Casino and crypto')
})
