/** The script of README.md as Google runs it, over stand-ins for the services it uses, with what it sends. */
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { testPlugin } from 'manifold/plugin/testing'

const SECRET = 'a secret of the script, ünd long enough'
const README = readFileSync(new URL('README.md', import.meta.url), 'utf8')
const SCRIPT = /```js file=google-forms\.gs\n(.*?)```/s.exec(README)?.[1] ?? ''

const NOW = new Date('2026-01-01T00:00:00Z')

interface Fetched {
  readonly url: string
  readonly payload: string
  readonly headers: Readonly<Record<string, string>>
}

function item(id: number, title: string, type: string, choices: readonly string[] = []) {
  const list = { getChoices: () => choices.map((value) => ({ getValue: () => value })) }
  return {
    getId: () => id,
    getTitle: () => title,
    getType: () => ({ toString: () => type }),
    asMultipleChoiceItem: () => list,
    asListItem: () => list,
    asCheckboxItem: () => list,
  }
}

const RESPONSE = {
  getId: () => '2_ABaOnudPqYx',
  getTimestamp: () => new Date('2025-12-24T18:00:00Z'),
  getRespondentEmail: () => '',
  getItemResponses: () => [
    { getItem: () => item(11, "What's your name?", 'TEXT'), getResponse: () => 'Zoë ✓' },
    { getItem: () => item(12, 'Coming?', 'LIST', ['Yes', 'No']), getResponse: () => 'Yes' },
    { getItem: () => item(13, 'Bringing', 'CHECKBOX', ['Cake', 'Wine']), getResponse: () => ['Wine'] },
    { getItem: () => item(14, 'Table', 'GRID'), getResponse: () => ['a', 'b'] },
  ],
}

interface Kept {
  /** Responses that the form has. */
  readonly responses?: readonly (typeof RESPONSE)[]
  /** Ids of those that wait, and since when. */
  readonly waiting?: Readonly<Record<string, Date | '1'>>
}

/** The services, and what went through them. `statuses`: what the hub answers, in turn; the last one from then on. */
function google(statuses: readonly number[], { responses = [RESPONSE], waiting = {} }: Kept = {}) {
  const properties = new Map([['MANIFOLD_SECRET', SECRET]])
  for (const [id, since] of Object.entries(waiting))
    properties.set(`waiting ${id}`, since === '1' ? since : String(since.getTime()))
  const fetched: Fetched[] = []
  const context = {
    Date: class extends Date {
      static override now = () => NOW.getTime()
    },
    console: { error: () => undefined },
    FormApp: {
      getActiveForm: () => ({ getId: () => '1FAIp', getTitle: () => 'Party', getResponses: () => responses }),
    },
    PropertiesService: {
      getScriptProperties: () => ({
        getProperty: (key: string) => properties.get(key) ?? null,
        setProperty: (key: string, value: string) => void properties.set(key, value),
        deleteProperty: (key: string) => void properties.delete(key),
        getKeys: () => [...properties.keys()],
      }),
    },
    Utilities: {
      Charset: { UTF_8: 'UTF-8' },
      // Bytes of Java have a sign.
      computeHmacSha256Signature: (value: string, key: string, charset: string) => {
        expect(charset).toBe('UTF-8')
        return [...new Int8Array(createHmac('sha256', key).update(value).digest())]
      },
    },
    UrlFetchApp: {
      fetch: (url: string, request: Omit<Fetched, 'url'>) => {
        fetched.push({ url, ...request })
        return { getResponseCode: () => statuses[fetched.length - 1] ?? statuses.at(-1), getContentText: () => '' }
      },
    },
  }
  const script = runInNewContext(`${SCRIPT}; ({ onSubmit, sendWaiting })`, context) as {
    onSubmit(event: object): void
    sendWaiting(): void
  }
  return { script, fetched, waiting: () => [...properties.keys()].filter((key) => key.startsWith('waiting ')) }
}

test('what it sends is believed and stored; what failed waits and is sent again as the same one', async () => {
  const { script, fetched, waiting } = google([503, 200, 200])
  script.onSubmit({ response: RESPONSE })
  expect(waiting()).toEqual(['waiting 2_ABaOnudPqYx'])
  script.sendWaiting()
  expect(waiting()).toEqual([])
  script.sendWaiting()
  expect(fetched).toHaveLength(2)
  await using plugin = await testPlugin({
    dir: import.meta.dirname,
    config: { from: 'google-forms', fields: { name: "What's your name?" } },
    secrets: { secret: SECRET },
    now: NOW,
  })
  const results: unknown[] = []
  for (const { payload, headers } of fetched)
    results.push((await plugin.request('POST /in', { body: payload, headers })).json)
  expect(results).toMatchObject([{ result: 'stored' }, { result: 'duplicate' }])
  expect((await plugin.responses())[0]).toMatchObject({
    submittedAt: '2025-12-24T18:00:00.000Z',
    data: { name: 'Zoë ✓', q_12: 'Yes', q_13: ['Wine'], q_14: 'a, b' },
  })
})

test('what the hub has put into quarantine is not sent for ever', () => {
  const { script, waiting } = google([422])
  script.onSubmit({ response: RESPONSE })
  expect(waiting()).toEqual([])
})

const others = (count: number) => Array.from({ length: count }, (_, n) => ({ ...RESPONSE, getId: () => `r${n}` }))
const sentIds = (fetched: readonly Fetched[]): readonly unknown[] =>
  fetched.map(({ payload }) => (JSON.parse(payload) as { responseId: string }).responseId)

test('responses that somebody deleted hold up no other, and are forgotten after a day', () => {
  const daysAgo = (days: number): Date => new Date(NOW.getTime() - days * 24 * 60 * 60 * 1000)
  // As an older script wrote it, and as this one does.
  const gone = Object.fromEntries(
    Array.from({ length: 60 }, (_, n) => [`gone${n}`, n === 0 ? '1' : daysAgo(2)] as const),
  )
  // It may only not be listed yet.
  const fresh = { just: NOW }
  const { script, fetched, waiting } = google([200], {
    waiting: { ...gone, ...fresh, [RESPONSE.getId()]: daysAgo(0.5) },
  })
  script.sendWaiting()
  expect(sentIds(fetched)).toEqual([RESPONSE.getId()])
  expect(waiting()).toEqual(['waiting just'])
})

test('responses that the hub cannot read hold up no other', () => {
  const since = new Date(NOW.getTime() - 60_000)
  const responses = others(60)
  const { script, fetched, waiting } = google([400], {
    responses,
    waiting: Object.fromEntries(responses.map((response) => [response.getId(), since] as const)),
  })
  script.sendWaiting()
  expect(fetched).toHaveLength(50)
  script.sendWaiting()
  expect(new Set(sentIds(fetched)).size).toBe(60)
  expect(waiting()).toHaveLength(60)
})
