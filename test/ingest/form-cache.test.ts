/** The cache of compiled forms: shared loads, changes seen at once, nothing old brought back by a race. */
import { expect, test } from 'vitest'
import type { Clock } from '../../core/clock.ts'
import { openFormCache } from '../../core/ingest/form-cache.ts'
import type { Form } from '../../core/model.ts'

const form = (id: string, version: number): Form => ({
  id,
  version,
  workspace: 'default',
  name: id,
  fields: [],
  access: 'public',
  unknownFields: 'keep',
  redirectUrl: null,
  honeypotField: '_gotcha',
  managedBy: 'api',
  createdAt: '',
  updatedAt: '',
})

/** A store whose answers come when the test says so. */
function slowStore() {
  const waiting: ((found: Form | undefined) => void)[] = []
  return { waiting, getForm: () => new Promise<Form | undefined>((resolve) => waiting.push(resolve)) }
}

function cacheOver(store: { getForm: () => Promise<Form | undefined> }) {
  let nowMs = 0
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, after: () => () => {} }
  return { cache: openFormCache({ store, clock, stringCharsMax: 100 }), pass: (ms: number) => void (nowMs += ms) }
}

test('simultaneous questions share one load, later ones need none', async () => {
  const store = slowStore()
  const { cache } = cacheOver(store)
  const asked = [cache.get('default', 'a'), cache.get('default', 'a')]
  expect(store.waiting).toHaveLength(1)
  store.waiting[0]?.(form('a', 1))
  const [first, second] = await Promise.all(asked)
  expect(first).toBe(second)
  expect(cache.peek('default', 'a')).toBe(first)
  // Another workspace's form of the same name is another form.
  expect(cache.peek('other', 'a')).toBeUndefined()
})

test('a load that began before a change does not bring the old form back', async () => {
  const store = slowStore()
  const { cache } = cacheOver(store)
  const old = cache.get('default', 'a')
  cache.hear([{ type: 'form.changed', workspace: 'default', formId: 'a' }])
  const fresh = cache.get('default', 'a')
  store.waiting[1]?.(form('a', 2))
  await fresh
  store.waiting[0]?.(form('a', 1))
  await old
  expect(cache.peek('default', 'a')?.form.version).toBe(2)
})

test('a form that was not there is asked for again, and nothing is kept for more than five minutes', async () => {
  let answer: Form | undefined
  const { cache, pass } = cacheOver({ getForm: () => Promise.resolve(answer) })
  expect(await cache.get('default', 'a')).toBeUndefined()
  answer = form('a', 1)
  expect((await cache.get('default', 'a'))?.form.version).toBe(1)
  answer = form('a', 2)
  pass(299_999)
  expect((await cache.get('default', 'a'))?.form.version).toBe(1)
  pass(1)
  expect((await cache.get('default', 'a'))?.form.version).toBe(2)
})

test('a thousand forms fit; the one not asked for longest makes room', async () => {
  const { cache } = cacheOver({ getForm: () => Promise.resolve(form('x', 1)) })
  for (let i = 0; i < 1_000; i++) await cache.get('default', `f${i}`)
  expect(cache.peek('default', 'f0')).toBeDefined()
  await cache.get('default', 'one-more')
  expect(cache.peek('default', 'f0')).toBeDefined()
  expect(cache.peek('default', 'f1')).toBeUndefined()
})
