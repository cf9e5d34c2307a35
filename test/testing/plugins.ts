/** Plugins as files, for tests of the test kit. */

/** Texts by path: a manifest with the usual fields filled in, and the code. */
export const pluginFiles = (manifest: object, code: string): Readonly<Record<string, string>> => ({
  'plugin.json': JSON.stringify({
    id: 'probe',
    name: 'Probe',
    version: '1.0.0',
    hub: '^1.0',
    main: 'index.ts',
    ...manifest,
  }),
  'index.ts': code,
})

/** Uses one of everything, and behaves. */
export const PROBE = pluginFiles(
  {
    on: { 'response.submitted': { data: ['data', 'form'] } },
    actions: { post: {}, note: { data: ['data'], batch: { max: 3, waitMs: 500 } } },
    schedules: { hourly: { cron: '0 * * * *' } },
    routes: { 'GET /seen': {} },
    permissions: { http: { hosts: ['@config.url'] }, kv: true, emit: true },
    config: {
      type: 'object',
      properties: {
        url: { type: 'string', format: 'uri' },
        token: { type: 'string', format: 'secret' },
        greeting: { type: 'string', default: 'Hello' },
      },
      required: ['url'],
      additionalProperties: false,
    },
  },
  `import { definePlugin, send } from 'manifold/plugin'
export default definePlugin<{ url: string; greeting: string; token: { $secret: string } }>({
  on: {
    'response.submitted': async (event, ctx) => {
      if (event.data?.name === 'trouble') throw new Error('met trouble')
      const seen = Number((await ctx.kv.get('seen')) ?? 0) + 1
      ctx.kv.set('seen', seen)
      ctx.tally('answers')
      ctx.emit('seen', { seen })
      ctx.metric('greeted')
      ctx.log.info('greeting ' + String(event.data?.name))
      ctx.enqueue('post', { text: ctx.config.greeting + ' ' + String(event.data?.name), at: new Date().toISOString() }, { key: event.id })
    },
  },
  actions: {
    post: {
      run: ([item], ctx) => {
        ctx.log.info('posting with Bearer s3cret-token')
        return send({
          method: 'POST',
          url: ctx.config.url,
          headers: { 'idempotency-key': item!.delivery.id, authorization: ['Bearer ', ctx.config.token], signature: { $hmac: { key: ctx.config.token, alg: 'sha256', data: [{ $body: true }], encoding: 'hex' } } },
          json: item!.input,
        })
      },
    },
    note: { run: async (items, ctx) => { ctx.tally('batches'); ctx.tally('noted', items.length); ctx.log.info(items.map((item) => String(item.event?.data?.name)).join()) } },
  },
  schedules: { hourly: (tick, ctx) => { ctx.tally('ticks'); ctx.enqueue('note', tick.at); ctx.enqueue('note', tick.missed) } },
  routes: { 'GET /seen': async (req, ctx) => ({ json: { seen: (await ctx.kv.get('seen')) ?? 0, who: req.query.who ?? null, now: Date.now() } }) },
})
`,
)
