/**
 * Many responses in one object. A batch may be another one the next time it is tried, so nothing is written from a batch:
 * it only decides, inside the hub, which responses go together, and enqueues one `put` for them in the same transaction
 * that ends its own deliveries. The `put` is a delivery of its own: its id names the object, so that a repeat overwrites it.
 */
import { delivered, definePlugin, send } from 'manifold/plugin'
import type { Plugin } from './types.d.ts'

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
        const found = await Promise.all((item.input?.responses ?? []).map((id) => ctx.responses.get(id)))
        // Read only now: what was deleted meanwhile is not archived.
        const lines = found.flatMap((response) => (response === undefined ? [] : [`${JSON.stringify(response)}\n`]))
        if (lines.length === 0) return delivered({ lines: 0 })
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
