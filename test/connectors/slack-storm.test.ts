/**
 * Slack in the storm: real survey answers by the thousand to a dozen channels, a double that fails one message in ten in every
 * way it knows, and a hub that is killed every few seconds. At least once: each message is there. At most once: none is
 * there twice. What is not there is a dead letter that says why. And a smaller one through a webhook, whose answers are words.
 */
import { expect, test } from 'vitest'
import { startSlack } from '../../integrations/slack/fake/slack.ts'
import type { Trouble } from '../../integrations/slack/fake/slack.ts'
import { openStorm, SURVEY } from '../support/storm.ts'
import type { DeadLetter, StormEnd } from '../support/storm.ts'

/** Ten thousand by hand (`MANIFOLD_STORM_RESPONSES`): each is a request of its own. A multiple of 100. */
const RESPONSES = Number(process.env['MANIFOLD_STORM_RESPONSES'] ?? 1_000)
const WEBHOOK_RESPONSES = 200
const TOKEN = 'xoxb-of-the-storm'
const CONCURRENCY = 8
const KEY = /\[(r\d+)\]/

/** One in ten; silence is rare, since each costs its place for as long as the hub waits. */
const TROUBLES: readonly Trouble[] = [
  { kind: 'word', word: 'internal_error' },
  { kind: 'word', word: 'service_unavailable' },
  { kind: 'unsure', word: 'fatal_error' },
  { kind: 'status', status: 502 },
  { kind: 'limit', afterS: 1 },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
]
/** What stands before Slack speaks in plain text too, and not in words of Slack. */
const WEBHOOK_TROUBLES: readonly Trouble[] = [
  { kind: 'unsure', word: 'rollup_error' },
  { kind: 'status', status: 502 },
  { kind: 'status', status: 503, text: 'upstream connect error or disconnect/reset before headers' },
  { kind: 'status', status: 504, text: 'timeout' },
  { kind: 'limit', afterS: 1 },
  { kind: 'reset-before' },
  { kind: 'reset-after' },
]
const TROUBLE_SHARE = 0.1
const SILENCE_SHARE = 0.001
/** Slack refuses these for good. */
const isRefused = (key: string): boolean => key.endsWith('77')
/** Of a message alone, and not of the channel that a webhook has. */
const REFUSAL = { api: 'restricted_action', webhook: 'invalid_blocks' } as const

type Via = keyof typeof REFUSAL

function troubleFor(text: string, via: Via): Trouble | null {
  if (isRefused(KEY.exec(text)?.[1] ?? '')) return { kind: 'word', word: REFUSAL[via], messages: ['[ERROR] not here'] }
  const dice = Math.random()
  if (dice < SILENCE_SHARE && via === 'api') return { kind: 'lost' }
  if (dice > TROUBLE_SHARE) return null
  const troubles = via === 'api' ? TROUBLES : WEBHOOK_TROUBLES
  return troubles[Math.floor(Math.random() * troubles.length)] ?? null
}

/** Nobody who gets it knows whether the message was posted. */
const isUnsure = (trouble: Trouble): boolean =>
  trouble.kind !== 'limit' && !(trouble.kind === 'word' && trouble.word !== 'internal_error')

type End = StormEnd & { readonly responses: number; readonly channels: number; readonly unsure: number }

async function storm(delivery: 'at-least-once' | 'at-most-once', via: Via = 'api'): Promise<End> {
  const responses = via === 'api' ? RESPONSES : WEBHOOK_RESPONSES
  // The double is up before the storm; it gets its ledger from it.
  const vendor: { keeps?: (key: string) => void } = {}
  let unsure = 0
  await using slack = await startSlack({
    token: TOKEN,
    trouble: (body) => {
      const trouble = troubleFor(String(body['text']), via)
      if (trouble !== null && isUnsure(trouble)) unsure += 1
      return trouble
    },
    onPosted: ({ text }) => vendor.keeps?.(KEY.exec(text)?.[1] ?? text),
  })
  const door =
    via === 'api' ? { token: TOKEN, channel: 'C-{{data.age}}-{{data.gender}}' } : { webhookUrl: slack.webhookUrl }
  await using blown = await openStorm({
    installation: {
      id: 'slack',
      use: 'slack',
      when: { form: SURVEY },
      pii: true,
      concurrency: CONCURRENCY,
      with: {
        ...door,
        apiUrl: slack.apiUrl,
        text: '[{{data.key}}] {{data.main_dish}} {{data.main_dish_other}}',
        blocks: [
          { type: 'section', text: { type: 'mrkdwn', text: '{{#answers}}*{{label}}*: {{value}}\n{{/answers}}' } },
        ],
        messagesPerS: 200,
        delivery,
      },
      retry: { schedule: ['200ms', '500ms', '1s', '2s', '4s', '4s', '4s'] },
    },
    responses,
    limits: { breakerFailuresMax: 1_000 },
  })
  vendor.keeps = (key) => blown.ledger.received(key)
  const end = await blown.blow()
  return { ...end, responses, channels: new Set(slack.posted.map(({ channel }) => channel)).size, unsure }
}

function addsUp({ kills, account, responses, deadKeys }: End): void {
  expect(kills).toBeGreaterThan(0)
  expect(account).toMatchObject({
    sent: responses,
    acknowledged: responses,
    lost: [],
    invented: [],
    storedTwice: [],
    unaccounted: [],
    idChanged: [],
  })
  // What Slack does not have is dead, and says so.
  expect(account.undelivered.filter((key) => !deadKeys.has(key))).toEqual([])
  for (let n = 77; n < responses; n += 100) expect(deadKeys.has(`r${n}`)).toBe(true)
}

test.each<[Via, string]>([
  ['api', 'Slack answered "restricted_action". [ERROR] not here'],
  ['webhook', 'Slack answered "invalid_blocks".'],
])('at least once (%s): every message is there, or Slack said why not', { timeout: 600_000 }, async (via, said) => {
  const end = await storm('at-least-once', via)
  addsUp(end)
  if (via === 'api') expect(end.channels).toBeGreaterThan(8)
  const refused = end.dead.filter(({ error_code }) => error_code === `slack_${REFUSAL[via]}`)
  expect(refused).toHaveLength(end.responses / 100)
  expect(refused[0]?.error).toBe(said)
  // Eight tries in a row fail for one in a hundred million.
  expect(end.dead).toHaveLength(refused.length)
  expect([...end.deadKeys].sort()).toEqual([...end.account.undelivered].sort())
})

test(
  'at most once: no message is there twice, and what is in doubt is a dead letter',
  { timeout: 600_000 },
  async () => {
    const end = await storm('at-most-once')
    addsUp(end)
    expect(end.channels).toBeGreaterThan(8)
    expect([...end.account.duplicates]).toEqual([])
    const codes = new Set(end.dead.map(({ error_code }) => error_code))
    expect([...codes].sort()).toEqual(['fate_unknown', 'slack_restricted_action'])
    for (const { error, error_code } of end.dead)
      expect(error).toContain(error_code === 'fate_unknown' ? 'may have been posted' : 'restricted_action')
    // In doubt is what Slack left open, or what had been handed on and was not over when the hub was killed.
    const cutOff = end.dead.filter(({ error }) => error?.includes('cut off') === true)
    const wasOpen = (letter: DeadLetter, atMs: number): boolean =>
      Date.parse(letter.created_at) <= atMs && atMs <= Date.parse(letter.finished_at)
    expect(cutOff.filter((letter) => !end.killedAtMs.some((atMs) => wasOpen(letter, atMs)))).toEqual([])
    expect(end.dead.length - cutOff.length).toBeLessThanOrEqual(end.unsure + RESPONSES / 100)
    expect(end.account.undelivered.length).toBeLessThanOrEqual(end.dead.length)
  },
)
