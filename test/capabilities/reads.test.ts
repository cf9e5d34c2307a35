/** What a run may read: its own installation's memory and its workspace's responses, less what is private. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { newId } from '../../core/ids.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Form } from '../../core/model.ts'
import { openRunBench, type Setup } from './run-bench.ts'

const bench = await openRunBench()
afterAll(bench.close)
const { store, open } = bench

describe('reads', () => {
  const form = (id: string): Form => ({
    id,
    workspace: 'default',
    version: 1,
    managedBy: 'api',
    createdAt: '',
    updatedAt: '',
    name: id,
    fields: [
      { key: 'email', label: 'E-mail', type: 'email', required: false, pii: true, options: [] },
      { key: 'note', label: 'Note', type: 'text', required: false, pii: false, options: [] },
    ],
    access: 'public',
    unknownFields: 'keep',
    redirectUrl: null,
    honeypotField: 'website',
  })
  const view = { form: form('f'), piiKeys: ['email', 'phone'] }
  const data = { email: 'ada@example.com', phone: '1', note: 'hi' }
  const ids = { default: '', other: '' }

  beforeAll(async () => {
    for (const workspace of ['default', 'other'] as const) {
      await store.saveForm({
        workspace,
        id: 'f',
        definition: form('f'),
        managedBy: 'api',
        at: new Date().toISOString(),
        eventId: newId('event'),
        mode: 'create',
      })
      ids[workspace] = newId('response')
      await store.accept([
        {
          workspace,
          responseId: ids[workspace],
          formId: 'f',
          formVersion: 1,
          status: 'completed',
          data: JSON.stringify(data),
          meta: '{}',
          clientId: null,
          startedAt: null,
          at: new Date().toISOString(),
          eventId: newId('event'),
          idempotency: null,
        },
      ])
    }
  })

  const reader = (rest: Setup = {}) => open({ permissions: { responses: true }, formOf: () => view, ...rest })

  test('responses without what is private, unless granted', async () => {
    const get = async (setup: Setup) =>
      ((await reader(setup).call('responses.get', { id: ids.default })) as { data: unknown }).data
    expect(await get({})).toEqual({ note: 'hi' })
    expect(await get({ pii: ['phone'] })).toEqual({ phone: '1', note: 'hi' })
    expect(await get({ pii: true })).toEqual(data)
    expect(await get({ formOf: () => undefined })).toEqual({})
    const list = (await reader().call('responses.list', { form: 'f', limit: 1 })) as {
      items: { id: string; data: unknown }[]
    }
    expect(list.items.map(({ id, data: seen }) => [id, seen])).toEqual([[ids.default, { note: 'hi' }]])
  })

  test('nothing of another workspace', async () => {
    expect(await reader().call('responses.get', { id: ids.other })).toBeUndefined()
    expect(await reader({ workspace: 'other' }).call('responses.get', { id: ids.default })).toBeUndefined()
    const list = (await reader().call('responses.list', {})) as { items: { id: string }[] }
    expect(list.items.map(({ id }) => id)).toEqual([ids.default])
  })

  test('kv and tallies of this installation', async () => {
    const at = new Date().toISOString()
    await store.syncInstallations([
      { workspace: 'default', id: 'probe', plugin: 'probe', cursor: 0, at },
      { workspace: 'other', id: 'probe', plugin: 'probe', cursor: 0, at },
    ])
    const effects = {
      deliveries: [],
      events: [],
      kv: [{ key: 'a/1', value: '{"x":1}', expiresAtMs: null }],
      tallies: [
        { name: 'n', by: 2 },
        { name: 'o', by: 3 },
      ],
    }
    const handled = await store.commitHandled({
      workspace: 'default',
      installation: 'probe',
      plugin: 'probe',
      fromCursor: 0,
      toCursor: 1,
      effects,
    })
    expect(handled.kind).toBe('committed')
    const mine = open({ permissions: { kv: true } })
    expect(await mine.call('kv.get', { key: 'a/1' })).toEqual({ x: 1 })
    expect(await mine.call('kv.get', { key: 'a/2' })).toBeUndefined()
    expect(await mine.call('kv.list', { prefix: 'a/' })).toEqual({ keys: ['a/1'], next: null })
    expect(await mine.call('tallies', { prefix: '' })).toEqual({ n: 2, o: 3 })
    expect(await mine.call('tallies', { prefix: '', after: 'n' })).toEqual({ o: 3 })
    const foreign = open({ permissions: { kv: true }, workspace: 'other' })
    expect(await foreign.call('kv.get', { key: 'a/1' })).toBeUndefined()
    expect(await foreign.call('tallies', {})).toEqual({})
  })

  test('nothing without the permission, nothing with odd arguments', async () => {
    for (const [name, args] of [
      ['kv.get', { key: 'a' }],
      ['kv.list', {}],
      ['responses.get', { id: 'a' }],
      ['responses.list', {}],
    ] as const) {
      await expect(open().call(name, args)).rejects.toMatchObject({ code: 'capability_denied' })
    }
    const all = open({ permissions: { kv: true, responses: true } })
    for (const [name, args] of [
      ['kv.get', {}],
      ['kv.get', { key: 7 }],
      ['kv.get', { key: 'x'.repeat(LIMITS.pluginKvKeyCharsMax + 1) }],
      ['kv.get', [1, 2, 3]],
      ['responses.get', { id: { $gt: '' } }],
      ['responses.list', { since: 'yesterday' }],
      ['responses.list', { limit: '5' }],
      ['tallies', { prefix: [] }],
    ] as const) {
      await expect(all.call(name, args)).rejects.toMatchObject({ code: 'capability_input' })
    }
  })
})
