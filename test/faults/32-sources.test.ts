/**
 * F-32: SIGKILL while a form builder sends. What its sender was answered is stored; what it was not is sent again with the
 * same id, and either way there is one response, under one id, which fired its plugins.
 */
import { expect, test } from 'vitest'
import { formbricks, typeform } from '../../integrations/sources/samples.ts'
import { byFormbricks, byTypeform } from '../../integrations/sources/senders.ts'
import type { Sent } from '../../integrations/sources/senders.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { openLedger } from '../support/ledger.ts'
import { startReceiver } from '../support/receiver.ts'
import { hook, sceneConfig } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

const CYCLES = 4
const SENDERS = 4
const KILL_AFTER_MS_MAX = 600
const SECRET = 'a-secret-of-the-sender-0123456789'
const WHSEC = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const INSTALLATIONS = [
  { id: 'typeform', use: 'sources', with: { from: 'typeform', secret: SECRET, form: 'survey' } },
  { id: 'formbricks', use: 'sources', with: { from: 'formbricks', secret: WHSEC, form: 'survey' } },
]

/** The one question of the survey holds the key; the sender's id is the key as well. */
const asTypeform = (key: string): Promise<Sent> =>
  byTypeform(typeform({ token: key, answers: [{ type: 'text', text: key, field: { id: 'key', ref: 'key' } }] }), SECRET)
const asFormbricks = (key: string, event: 'responseCreated' | 'responseFinished'): Sent =>
  byFormbricks(formbricks(event, { key }, key), WHSEC, { at: new Date(), id: `msg_${key}_${event}` })

interface Told {
  readonly id: string
  readonly result: string
}
const post = (hub: Hub, installation: string, { body, headers }: Sent) =>
  hub.api<Told>('POST', `/i/${installation}/in`, body, { key: null, headers, timeoutMs: 5_000 })

/** Even ones come from Typeform; odd ones from Formbricks, which tells of the first answer and of the last. */
async function send(hub: Hub, key: string): Promise<Told | null> {
  const isTypeform = Number(key.slice(1)) % 2 === 0
  if (!isTypeform && (await post(hub, 'formbricks', asFormbricks(key, 'responseCreated'))).status !== 200) return null
  const sent = isTypeform ? await asTypeform(key) : asFormbricks(key, 'responseFinished')
  const { status, body } = await post(hub, isTypeform ? 'typeform' : 'formbricks', sent)
  return status === 200 ? body : null
}

interface Stored {
  readonly id: string
  readonly status: string
  readonly data: { readonly key: string }
}
async function all(hub: Hub): Promise<readonly Stored[]> {
  const items: Stored[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const more: string = cursor === '' ? '' : `&cursor=${cursor}`
    const { body }: { body: { items: Stored[]; next_cursor: string | null } } = await hub.api(
      'GET',
      `/api/v2/responses?limit=200${more}`,
    )
    items.push(...body.items)
    cursor = body.next_cursor
  }
  return items
}

const ready = (hub: Hub) =>
  until('the source to be loaded', () => post(hub, 'typeform', { body: '{}', headers: {} }), {
    accept: ({ status }) => status === 401,
  })

test.each(['sqlite', 'postgres'])(
  'F-32 kill -9 between store and answer, on %s: the retry finds the one response there is',
  { timeout: 420_000 },
  async (backend) => {
    await using stack = new AsyncDisposableStack()
    const dir = stack.use(await tempDir('sources'))
    const ledger = stack.use(openLedger(dir.file('ledger')))
    const receiver = stack.use(
      await startReceiver((request) => {
        ledger.received(request.json<{ key: string }>().key)
        return {}
      }),
    )
    const env = backend === 'sqlite' ? {} : { DATABASE_URL: stack.use(await freshDatabase()).url }
    const limits = { publicRatePerSecond: 10_000, publicRateBurst: 100_000 }
    const config = sceneConfig({ installations: [...INSTALLATIONS, hook('honest', receiver.url)], limits })
    const hub = stack.use(await startHub({ config, env }))
    await ready(hub)
    let sent = 0
    let isOver = true
    const tryToSend = async (key: string): Promise<void> => {
      const told = await send(hub, key).catch(() => null)
      if (told !== null) ledger.acknowledged(key, told.id)
    }
    const sending = async (): Promise<void> => {
      while (!isOver) {
        const key = `k${sent++}`
        ledger.sent(key)
        await tryToSend(key)
      }
    }
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      isOver = false
      const senders = Array.from({ length: SENDERS }, sending)
      await sleep(100 + Math.random() * KILL_AFTER_MS_MAX)
      // Its answer is never read: for the sender this one is lost, and on the disk.
      const lost = `k${sent++}`
      ledger.sent(lost)
      const unread = await send(hub, lost).catch(() => null)
      isOver = true
      await hub.restart()
      await Promise.all(senders)
      await ready(hub)
      const again = await send(hub, lost)
      if (unread !== null) expect(again).toEqual({ id: unread.id, result: 'duplicate' })
    }
    for (const key of ledger.open()) await tryToSend(key)
    await settled(hub)
    const stored = await all(hub)
    expect(stored.every(({ status }) => status === 'completed')).toBe(true)
    const { acknowledged, lost, invented, storedTwice, undelivered, unaccounted, idChanged } = ledger.account(
      stored.map(({ data }) => data.key),
    )
    expect({ lost, invented, storedTwice, undelivered, unaccounted, idChanged }).toEqual({
      lost: [],
      invented: [],
      storedTwice: [],
      undelivered: [],
      unaccounted: [],
      idChanged: [],
    })
    expect(acknowledged).toBe(sent)
  },
)
