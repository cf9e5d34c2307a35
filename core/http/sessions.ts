/** `/api/v2/sessions`: short-lived keys for people who look at the dashboard, opened with a key or a link that works once. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { openSessions } from '../registry/sessions.ts'
import type { Opened } from '../registry/sessions.ts'
import { readJson } from './body.ts'
import type { HttpDeps } from './deps.ts'
import { json, noContent, readBodyAs } from './route.ts'
import type { Route } from './route.ts'

const openedSchema = z
  .object({
    token: z.string().openapi({ description: 'In this answer and nowhere else' }),
    expires_at: z.string(),
  })
  .openapi('Session')
const followBody = z.strictObject({ link: z.string().min(1).max(200) })

const openedWire = ({ token, expiresAt }: Opened): z.output<typeof openedSchema> => ({ token, expires_at: expiresAt })

/** Every route of sessions. */
export function sessionRoutes(deps: Pick<HttpDeps, 'store' | 'clock' | 'keys' | 'limits'>): Route[] {
  const sessions = openSessions(deps)
  return [
    {
      method: 'POST',
      path: '/api/v2/sessions',
      access: 'any-key',
      doc: {
        tag: 'Keys',
        summary: 'Open a session',
        description:
          'For a person in front of the dashboard: it may do what this key may, for twelve hours at most, and ends with it.',
        responses: { 201: { description: 'The session', schema: openedSchema } },
      },
      handler: async (call) => json(call, openedWire(await sessions.open(call.principal)), { status: 201 }),
    },
    {
      method: 'POST',
      path: '/api/v2/sessions/links',
      access: 'any-key',
      doc: {
        tag: 'Keys',
        summary: 'Make a link that opens a session once',
        description: 'Good for ten minutes, at `/sign-in/{token}`. Whoever follows it may do what this key may.',
        responses: { 201: { description: 'The token of the link', schema: openedSchema } },
      },
      handler: async (call) => json(call, openedWire(await sessions.link(call.principal)), { status: 201 }),
    },
    {
      method: 'POST',
      path: '/api/v2/sessions/follow',
      access: 'stranger',
      doc: {
        tag: 'Keys',
        summary: 'Open the session of a link',
        body: { schema: followBody, example: { link: 'mfl_…' } },
        responses: { 201: { description: 'The session', schema: openedSchema } },
      },
      handler: async (call) => {
        const { body } = await readJson(call.incoming, deps.limits)
        const opened = await sessions.follow(readBodyAs(body, followBody).link)
        if (opened === null)
          throw new HubError('unauthorized', 'This link was used already, or is older than ten minutes. Make another.')
        return json(call, openedWire(opened), { status: 201 })
      },
    },
    {
      method: 'DELETE',
      path: '/api/v2/sessions/current',
      access: 'any-key',
      doc: {
        tag: 'Keys',
        summary: 'End the session that asks',
        responses: { 204: { description: 'It has ended' } },
      },
      handler: async (call) => {
        const { sessionId = null, workspace } = call.principal
        if (sessionId === null) throw new HubError('conflict', 'This is a key, not a session: it is revoked by its id.')
        await deps.keys.revoke(workspace, sessionId)
        return noContent(call)
      },
    },
  ]
}
