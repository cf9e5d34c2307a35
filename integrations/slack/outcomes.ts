/**
 * What Slack's answers mean, as data. `chat.postMessage` answers 200 with `{"ok":false,"error":"..."}`, an incoming webhook
 * with plain text and a status that sources disagree about: both are read by their word, not by their status
 * (docs.slack.dev/reference/methods/chat.postMessage, docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).
 */
import { dead, delivered, retry, unauthorized } from 'manifold/plugin'
import type { FinalOutcome, HttpResponse, Json } from 'manifold/plugin'

/**
 * `busy`: not posted, tried again. `unknown`: may have been posted. `refused`: not posted, and nothing will be until an admin
 * does something. `dead`: not posted, and would not be the next time.
 */
export type Meaning = 'busy' | 'unknown' | 'refused' | 'dead'

/**
 * Words with another meaning than `dead`. `channel`: nobody may post there, which is `refused` where all messages go to one
 * channel, and `dead` where each names its own.
 */
export const MEANINGS: Readonly<Record<string, Meaning | 'channel'>> = {
  ratelimited: 'busy',
  rate_limited: 'busy',
  service_unavailable: 'busy',
  // The request did not arrive whole.
  request_timeout: 'busy',
  // The workspace is being moved into an organisation.
  team_added_to_org: 'busy',
  // "Some aspect of the operation succeeded before the error was raised."
  fatal_error: 'unknown',
  internal_error: 'unknown',
  rollup_error: 'unknown',
  invalid_auth: 'refused',
  not_authed: 'refused',
  token_revoked: 'refused',
  token_expired: 'refused',
  account_inactive: 'refused',
  missing_scope: 'refused',
  not_allowed_token_type: 'refused',
  access_denied: 'refused',
  org_login_required: 'refused',
  invalid_token: 'refused',
  no_service: 'refused',
  no_service_id: 'refused',
  no_active_hooks: 'refused',
  no_team: 'refused',
  team_disabled: 'refused',
  team_access_not_granted: 'refused',
  no_permission: 'refused',
  enterprise_is_restricted: 'refused',
  accesslimited: 'refused',
  two_factor_setup_required: 'refused',
  channel_not_found: 'channel',
  not_in_channel: 'channel',
  is_archived: 'channel',
  channel_is_archived: 'channel',
  ekm_access_denied: 'channel',
  restricted_action: 'channel',
  restricted_action_read_only_channel: 'channel',
  restricted_action_thread_only_channel: 'channel',
  posting_to_general_channel_denied: 'channel',
  action_prohibited: 'channel',
}

/** What an admin may do about the words that are met most often. */
const ADVICE: Readonly<Record<string, string>> = {
  not_in_channel: 'The app is no member of it: write /invite @app in the channel, with the name of your app.',
  channel_not_found:
    'There is no such channel, or it is private and the app no member: take the id (C…) from the foot of its details in Slack, and write /invite @app there, with the name of your app.',
  is_archived: 'Unarchive the channel, or name another one.',
  channel_is_archived: 'Unarchive the channel, or make a webhook for another one.',
  missing_scope: 'Add the scope to the app, install it again, and put its new token into the settings.',
  no_service: 'The webhook was removed or switched off: make another one and put its URL into the settings.',
  restricted_action_thread_only_channel: 'It takes replies alone: set "threadTs", or name another channel.',
  msg_blocks_too_long: 'Shorten the blocks.',
}
const NEW_CREDENTIAL = 'Put a valid token or webhook URL into the settings, then resume the installation.'
const NEW_CHANNEL =
  'Let the app post there, then resume the installation, or put another channel or webhook into the settings.'

const WORD = /^[a-z][a-z0-9_]{2,99}$/

/** What came of a message, and whether it is sure that it was not posted. */
export interface Judged {
  readonly meaning: 'posted' | Meaning
  readonly outcome: FinalOutcome
}

/** What was asked. `webhook` answers plain text; `hasOneChannel`: all messages of the installation go to the same one. */
export interface Asked {
  readonly kind: 'api' | 'webhook'
  readonly hasOneChannel: boolean
}

/** Of an answer that came. */
export function judge(answer: HttpResponse, { kind, hasOneChannel }: Asked): Judged {
  const told = kind === 'api' ? toldByApi(answer) : toldByWebhook(answer)
  if (told === 'posted') return { meaning: 'posted', outcome: delivered(kind === 'api' ? postedAs(answer) : undefined) }
  const { word, details } = told
  const known = answer.status === 429 ? 'busy' : meaningOf(word, answer.status)
  const meaning = known === 'channel' ? (hasOneChannel ? 'refused' : 'dead') : known
  const message = [`Slack answered ${word === null ? String(answer.status) : `"${word}"`}.`, ...details]
    .concat((word === null ? undefined : own(ADVICE, word)) ?? [])
    .join(' ')
  const code = word === null ? `http_${answer.status}` : `slack_${word}`
  const remedy = known === 'channel' ? NEW_CHANNEL : NEW_CREDENTIAL
  return { meaning, outcome: outcomeOf(meaning, { message, code, remedy, answer }) }
}

function outcomeOf(
  meaning: Meaning,
  { message, code, remedy, answer }: { message: string; code: string; remedy: string; answer: HttpResponse },
): FinalOutcome {
  switch (meaning) {
    case 'busy':
      return retry(message, { code, untouched: true, ...retryAfter(answer) })
    case 'unknown':
      return retry(`${message} It may have been posted.`, { code })
    case 'refused':
      return unauthorized(`${message} ${remedy}`, { untouched: true })
    case 'dead':
      return dead(code, message, { untouched: true })
    default: {
      const never: never = meaning
      throw new Error(`Unknown meaning ${String(never)}`)
    }
  }
}

/** Without a word that is known somebody between may have answered: after Slack did it, if it is no refusal. */
function meaningOf(word: string | null, status: number): Meaning | 'channel' {
  const known = word === null ? undefined : own(MEANINGS, word)
  if (known !== undefined) return known
  const isOpen = status === 408 || status >= 500 || (word === null && status < 300)
  return isOpen ? 'unknown' : 'dead'
}

/** A word of Slack may be the name of something that every object has. */
const own = <T>(table: Readonly<Record<string, T>>, word: string): T | undefined =>
  Object.hasOwn(table, word) ? table[word] : undefined

type Told = 'posted' | { readonly word: string | null; readonly details: readonly string[] }

function toldByApi(answer: HttpResponse): Told {
  const body = parsed(answer)
  if (body === null) return { word: null, details: ['The answer is not JSON of Slack.'] }
  if (body['ok'] === true) return 'posted'
  const word = typeof body['error'] === 'string' && WORD.test(body['error']) ? body['error'] : null
  const metadata = body['response_metadata']
  const messages = isFields(metadata) && Array.isArray(metadata['messages']) ? (metadata['messages'] as Json[]) : []
  const needed = typeof body['needed'] === 'string' ? [`It needs the scope ${body['needed']}.`] : []
  const errors = Array.isArray(body['errors']) ? (body['errors'] as Json[]) : []
  return { word, details: [...needed, ...[...messages, ...errors].filter((text) => typeof text === 'string')] }
}

function toldByWebhook({ status, body }: HttpResponse): Told {
  const text = body.trim()
  if (status >= 200 && status < 300 && text === 'ok') return 'posted'
  // Slack says the word and nothing else; in the words of a proxy the first one means nothing.
  return WORD.test(text) ? { word: text, details: [] } : { word: null, details: [text.slice(0, 500)].filter(Boolean) }
}

function postedAs(answer: HttpResponse): Json {
  const { channel = null, ts = null } = parsed(answer) ?? {}
  return { channel, ts }
}

function parsed(answer: HttpResponse): { readonly [name: string]: Json } | null {
  try {
    const body = answer.json()
    return isFields(body) ? body : null
  } catch {
    return null
  }
}

/** Seconds, as Slack sends them (docs.slack.dev/apis/web-api/rate-limits). */
function retryAfter({ headers }: HttpResponse): { afterMs?: number } {
  const text = headers['retry-after']?.trim() ?? ''
  return /^\d{1,6}$/.test(text) ? { afterMs: Number(text) * 1_000 } : {}
}

const isFields = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What is said of a webhook that leads where nothing may be sent. The plugin never sees the URL. */
export const NO_WEBHOOK =
  'webhookUrl is none of Slack: it begins with https://hooks.slack.com/ (GovSlack: https://hooks.slack-gov.com/).'

/** The hub did not ask it: it is no host of the manifest, or no URL. */
export const isElsewhere = (error: unknown): boolean =>
  ['capability_denied', 'http_refused_url'].includes(String((error as { code?: unknown }).code))
