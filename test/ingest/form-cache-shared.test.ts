/** Forms in two caches on a real Redis: loaded once for all, changed for all at once, and never the old one again. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRedisCache } from '../../core/cache/redis/cache.ts'
import { systemClock } from '../../core/clock.ts'
import { openFormCache } from '../../core/ingest/form-cache.ts'
import type { FormCache } from '../../core/ingest/form-cache.ts'
import type { Form, LogEvent } from '../../core/model.ts'
import { connect } from '../cache/connections.ts'
import type { TestConnection } from '../cache/connections.ts'
import { freshPrefix } from '../support/services.ts'
import type { FreshPrefix } from '../support/services.ts'
import { until } from '../support/wait.ts'

let corner: FreshPrefix
beforeAll(async () => {
  corner = await freshPrefix()
})
afterAll(() => corner[Symbol.asyncDispose]())

const form = (id: string, version: number): Form => ({
  id,
  version,
  workspace: 'default',
  name: `${id}, version ${version}`,
  fields: [{ key: 'email', label: 'Email', type: 'email', required: true, pii: true, options: [] }],
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: '_gotcha',
  managedBy: 'api',
  createdAt: '',
  updatedAt: '',
})

const changed = (id: string): readonly LogEvent[] => [
  { type: 'form.changed', workspace: 'default', formId: id } as LogEvent,
]

/** The database of the fleet: one form of each name, its version, and how often it was read. */
function openSource() {
  const versions = new Map<string, number>()
  const source = {
    reads: 0,
    /** What a read waits for after it has seen the version. */
    hold: null as Promise<void> | null,
    change: (id: string) => void versions.set(id, (versions.get(id) ?? 1) + 1),
    getForm: async (_workspace: string, id: string): Promise<Form | undefined> => {
      source.reads += 1
      const found = form(id, versions.get(id) ?? 1)
      await source.hold
      return found
    },
  }
  return source
}

interface Member extends AsyncDisposable {
  readonly forms: FormCache
  readonly connection: TestConnection
  /** Throws away the memory alone, as after five minutes. */
  fresh(): FormCache
}

/** One process of the fleet, that has begun. */
async function join(source: {
  getForm: (workspace: string, id: string) => Promise<Form | undefined>
}): Promise<Member> {
  const connection = await connect(corner.url)
  const shared = openRedisCache({ connection, clock: systemClock, name: 'forms', prefix: corner.prefix })
  const fresh = () => openFormCache({ store: source, clock: systemClock, stringCharsMax: 1_000, shared })
  await shared.get('the first look-up')
  return { forms: fresh(), connection, fresh, [Symbol.asyncDispose]: () => connection.close() }
}

const versionOf = async (forms: FormCache, id: string) => (await forms.get('default', id))?.form.version

test('a form is read from the database once for the whole fleet, and is the same form', async () => {
  const source = openSource()
  await using one = await join(source)
  await using other = await join(source)
  const read = await one.forms.get('default', 'shared')
  await until('the shared copy', async () => (await versionOf(other.fresh(), 'shared'), source.reads) === 1)
  const copied = await other.forms.get('default', 'shared')
  expect(copied?.form).toEqual(read?.form)
  expect(copied).toBe(other.forms.peek('default', 'shared'))
  expect(source.reads).toBe(1)
})

test('after a change every process that heard of it answers with the new form, from memory and from the shared copy', async () => {
  const source = openSource()
  await using one = await join(source)
  await using other = await join(source)
  expect([await versionOf(one.forms, 'contact'), await versionOf(other.forms, 'contact')]).toEqual([1, 1])
  source.change('contact')
  for (const { forms } of [one, other]) forms.hear(changed('contact'))
  expect([one, other].map(({ forms }) => forms.peek('default', 'contact'))).toEqual([undefined, undefined])
  expect([await versionOf(one.forms, 'contact'), await versionOf(other.forms, 'contact')]).toEqual([2, 2])
  expect([await versionOf(one.fresh(), 'contact'), await versionOf(other.fresh(), 'contact')]).toEqual([2, 2])
})

test('a slow reader who loaded the form before the change does not leave the old one behind for anybody', async () => {
  const source = openSource()
  await using slow = await join(source)
  await using quick = await join(source)
  const gate = Promise.withResolvers<void>()
  source.hold = gate.promise
  const old = versionOf(slow.forms, 'raced')
  await until('the read', () => source.reads === 1)
  source.hold = null
  source.change('raced')
  // Only one process has heard so far.
  quick.forms.hear(changed('raced'))
  gate.resolve()
  expect(await old).toBe(1)
  // Whatever the slow one sent has arrived once it is answered something sent later.
  await slow.connection.ask((client) => client.ping())
  expect(await versionOf(quick.fresh(), 'raced')).toBe(2)
  slow.forms.hear(changed('raced'))
  expect(await versionOf(slow.forms, 'raced')).toBe(2)
  expect(await versionOf(slow.fresh(), 'raced')).toBe(2)
})

test('a reader that is told while it reads does not put the old form', async () => {
  const source = openSource()
  await using one = await join(source)
  const gate = Promise.withResolvers<void>()
  source.hold = gate.promise
  const old = versionOf(one.forms, 'told')
  await until('the read', () => source.reads === 1)
  source.hold = null
  source.change('told')
  one.forms.hear(changed('told'))
  // The mark of the drop goes, as it would with time.
  await one.connection.ask(async (client) => {
    const keys = await client.keys(`${corner.prefix}cache:forms:*told`)
    expect(keys).toHaveLength(1)
    return await client.del(keys)
  })
  gate.resolve()
  await old
  expect(one.forms.peek('default', 'told')).toBeUndefined()
  expect(await versionOf(one.fresh(), 'told')).toBe(2)
})

test('a process that missed what others said reads anew, although the old form stands in Redis', async () => {
  const source = openSource()
  await using one = await join(source)
  expect(await versionOf(one.forms, 'missed')).toBe(1)
  // Until it stands in Redis as well.
  await one.connection.ask((client) => client.ping())
  source.change('missed')
  one.forms.clear()
  expect(one.forms.peek('default', 'missed')).toBeUndefined()
  expect(await versionOf(one.forms, 'missed')).toBe(2)
  expect(await versionOf(one.fresh(), 'missed')).toBe(2)
})

test('what stands in Redis but is no form is passed over', async () => {
  const source = openSource()
  await using one = await join(source)
  await versionOf(one.forms, 'spoilt')
  const spoilt = await until('the shared copy', async () =>
    one.connection.ask(async (client) => {
      const key = (await client.keys(`${corner.prefix}cache:forms:*spoilt`))[0]
      const text = key === undefined ? null : await client.get(key)
      if (key === undefined || text === null) return undefined
      await client.set(key, text.slice(0, text.indexOf(':') + 10))
      return key
    }),
  )
  expect(spoilt).toContain('spoilt')
  expect(await versionOf(one.fresh(), 'spoilt')).toBe(1)
})

test('without Redis forms are read and changed as ever', async () => {
  const source = openSource()
  const connection = await connect('redis://127.0.0.1:1', 100)
  const shared = openRedisCache({ connection, clock: systemClock, name: 'forms', prefix: corner.prefix })
  const forms = openFormCache({ store: source, clock: systemClock, stringCharsMax: 1_000, shared })
  expect(await versionOf(forms, 'alone')).toBe(1)
  source.change('alone')
  expect(await versionOf(forms, 'alone')).toBe(1)
  forms.hear(changed('alone'))
  expect(await versionOf(forms, 'alone')).toBe(2)
  expect(forms.counts()).toEqual({ hits: 1, misses: 2 })
  await connection.close()
})
