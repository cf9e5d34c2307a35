/**
 * Many responses in one object. A batch may be another one the next time it is tried, so nothing is written from a batch:
 * it only decides, inside the hub, which responses go together, and enqueues one `put` for them in the same transaction
 * that ends its own deliveries. The `put` is a delivery of its own: its id names the object, so that a repeat overwrites it.
 */
import { delivered, definePlugin, send } from 'manifold/plugin'
import type { Context } from 'manifold/plugin'
import type { Plugin } from './types.d.ts'

/** A request may have a mebibyte. */
const OBJECT_BYTES_MAX = 1_000_000

/** One line each, and the ids of those that do not fit with them. Read only now: what was deleted meanwhile is not archived. */
async function read(
  ids: readonly string[],
  { responses }: Pick<Context, 'responses'>,
): Promise<{ readonly lines: readonly string[]; readonly left: readonly string[] }> {
  const lines: string[] = []
  let bytes = 0
  for (const [n, id] of ids.entries()) {
    const response = await responses.get(id)
    if (response === undefined) continue
    const line = `${JSON.stringify(response)}\n`
    bytes += new TextEncoder().encode(line).length
    // One that is too large by itself goes alone, and fails alone.
    if (bytes > OBJECT_BYTES_MAX && lines.length > 0) return { lines, left: ids.slice(n) }
    lines.push(line)
  }
  return { lines, left: [] }
}

export default definePlugin<Plugin>({
  actions: {
    collect: {
      run: (items, ctx) => {
        const responses = items.flatMap(({ event }) => event?.response?.id ?? [])
        if (responses.length > 0) ctx.enqueue('put', { responses })
      },
    },
    put: {
      run: async ([item], ctx) => {
        if (item === undefined) return
        const { url, token } = ctx.config
        const { lines, left } = await read(item.input?.responses ?? [], ctx)
        if (lines.length === 0) return delivered({ lines: 0 })
        if (left.length > 0) {
          // Both halves are deliveries of their own: an object never has other lines than when it was written first.
          const fit = (item.input?.responses ?? []).slice(0, -left.length)
          ctx.enqueue('put', { responses: fit }, { key: `${item.delivery.id}/fit` })
          ctx.enqueue('put', { responses: left }, { key: `${item.delivery.id}/left` })
          return delivered({ split: true })
        }
        const day = item.delivery.createdAt.slice(0, 10).replaceAll('-', '/')
        return send({
          method: 'PUT',
          url: `${url}${day}/${item.delivery.id}.ndjson`,
          headers: {
            'content-type': 'application/x-ndjson',
            ...(token === undefined ? {} : { authorization: ['Bearer ', token] }),
          },
          body: lines.join(''),
        })
      },
    },
  },
})
