/**
 * Looks at the credential without posting anything: `auth.test` for a token; for a webhook a message without text, which a
 * webhook that works refuses with `no_text` and one that is gone with its own word.
 */
import type { ContextOf, Finding, HttpResponse } from 'manifold/plugin'
import { judge } from './outcomes.ts'
import type { Plugin } from './types.d.ts'

type CheckContext = Pick<ContextOf<Plugin>, 'config' | 'http'>

/** What Slack says of a message without any content when everything else is right. */
const EMPTY_REFUSED = /^(no_text|invalid_payload|missing_text_or_fallback_or_attachments)\b/
const SCOPE = 'chat:write'

/** Nothing is posted. */
export async function check({ config, http }: CheckContext): Promise<readonly Finding[]> {
  const { token, webhookUrl, apiUrl } = config
  if (token !== undefined) {
    const url = new URL('auth.test', apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`).href
    return ofToken(await http({ method: 'POST', url, headers: { authorization: ['Bearer ', token] } }))
  }
  if (webhookUrl === undefined) return [{ level: 'error', message: 'Neither a webhook URL nor a token is set.' }]
  return ofWebhook(await http({ method: 'POST', url: webhookUrl, json: {} }))
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

function ofWebhook(answer: HttpResponse): readonly Finding[] {
  if (EMPTY_REFUSED.test(answer.body.trim())) return [{ level: 'info', message: 'The webhook answers.' }]
  const { meaning, outcome } = judge(answer, { kind: 'webhook', hasOneChannel: true })
  if (meaning === 'posted')
    return [{ level: 'warning', message: 'This does not answer as a webhook of Slack.', at: '/webhookUrl' }]
  const message = 'message' in outcome ? outcome.message : 'reason' in outcome ? outcome.reason : 'No answer of Slack.'
  return [{ level: meaning === 'busy' || meaning === 'unknown' ? 'warning' : 'error', message, at: '/webhookUrl' }]
}
