/** What a manifest may say of its transform, what that grants, and the types it gives. */
import { describe, expect, test } from 'vitest'
import { diffGrants, grantsOf } from '../../core/registry/grants.ts'
import { manifestSchema } from '../../core/registry/manifest.ts'
import { pluginTypes } from '../../core/registry/plugin-types.ts'

const manifest = (transform: object) => ({
  id: 'p',
  name: 'P',
  version: '1.0.0',
  hub: '^1.0',
  main: 'index.ts',
  transform,
})
const accepts = (transform: object): boolean => manifestSchema.safeParse(manifest(transform)).success

test('whenFails has to be said; the rest has defaults that show nothing', () => {
  expect(accepts({})).toBe(false)
  expect(manifestSchema.parse(manifest({ whenFails: 'closed' })).transform).toEqual({
    data: [],
    headers: [],
    on: ['completed', 'partial'],
    whenFails: 'closed',
  })
  expect(accepts({ whenFails: 'ajar' })).toBe(false)
  expect(accepts({ whenFails: 'open', data: ['response'] })).toBe(false)
  expect(accepts({ whenFails: 'open', on: [] })).toBe(false)
})

describe('headers', () => {
  test.each(['cf-ipcountry', 'user-agent', 'accept-language', 'x-forwarded-for', 'x-monkey', 'referer'])(
    '%s may be seen',
    (name) => expect(accepts({ whenFails: 'open', headers: [name] })).toBe(true),
  )
  test.each([
    'authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'idempotency-key',
    'x-auth-token',
    'x-csrf-token',
    'x-amzn-oidc-data',
    'cf-access-jwt-assertion',
    'x-webhook-signature',
    'x-session',
    'x-forwarded-client-cert',
    'Cf-Ipcountry',
    'x y',
  ])('%s may not', (name) => expect(accepts({ whenFails: 'open', headers: [name] })).toBe(false))
})

test('each part and each header is a grant, and one more waits for consent', () => {
  const granted = grantsOf(manifestSchema.parse(manifest({ whenFails: 'open', data: ['data'] })))
  expect(granted).toEqual(['transform on completed', 'transform on partial', 'transform: data'])
  const asked = grantsOf(
    manifestSchema.parse(manifest({ whenFails: 'open', data: ['data', 'meta'], headers: ['referer'] })),
  )
  expect(diffGrants(granted, asked).added).toEqual(['transform header referer', 'transform: meta'])
  expect(diffGrants([], granted).added).toEqual(granted)
})

test('more responses, or a policy that keeps them back, wait for consent; what older lock files say covers both', () => {
  const lines = (transform: object) => grantsOf(manifestSchema.parse(manifest(transform)))
  const granted = lines({ whenFails: 'open', on: ['completed'] })
  const asked = lines({ whenFails: 'closed', on: ['completed', 'partial'] })
  expect(diffGrants(granted, asked).added).toEqual(['transform on partial', 'transform when it fails: closed'])
  expect(diffGrants(asked, granted)).toMatchObject({
    added: [],
    removed: expect.arrayContaining(['transform on partial']),
  })
  expect(diffGrants(['transform', 'transform: data'], [...asked, 'transform: data'])).toEqual({
    added: [],
    removed: [],
  })
})

test('types: the parts and headers by name; nothing where there is no transform', () => {
  const typed = (transform: object) => pluginTypes(manifestSchema.parse(manifest(transform)))
  expect(typed({ whenFails: 'open', data: ['data', 'meta'], headers: ['referer'] })).toContain(
    "  readonly transform: { readonly data: 'data' | 'meta'; readonly headers: 'referer' }",
  )
  expect(typed({ whenFails: 'open' })).toContain(
    '  readonly transform: { readonly data: never; readonly headers: never }',
  )
  expect(pluginTypes(manifestSchema.parse({ ...manifest({ whenFails: 'open' }), transform: undefined }))).not.toContain(
    'transform',
  )
})
