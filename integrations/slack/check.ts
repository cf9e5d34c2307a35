/**
 * Looks at the credential without posting anything: `auth.test` for a token, and a message without content to the one channel
 * that the settings name, which Slack refuses with `no_text`, or with its word for a channel where nobody may post; for a
 * webhook such a message alone, which one that is gone refuses with its own word.
 */
import type { ContextOf, Finding, HttpResponse, Json } from 'manifold/plugin'
import { isElsewhere, judge, NO_WEBHOOK } from './outcomes.ts'
import type { Plugin } from './types.d.ts'

type CheckContext = Pick<ContextOf<Plugin>, 'config' | 'http'>

/** What Slack says of a message without any content when everything else is right. */
const EMPTY_REFUSED = /^(no_text|invalid_payload|missing_text_or_fallback_or_attachments)\b/
/** Replies alone may be posted there, and the messages to come are some. */
const THREAD_ONLY = /"restricted_action_thread_only_channel"/
const SCOPE = 'chat:write'

/** Nothing is posted. */
export async function check({ config, http }: CheckContext): Promise<readonly Finding[]> {
  const { token, channel, webhookUrl, apiUrl, threadTs } = config
  if (token !== undefined) {
    const ask = (method: string, json?: Json) => {
      const url = new URL(method, apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`).href
      const headers = { authorization: ['Bearer ', token] } as const
      return http({ method: 'POST', url, headers, ...(json === undefined ? {} : { json }) })
    }
    const findings = ofToken(await ask('auth.test'))
    const isWell = findings.every(({ level }) => level === 'info')
    // Where a template names the channel each response says which one it is.
    if (!isWell || channel === undefined || channel.includes('{{')) return findings
    // What a template comes to is not known before there is a response.
    const thread = threadTs === undefined || threadTs.includes('{{') ? {} : { thread_ts: threadTs }
    const answer = await ask('chat.postMessage', { channel, ...thread })
    if (threadTs?.includes('{{') === true && THREAD_ONLY.test(answer.body)) return findings
    return [...findings, ...ofChannel(answer, channel)]
  }
  if (webhookUrl === undefined) return [{ level: 'error', message: 'Neither a webhook URL nor a token is set.' }]
  try {
    return ofWebhook(await http({ method: 'POST', url: webhookUrl, json: {} }))
  } catch (error) {
    if (!isElsewhere(error)) throw error
    return [{ level: 'error', message: NO_WEBHOOK, at: '/webhookUrl' }]
  }
}

function ofToken(answer: HttpResponse): readonly Finding[] {
  const { meaning, outcome } = judge(answer, { kind: 'api', hasOneChannel: true })
  if (meaning !== 'posted') {
    const message =
      'message' in outcome ? outcome.message : 'reason' in outcome ? outcome.reason : 'No answer of Slack.'
    return [{ level: meaning === 'busy' || meaning === 'unknown' ? 'warning' : 'error', message, at: '/token' }]
  }
  const { user = 'a bot', team = 'a workspace' } = answer.json() as { user?: string; team?: string }
  const scopes = answer.headers['x-oauth-scopes']?.split(',').map((scope) => scope.trim())
  if (scopes !== undefined && !scopes.includes(SCOPE))
    return [
      {
        level: 'error',
        message: `The token lacks the scope ${SCOPE}; it has ${scopes.join(', ') || 'none'}.`,
        at: '/token',
      },
    ]
  return [{ level: 'info', message: `Posts as ${user} in ${team}.` }]
}

/** What it says of a message without content only: it looked at the channel before, or it did not say. */
function ofChannel(answer: HttpResponse, channel: string): readonly Finding[] {
  const { meaning, outcome } = judge(answer, { kind: 'api', hasOneChannel: true })
  if (meaning === 'dead' && 'code' in outcome && EMPTY_REFUSED.test(outcome.code?.replace(/^slack_/, '') ?? ''))
    return []
  const said = 'message' in outcome ? outcome.message : 'reason' in outcome ? outcome.reason : 'It took no message.'
  const level = meaning === 'refused' || meaning === 'dead' ? 'error' : 'warning'
  return [{ level, message: `The channel ${channel}: ${said}`, at: '/channel' }]
}

function ofWebhook(answer: HttpResponse): readonly Finding[] {
  if (EMPTY_REFUSED.test(answer.body.trim())) return [{ level: 'info', message: 'The webhook answers.' }]
  const { meaning, outcome } = judge(answer, { kind: 'webhook', hasOneChannel: true })
  if (meaning === 'posted')
    return [{ level: 'warning', message: 'This does not answer as a webhook of Slack.', at: '/webhookUrl' }]
  const message = 'message' in outcome ? outcome.message : 'reason' in outcome ? outcome.reason : 'No answer of Slack.'
  return [{ level: meaning === 'busy' || meaning === 'unknown' ? 'warning' : 'error', message, at: '/webhookUrl' }]
}
