/**
 * F-31: SIGKILL at any moment while responses are put aside and released. What was acknowledged is stored or in quarantine,
 * nothing is in both, what was released fires its plugins under one id.
 */
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { openLedger } from '../support/ledger.ts'
import { startReceiver } from '../support/receiver.ts'
import { DECK, hook, idsByKey, sceneConfig } from '../support/scene.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'

const CYCLES = 6
const KILL_AFTER_MS_MAX = 400
/** Of each of two senders: what is sent has to be delivered at the end. */
const SEND_EVERY_MS = 10
const PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname

interface Page {
  readonly items: readonly { readonly id: string; readonly data: { readonly key: string } }[]
  readonly next_cursor: string | null
}

/** All of a list. */
async function all(hub: Hub, path: string): Promise<Page['items']> {
  const items: Page['items'][number][] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body }: { body: Page } = await hub.api<Page>(
      'GET',
      `${path}?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`,
    )
    items.push(...body.items)
    cursor = body.next_cursor
  }
  return items
}

test.each(['sqlite', 'postgres'])(
  'F-31 kill -9 while responses are put aside and released, on %s: none lost, none twice, each released once',
  { timeout: 240_000 },
  async (backend) => {
    await using stack = new AsyncDisposableStack()
    const dir = stack.use(await tempDir('quarantine'))
    const ledger = stack.use(openLedger(dir.file('ledger')))
    const receiver = stack.use(
      await startReceiver((request) => {
        ledger.received(request.json<{ key: string }>().key)
        return {}
      }),
    )
    const env = backend === 'sqlite' ? {} : { DATABASE_URL: stack.use(await freshDatabase()).url }
    const installations = [{ id: 'flags', use: 'judge', with: { how: 'flags' } }, hook('honest', receiver.url)]
    const config = sceneConfig({ installations, pluginDirs: [PLUGINS], limits: { pluginTransformWallMs: 1_000 } })
    const hub = stack.use(await startHub({ config, env }))
    /** Ids whose release was answered. */
    const released = new Set<string>()
    let sent = 0
    let isOver = true
    const post = async (key: string): Promise<void> => {
      const data = { key, text: Number(key.slice(1)) % 2 === 0 ? 'spam' : 'fine' }
      const answer = await hub.api<{ id: string }>(
        'POST',
        `/api/v2/forms/${DECK}/responses`,
        { data, client_id: key },
        { timeoutMs: 2_000 },
      )
      if (answer.status < 300) ledger.acknowledged(key, answer.body.id)
    }
    const sending = async (): Promise<void> => {
      while (!isOver) {
        const key = `k${sent++}`
        ledger.sent(key)
        await post(key).catch(() => undefined)
        await sleep(SEND_EVERY_MS)
      }
    }
    const releasing = async (): Promise<void> => {
      while (!isOver) {
        const items = await hub.api<Page>('GET', '/api/v2/quarantine?limit=5', undefined, { timeoutMs: 2_000 }).then(
          ({ body }) => body.items,
          () => [],
        )
        // Every third stays where it is.
        for (const { id, data } of items.filter((item) => Number(item.data.key.slice(1)) % 6 !== 0)) {
          const ask = () =>
            hub.api<{ id: string; data: unknown }>('POST', `/api/v2/quarantine/${id}/release`, undefined, {
              timeoutMs: 2_000,
            })
          const answers = await Promise.allSettled([ask(), ask()])
          for (const answer of answers)
            if (answer.status === 'fulfilled' && answer.value.status === 200) {
              expect([answer.value.body.id, answer.value.body.data]).toMatchObject([id, { key: data.key }])
              released.add(id)
            }
        }
        await sleep(5)
      }
    }
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      isOver = false
      const before = released.size
      const working = Promise.all([sending(), sending(), releasing()])
      // Half of them die while they begin, half while they release.
      if (cycle % 2 === 1) await until('a release to be answered', () => released.size > before, { timeoutMs: 60_000 })
      await sleep(50 + Math.random() * KILL_AFTER_MS_MAX)
      await hub.kill('SIGKILL')
      isOver = true
      await working
      await hub.restart()
    }
    for (const key of ledger.open()) await post(key)
    await settled(hub)

    const stored = await all(hub, '/api/v2/responses')
    const aside = await all(hub, '/api/v2/quarantine')
    const account = ledger.account([...stored, ...aside].map(({ data }) => data.key))
    expect(account.lost).toEqual([])
    expect(account.invented).toEqual([])
    expect(account.storedTwice).toEqual([])
    expect(account.unaccounted).toEqual([])
    expect(account.idChanged).toEqual([])
    expect(account.acknowledged).toBe(account.sent)
    // Only what is stored has fired plugins, and under one id.
    const waiting = new Set(aside.map(({ data }) => data.key))
    expect(account.undelivered.filter((key) => !waiting.has(key))).toEqual([])
    expect([...idsByKey(receiver)].filter(([key, ids]) => ids.size > 1 || waiting.has(key))).toEqual([])
    const ids = new Set(stored.map(({ id }) => id))
    expect([...released].filter((id) => !ids.has(id))).toEqual([])
    expect(waiting.size).toBeGreaterThan(0)
  },
)
