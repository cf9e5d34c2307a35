/** Every word of Slack, and every answer without one: what becomes of the message. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { HttpResponse } from 'manifold/plugin'
import { judge, MEANINGS } from './outcomes.ts'
import type { Asked } from './outcomes.ts'

const answer = (status: number, body: string, headers: Record<string, string> = {}): HttpResponse => ({
  status,
  headers,
  body,
  truncated: false,
  json: () => JSON.parse(body) as never,
})
const API = { kind: 'api', hasOneChannel: false } as const
const WEBHOOK = { kind: 'webhook', hasOneChannel: true } as const
const word = (error: string, more: object = {}, asked: Asked = API) =>
  judge(answer(200, JSON.stringify({ ok: false, error, ...more })), asked)
const text = (body: string, status = 400) => judge(answer(status, body), WEBHOOK)

const BUSY = ['ratelimited', 'rate_limited', 'service_unavailable', 'request_timeout', 'team_added_to_org']
const UNKNOWN = ['fatal_error', 'internal_error', 'rollup_error']
const REFUSED_BY_API = [
  'invalid_auth',
  'not_authed',
  'token_revoked',
  'token_expired',
  'account_inactive',
  'missing_scope',
  'not_allowed_token_type',
  'access_denied',
  'org_login_required',
  'team_access_not_granted',
  'no_permission',
  'enterprise_is_restricted',
  'accesslimited',
  'two_factor_setup_required',
]
const REFUSED_BY_WEBHOOK = [
  'invalid_token',
  'no_service',
  'no_service_id',
  'no_active_hooks',
  'no_team',
  'team_disabled',
]
const OF_A_CHANNEL = [
  'channel_not_found',
  'not_in_channel',
  'is_archived',
  'channel_is_archived',
  'ekm_access_denied',
  'restricted_action',
  'restricted_action_read_only_channel',
  'restricted_action_thread_only_channel',
  'posting_to_general_channel_denied',
  'action_prohibited',
]
const DEAD_BY_API = [
  'msg_too_long',
  'msg_blocks_too_long',
  'no_text',
  'invalid_blocks',
  'invalid_blocks_format',
  'message_limit_exceeded',
  'metadata_too_large',
  'a_word_of_tomorrow',
]
const DEAD_BY_WEBHOOK = ['invalid_payload', 'user_not_found', 'no_text', 'too_many_attachments', 'invalid_blocks']

test('the table has no word that this test does not know', () => {
  expect(Object.keys(MEANINGS).sort()).toEqual(
    [...BUSY, ...UNKNOWN, ...REFUSED_BY_API, ...REFUSED_BY_WEBHOOK, ...OF_A_CHANNEL].sort(),
  )
})

test.each(BUSY)('%s: not posted, tried again', (error) => {
  expect(word(error)).toMatchObject({ meaning: 'busy', outcome: { outcome: 'retry', code: `slack_${error}` } })
})

test.each(UNKNOWN)('%s: may have been posted', (error) => {
  expect(word(error)).toMatchObject({
    meaning: 'unknown',
    outcome: {
      outcome: 'retry',
      code: `slack_${error}`,
      reason: `Slack answered "${error}". It may have been posted.`,
    },
  })
})

test.each(REFUSED_BY_API)('%s: the credential is not accepted', (error) => {
  expect(word(error)).toMatchObject({ meaning: 'refused', outcome: { outcome: 'unauthorized' } })
})

test.each(REFUSED_BY_WEBHOOK)('%s of a webhook, whatever the status', (error) => {
  for (const status of [400, 403, 404]) {
    expect(text(error, status)).toMatchObject({
      meaning: 'refused',
      outcome: { outcome: 'unauthorized', message: expect.stringContaining(`Slack answered "${error}".`) },
    })
  }
})

test.each(OF_A_CHANNEL)('%s: of one message where each names its channel, of all where the settings do', (error) => {
  expect(word(error)).toMatchObject({ meaning: 'dead', outcome: { outcome: 'dead', code: `slack_${error}` } })
  for (const stopped of [word(error, {}, { kind: 'api', hasOneChannel: true }), text(error, 404), text(error, 410)])
    expect(stopped).toMatchObject({
      meaning: 'refused',
      outcome: { outcome: 'unauthorized', message: expect.stringMatching(`"${error}".*another channel or webhook`) },
    })
})

test.each(DEAD_BY_API)('%s: a dead letter with the word', (error) => {
  expect(word(error)).toMatchObject({ meaning: 'dead', outcome: { outcome: 'dead', code: `slack_${error}` } })
})

test.each(DEAD_BY_WEBHOOK)('%s of a webhook: a dead letter with the word', (error) => {
  for (const status of [400, 403, 404, 410]) {
    expect(text(error, status)).toMatchObject({
      meaning: 'dead',
      outcome: { outcome: 'dead', code: `slack_${error}`, message: expect.stringContaining(`"${error}"`) },
    })
  }
})

test('posted', () => {
  expect(judge(answer(200, '{"ok":true,"channel":"C1","ts":"1.2"}'), API)).toEqual({
    meaning: 'posted',
    outcome: { outcome: 'delivered', detail: { channel: 'C1', ts: '1.2' } },
  })
  expect(text('ok', 200)).toEqual({ meaning: 'posted', outcome: { outcome: 'delivered' } })
})

test('429 waits as long as Slack says', () => {
  for (const asked of [API, WEBHOOK]) {
    const body = asked.kind === 'api' ? '{"ok":false,"error":"ratelimited"}' : 'rate_limited'
    expect(judge(answer(429, body, { 'retry-after': '30' }), asked)).toMatchObject({
      meaning: 'busy',
      outcome: { outcome: 'retry', afterMs: 30_000 },
    })
    expect(judge(answer(429, '<html>', { 'retry-after': 'soon' }), asked).outcome).not.toHaveProperty('afterMs')
  }
})

test.each([
  [500, 'unknown'],
  [502, 'unknown'],
  [503, 'unknown'],
  [504, 'unknown'],
  [408, 'unknown'],
  // A page of somebody between says nothing of Slack.
  [200, 'unknown'],
  [302, 'dead'],
  [403, 'dead'],
])('%i without a word of Slack: %s', (status, meaning) => {
  for (const asked of [API, WEBHOOK])
    expect(judge(answer(status, '<html>upstream</html>'), asked).meaning).toBe(meaning)
})

test.each([
  [503, 'upstream connect error or disconnect/reset before headers. reset reason: connection failure'],
  [503, 'service unavailable'],
  [503, 'unavailable'],
  [502, 'bad_gateway'],
  [500, 'internal server error'],
  [504, 'stream timeout'],
  [408, 'request timeout'],
])('%i "%s" of somebody between is no word of Slack: it may have been posted', (status, body) => {
  for (const got of [text(body, status), judge(answer(status, JSON.stringify({ error: body })), API)])
    expect(got).toMatchObject({ meaning: 'unknown', outcome: { outcome: 'retry' } })
})

test('a word that nobody knows at a status that says "not now" leaves open what came of it', () => {
  for (const status of [408, 500, 502, 503]) {
    expect(judge(answer(status, '{"ok":false,"error":"a_word_of_tomorrow"}'), API)).toMatchObject({
      meaning: 'unknown',
      outcome: { outcome: 'retry', code: 'slack_a_word_of_tomorrow' },
    })
    expect(judge(answer(status, '{"ok":false,"error":"invalid_auth"}'), API).meaning).toBe('refused')
  }
})

test('what a webhook says beside a word is no word, but told', () => {
  expect(text('invalid request: what is this', 400)).toMatchObject({
    meaning: 'dead',
    outcome: { code: 'http_400', message: 'Slack answered 400. invalid request: what is this' },
  })
})

test('a word that every object knows is one that Slack does not', () => {
  expect(word('constructor')).toMatchObject({ meaning: 'dead', outcome: { code: 'slack_constructor' } })
})

test("Slack's explanations are in the message", () => {
  const explained = word('invalid_blocks', {
    response_metadata: { messages: ['[ERROR] missing required field: type'] },
  })
  expect(explained.outcome).toMatchObject({
    message: 'Slack answered "invalid_blocks". [ERROR] missing required field: type',
  })
  expect(word('missing_scope', { needed: 'chat:write', provided: 'users:read' }).outcome).toMatchObject({
    message: expect.stringContaining('It needs the scope chat:write.'),
  })
  expect(word('not_in_channel').outcome).toMatchObject({ message: expect.stringContaining('/invite') })
})

test('the README says of each word of the table what happens', () => {
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  expect(Object.keys(MEANINGS).filter((each) => !readme.includes(`\`${each}\``))).toEqual([])
})
