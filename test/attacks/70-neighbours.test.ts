/** Reads across installations and workspaces: whatever key, prefix, id or cursor is guessed, only one's own comes back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { newId } from '../../core/ids.ts'
import type { Effects } from '../../core/storage/store.ts'
import { openRunBench } from '../capabilities/run-bench.ts'
import { dice, type Dice, rounds, SEEDED } from './dice.ts'

const bench = await openRunBench()
afterAll(bench.close)
const { store, open } = bench
const CANARY = 'canary-of-others'
const OWNERS = [
  ['default', 'victim'],
  ['other', 'probe'],
  ['other', 'victim'],
] as const
const ids: string[] = []

beforeAll(async () => {
  const at = new Date().toISOString()
  await store.syncInstallations(
    [['default', 'probe'] as const, ...OWNERS].map(([workspace, id]) => ({ workspace, id, plugin: id, cursor: 0, at })),
  )
  for (const [workspace, installation] of OWNERS) {
    const effects: Effects = {
      deliveries: [],
      events: [],
      kv: ['shared', 'a', 'a/b', 'probe', '%', 'ключ'].map((key) => ({
        key,
        value: JSON.stringify(CANARY),
        expiresAtMs: null,
      })),
      tallies: [{ name: `${CANARY}`, by: 7 }],
    }
    const done = await store.commitHandled({
      workspace,
      installation,
      plugin: installation,
      fromCursor: 0,
      toCursor: 1,
      effects,
    })
    expect(done.kind).toBe('committed')
  }
  const definition = {
    id: 'f',
    workspace: 'other',
    version: 1,
    managedBy: 'api',
    createdAt: '',
    updatedAt: '',
    name: 'f',
    fields: [],
    access: 'public',
    unknownFields: 'keep',
    redirectUrl: null,
    honeypotField: 'website',
  } as const
  await store.saveForm({
    workspace: 'other',
    id: 'f',
    definition,
    managedBy: 'api',
    at,
    eventId: newId('event'),
    mode: 'create',
  })
  for (let n = 0; n < 5; n++) {
    const responseId = newId('response')
    ids.push(responseId)
    await store.accept([
      {
        workspace: 'other',
        responseId,
        formId: 'f',
        formVersion: 1,
        status: 'completed',
        data: JSON.stringify({ note: CANARY }),
        meta: '{}',
        clientId: null,
        startedAt: null,
        at,
        eventId: newId('event'),
        idempotency: null,
      },
    ])
  }
})

/** Something that was made to be mistaken for somebody else's name. */
function guess(roll: Dice): string {
  const part = (): string =>
    roll.pick([
      'shared',
      'a',
      'a/b',
      'probe',
      'victim',
      'other',
      'default',
      '%',
      '_',
      '*',
      '..',
      '.',
      '/',
      '\\',
      '\0',
      "'",
      '"',
      ' ',
      '--',
      ';',
      '\u202e',
      '\ud800',
      'ключ',
      CANARY.slice(0, 6),
      '%00',
      '%2f',
      'x'.repeat(500),
    ])
  const shapes = [
    part,
    () => `../${part()}/${part()}`,
    () => `other/${part()}`,
    () => `${part()}' OR '1'='1`,
    () => `${part()}%`,
    () => `${part()}${part()}${part()}`,
    () => roll.pick(ids),
    () => `${roll.pick(ids)}' --`,
    () => Buffer.from(JSON.stringify([roll.pick(ids), part()])).toString('base64url'),
  ]
  return roll.pick(shapes)()
}

const odd = (roll: Dice): unknown =>
  roll.pick<unknown>([
    guess(roll),
    guess(roll),
    guess(roll),
    null,
    0,
    true,
    [],
    {},
    [guess(roll)],
    { $ne: '' },
    { toString: 1 },
    { workspace: 'other' },
  ])

test('generated reads bring nothing of another installation or workspace, and no call fails inside the hub', async () => {
  const roll = dice('neighbours')
  const calls: Readonly<Record<string, () => Record<string, unknown>>> = {
    'kv.get': () => ({ key: odd(roll) }),
    'kv.list': () => ({ prefix: odd(roll), after: odd(roll) }),
    tallies: () => ({ prefix: odd(roll) }),
    'responses.get': () => ({ id: odd(roll) }),
    'responses.list': () => ({
      form: odd(roll),
      since: roll.pick([undefined, '1970-01-01T00:00:00Z', odd(roll)]),
      limit: roll.pick([undefined, 1, 1e9, 0.1, -1, '5']),
      after: roll.pick([undefined, odd(roll)]),
    }),
  }
  const answered = new Map<string, number>()
  for (let n = 0; n < rounds(1_500); n++) {
    const name = roll.pick(Object.keys(calls))
    // With names of places besides, which nobody may choose.
    const args = {
      ...calls[name]?.(),
      ...roll.pick([{}, { workspace: 'other' }, { installation: 'victim' }, { __proto__: { workspace: 'other' } }]),
    }
    const run = open({ permissions: { kv: true, responses: true } })
    const told = `${SEEDED} ${name} ${JSON.stringify(args)}`
    const answer = await run.call(name, roll.below(5) === 0 ? [Object.values(args)[0]] : args).then(
      (value) => JSON.stringify(value) ?? 'undefined',
      (error: unknown) => {
        expect((error as { code?: string }).code, `${told}: ${String(error)}`).toMatch(
          /^(capability_(input|denied|limit)|invalid_query)$/,
        )
        return ''
      },
    )
    if (answer !== '') answered.set(name, (answered.get(name) ?? 0) + 1)
    expect(answer, told).not.toContain(CANARY)
    for (const id of ids) expect(answer, told).not.toContain(id)
  }
  // They were answered, with nothing: not all refused for their shape.
  for (const name of Object.keys(calls)) expect(answered.get(name) ?? 0, `${SEEDED} ${name}`).toBeGreaterThan(10)
})

test('the judge sees it where it is allowed', async () => {
  const run = open({ workspace: 'other', permissions: { kv: true, responses: true } })
  expect(await run.call('kv.get', { key: 'shared' })).toBe(CANARY)
  expect(JSON.stringify(await run.call('responses.list', {}))).toContain(ids[0])
})
