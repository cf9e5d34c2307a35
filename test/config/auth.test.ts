/** `auth:` of the file: issuers that could not be trusted are refused, and no complaint repeats a secret. */
import { writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { formatProblem } from '../../core/config/format-problems.ts'
import { loadConfig } from '../../core/config/load.ts'
import { tempDir } from '../support/temp.ts'

it('each mistake is told with its place', async () => {
  await using dir = await tempDir('auth')
  const file = dir.file('manifold.yaml')
  const issuers = [
    'scopes: [], secret: short',
    'scopes: [admin], publicKey: nonsense',
    'scopes: [all], jwks: "ftp://a"',
    'scopes: [admin]',
  ]
  await writeFile(
    file,
    `auth:\n  jwt:\n${issuers.map((more) => `    - { issuer: a, audience: b, ${more} }\n`).join('')}`,
  )
  const result = await loadConfig({ file, env: {}, plugins: [] })
  const problems = 'problems' in result ? result.problems : []
  expect(problems.map((problem) => formatProblem(problem, dir.path))).toEqual([
    'manifold.yaml:3:41 auth.jwt[0].scopes must have at least 1 entries (got an empty list)',
    'manifold.yaml:3:53 auth.jwt[0].secret must have at least 32 characters',
    'manifold.yaml:4:61 auth.jwt[1].publicKey must be a public key in PEM (-----BEGIN PUBLIC KEY-----) (got "nonsense")',
    'manifold.yaml:5:42 auth.jwt[2].scopes[0] must be "forms:read" or "forms:write" or "responses:read" or "responses:write" or "analytics:read" or "deliveries:write" or "hooks:write" or "admin" (got "all")',
    'manifold.yaml:5:54 auth.jwt[2].jwks must be an http or https URL (got "ftp://a")',
    'manifold.yaml:6:7 auth.jwt[3] must have one of "jwks", "publicKey" and "secret"',
  ])
})
