/** `manifold dashboard link`: a link that opens the dashboard once, for whoever has a key or sits at the hub's machine. */
import type { Run } from './call.ts'
import { connect } from './hub-client.ts'
import type { HubClient } from './hub-client.ts'
import { sessionLink } from './rows.ts'

export const link: Run = async (call) => {
  const made = await makeLink(connect(call))
  if (call.options['json']) return call.terminal.json(made)
  call.terminal.line(made.url)
  call.terminal.say(`It works once, until ${made.expires_at}, and opens what the key it was made with may do.`)
}

/** A new link to this hub. */
export async function makeLink(hub: HubClient): Promise<{ readonly url: string; readonly expires_at: string }> {
  const { token, expires_at: expiresAt } = await hub.request('POST', '/api/v2/sessions/links', { as: sessionLink })
  return { url: `${hub.url}/sign-in/${token}`, expires_at: expiresAt }
}
