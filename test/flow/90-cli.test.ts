/** Last stop: the same hub from the command line. Every verb that reads speaks JSON on stdout. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { manifold } from '../support/cli.ts'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'

let receiver: Receiver
let hub: Hub
beforeAll(async () => {
  receiver = await startReceiver(({ path }) => ({ status: path === '/down' ? 500 : 200 }))
  const installations = [
    hook('fine', `${receiver.url}/fine`, { when: { form: DECK } }),
    hook('down', `${receiver.url}/down`, { when: { form: DECK }, retry: { schedule: [] } }),
    // Handlers alone: it makes no deliveries.
    { id: 'counts', use: 'hello', when: { form: DECK } },
  ]
  const forms = { quiet: { name: 'Quiet', fields: [{ key: 'key', type: 'text' }] } }
  hub = await startHub({ config: sceneConfig({ installations, forms }) })
  for (const key of ['a', 'b']) await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })
  await settled(hub)
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const read = async (...args: string[]): Promise<unknown> => {
  const result = await manifold(hub, [...args, '--json'])
  expect(result.code, `${args.join(' ')}: ${result.stderr}`).toBe(0)
  return result.json<unknown>()
}
/** Lists come bare or as the API's page. */
const rows = (value: unknown): readonly Record<string, unknown>[] =>
  (Array.isArray(value) ? value : (value as { items: unknown[] }).items) as readonly Record<string, unknown>[]

describe('reading', () => {
  test('status, doctor and config', async () => {
    const status = (await manifold(hub, ['status'])).stdout
    const [heading = '', ...lines] = status.split('\n').filter((line) => /^(INSTALLATION|counts) /.test(line))
    // What only handles events has run, and when it last did so well.
    const values = lines[0]?.split(/ {2,}/) ?? []
    const cells = Object.fromEntries(heading.split(/ {2,}/).map((name, n) => [name, values[n]]))
    expect(cells).toMatchObject({ DELIVERED: '0', 'LAST SUCCESS': expect.stringMatching(/^\d{4}-/) })
    // A run that read what another of its batch wrote is made again, and was a run as well.
    expect(Number(cells['RUNS'])).toBeGreaterThanOrEqual(2)
    expect(JSON.stringify(await read('status'))).toContain('"fine"')
    expect(await read('doctor')).toBeTypeOf('object')
    expect(await read('config', 'check')).toBeTypeOf('object')
    const schema = await manifold(hub, ['config', 'schema'])
    expect(schema.json()).toHaveProperty('$schema')
    const printed = await manifold(hub, ['config', 'print', '--redacted'])
    expect(printed.code, printed.stderr).toBe(0)
    expect(printed.stdout).toContain('webhooks')
    expect(printed.stdout).not.toContain('whsec_')
  })

  test('deliveries and dead letters', async () => {
    expect(rows(await read('deliveries'))).toHaveLength(4)
    expect(rows(await read('deliveries', '--installation', 'fine')).map(({ state }) => state)).toEqual([
      'delivered',
      'delivered',
    ])
    // A response that nobody did anything with has none; one that there is not is told.
    const unwatched = await hub.api<{ id: string }>('POST', '/api/v2/forms/quiet/responses', { data: { key: 'q' } })
    expect(rows(await read('deliveries', '--response', unwatched.body.id))).toEqual([])
    for (const verb of ['deliveries', 'runs']) {
      const unknown = await manifold(hub, [verb, '--response', 'rsp_none'])
      expect([unknown.code, unknown.stdout]).toEqual([1, ''])
      expect(unknown.stderr).toContain('There is no response "rsp_none".')
    }
    expect(rows(await read('dead-letters')).map(({ installation }) => installation)).toEqual(['down', 'down'])
  })

  test('plugins and keys', async () => {
    expect(rows(await read('plugin', 'list')).map(({ id }) => id)).toContain('webhooks')
    expect(JSON.stringify(await read('plugin', 'info', 'webhooks'))).toContain('"send"')
    const made = await manifold(hub, ['keys', 'create', '--name', 'tour', '--scope', 'forms:read', '--json'])
    expect(made.code, made.stderr).toBe(0)
    const { key, id } = made.json<{ key: string; id: string }>()
    expect((await hub.api('GET', '/api/v2/forms', undefined, { key })).status).toBe(200)
    expect((await hub.api('GET', '/api/v2/deliveries', undefined, { key })).status).toBe(403)
    const list = await manifold(hub, ['keys', 'list', '--json'])
    expect(list.stdout).toContain(id)
    expect(list.stdout).not.toContain(key)
    expect((await manifold(hub, ['keys', 'revoke', id])).code).toBe(0)
    expect((await hub.api('GET', '/api/v2/forms', undefined, { key })).status).toBe(401)
  })
})

describe('doing', () => {
  test('send posts a response; replay counts dry and then sends', async () => {
    const sent = await manifold(hub, ['send', DECK, '--answers', '{"key":"from-cli"}', '--json'])
    expect(sent.code, sent.stderr).toBe(0)
    expect(sent.json()['id']).toMatch(/^rsp_/)
    await settled(hub)
    expect(receiver.requests.some((request) => request.path === '/fine' && request.json()['key'] === 'from-cli')).toBe(
      true,
    )

    const dry = await manifold(hub, [
      'replay',
      '--since',
      '2020-01-01',
      '--installation',
      'down',
      '--dry-run',
      '--json',
    ])
    expect(dry.json()).toMatchObject({ matched: 3, replayed: 0 })
    receiver.respond({ status: 200 })
    const real = await manifold(hub, ['replay', '--since', '2020-01-01', '--installation', 'down', '--json'])
    expect(real.code, real.stderr).toBe(0)
    await settled(hub)
    expect(rows(await read('dead-letters'))).toHaveLength(0)
  })

  test('a mistake ends with a message on stderr, nothing on stdout and a code that is not zero', async () => {
    const unknown = await manifold(hub, ['no-such-verb'])
    expect(unknown.code).not.toBe(0)
    expect(unknown.stdout).toBe('')
    expect(unknown.stderr).toContain('no-such-verb')
    expect(unknown.stderr).not.toMatch(/\n\s+at /)
    const nobody = await manifold(null, ['status', '--url', 'http://127.0.0.1:9'])
    expect(nobody.code).not.toBe(0)
    expect(nobody.stderr).not.toMatch(/\n\s+at /)
  })

  test('send says which answers are to no question of the form', async () => {
    const slip = await manifold(hub, ['send', DECK, 'key=a-slip', 'kye=b'])
    expect([slip.code, slip.stdout]).toEqual([0, expect.stringMatching(/^rsp_/)])
    expect(slip.stderr).toContain('No field of the form: kye; there are: key.')
  })
})
