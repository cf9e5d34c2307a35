/** `/api/v2/installations/{id}/kv` and `…/counters`: what its plugin remembers. */
import { z } from '@hono/zod-openapi'
import { HubError } from '../errors.ts'
import { allows } from '../registry/api-keys.ts'
import type { HttpDeps } from './deps.ts'
import { openCursor, pageOf, pageQuery, sealCursor } from './paging.ts'
import { json, readQuery } from './route.ts'
import type { KeyedCall, Route } from './route.ts'

const listQuery = z.object({ prefix: z.string().max(512).default(''), ...pageQuery })
const kvQuery = listQuery.extend({
  values: z.enum(['true', 'false']).default('false').openapi({
    description: 'With the values',
  }),
})
const kvEntry = z.object({
  key: z.string(),
  bytes: z.number().int(),
  value: z.unknown().optional().openapi({ description: 'Where values were asked for' }),
})
const counter = z.object({ name: z.string(), value: z.number() })

type Needs = Pick<HttpDeps, 'registry' | 'store' | 'clock'>

/** Both lists, in order of name. */
export const memoryRoutes = (deps: Needs): Route[] => [
  {
    method: 'GET',
    path: '/api/v2/installations/{id}/kv',
    access: 'deliveries:write',
    doc: {
      tag: 'Installations',
      summary: 'List what its plugin keeps (`ctx.kv`): keys with their sizes, or values',
      description: 'Both may hold answers, such as addresses: the key needs `responses:read`, too.',
      query: kvQuery,
      responses: { 200: { description: 'A page of keys', schema: pageOf(kvEntry) } },
    },
    handler: async (call) => {
      const query = readQuery(call, kvQuery)
      const hasValues = query.values === 'true'
      if (!allows(call.principal, 'responses:read'))
        throw new HubError(
          'forbidden',
          'What a plugin keeps may hold answers: reading it needs the scope responses:read, too.',
        )
      const of = { ...(await owner(deps, call)), nowMs: deps.clock.nowMs() }
      const { keys, next } = await deps.store.kvList({ ...of, ...pageIn(query) })
      const entries = await Promise.all(
        keys.map(async (key) => {
          const text = await deps.store.kvGet({ ...of, key })
          // It went meanwhile.
          if (text === undefined) return []
          const value: unknown = hasValues ? JSON.parse(text) : undefined
          return [{ key, bytes: Buffer.byteLength(text), ...(hasValues ? { value } : {}) }]
        }),
      )
      return json(call, { items: entries.flat(), next_cursor: next === null ? null : sealCursor(next) })
    },
  },
  {
    method: 'GET',
    path: '/api/v2/installations/{id}/counters',
    access: 'deliveries:write',
    doc: {
      tag: 'Installations',
      summary: 'List the counters of its plugin (`ctx.tally`)',
      query: listQuery,
      responses: { 200: { description: 'A page of counters', schema: pageOf(counter) } },
    },
    handler: async (call) => {
      const asked = pageIn(readQuery(call, listQuery))
      const read = { ...(await owner(deps, call)), ...asked, limit: asked.limit + 1 }
      const found = Object.entries(await deps.store.tallies(read))
        .map(([name, value]) => ({ name, value }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      const items = found.slice(0, asked.limit)
      const last = items.at(-1)
      const isEnd = found.length <= asked.limit || last === undefined
      return json(call, { items, next_cursor: isEnd ? null : sealCursor(last.name) })
    },
  },
]

const pageIn = ({ prefix, limit, cursor }: z.output<typeof listQuery>) => ({
  prefix,
  limit,
  after: cursor === undefined ? null : openCursor(cursor),
})

/** Whose memory it is; `not_found` for one that is in the file no more. */
async function owner({ registry }: Needs, call: KeyedCall): Promise<{ workspace: string; installation: string }> {
  const { workspace } = call.principal
  const installation = call.param('id')
  if ((await registry.installations(workspace)).some(({ id }) => id === installation))
    return { workspace, installation }
  throw new HubError('not_found', `There is no installation "${installation.slice(0, 100)}".`)
}
