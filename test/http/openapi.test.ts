/** The committed description of the API is the one the routes make. `UPDATE_OPENAPI=1` rewrites it. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { allRoutes, describeApi } from '../../core/http/app.ts'
import type { HttpDeps } from '../../core/http/deps.ts'
import { OPENAPI_FILE, writeOpenApi } from '../../core/http/openapi.ts'
import { LIMITS } from '../../core/limits.ts'

interface Description {
  readonly openapi: string
  readonly paths: Readonly<
    Record<
      string,
      Readonly<Record<string, { operationId: string; security: object[]; responses: Record<string, unknown> }>>
    >
  >
}

test('openapi.json in the repository is up to date', () => {
  const text = describeApi()
  if (process.env['UPDATE_OPENAPI'] === '1') writeOpenApi(text)
  const same = JSON.stringify(JSON.parse(readFileSync(OPENAPI_FILE, 'utf8'))) === JSON.stringify(JSON.parse(text))
  expect(same, 'run this test with UPDATE_OPENAPI=1, then the formatter').toBe(true)
})

test('every route of the API is described, with its key and with problems as its default answer', () => {
  const description = JSON.parse(describeApi()) as Description
  expect(description.openapi).toBe('3.1.0')
  const routes = allRoutes({ limits: LIMITS, trustedProxies: [] } as unknown as HttpDeps)
  const operations = routes
    .filter(({ path }) => path.startsWith('/api/'))
    .map(({ method, path, access }) => ({
      path,
      needsKey: access !== 'stranger',
      operation: description.paths[path]?.[method.toLowerCase()],
    }))
  expect(operations.length).toBeGreaterThan(25)
  expect(operations.filter(({ operation }) => operation === undefined).map(({ path }) => path)).toEqual([])
  for (const { path, operation, needsKey } of operations) {
    expect((operation?.security.length ?? 0) > 0, path).toBe(needsKey)
    expect(operation?.responses['default']).toBeDefined()
  }
  const ids = Object.values(description.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  )
  expect(new Set(ids).size).toBe(ids.length)
})
