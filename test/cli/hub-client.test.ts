/** Whom commands speak to, what they show them, and what they make of strange answers. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TempDir } from '../support/temp.ts'
import { tempDir } from '../support/temp.ts'
import { runCli } from './run-cli.ts'

const ADMIN_KEY = 'the-operators-own-key'

interface Stranger extends AsyncDisposable {
  readonly url: string
  /** `authorization` of each request. */
  readonly keys: (string | undefined)[]
}

/** A server that is no hub of ours. */
async function stranger(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Stranger> {
  const keys: (string | undefined)[] = []
  const server: Server = createServer((request, response) => {
    keys.push(request.headers.authorization)
    request.resume()
    answer(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keys,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

let temp: TempDir
beforeEach(async () => {
  temp = await tempDir('cli')
})
afterEach(() => temp[Symbol.asyncDispose]())

/** As a hub that runs on the data folder leaves it; this process stands in for it. */
async function writeHubFile(url: string): Promise<void> {
  await mkdir(temp.file('.manifold'), { recursive: true })
  await writeFile(
    temp.file('.manifold/hub.json'),
    JSON.stringify({ url, pid: process.pid, key: 'key-of-hub-json', startedAt: '2026-01-01T00:00:00.000Z' }),
  )
}

describe('the keys of this machine', () => {
  it('are never shown to another host, by flag or environment, whether or not a hub runs here', async () => {
    await using foreign = await stranger((_request, response) => response.end('{}'))
    const env = { MANIFOLD_ADMIN_KEY: ADMIN_KEY }
    const alone = await runCli(temp.path, ['status', '--url', foreign.url], { env })
    await writeHubFile('http://127.0.0.1:1')
    const beside = await runCli(temp.path, ['status'], { env: { ...env, MANIFOLD_URL: foreign.url } })
    for (const { code, stderr } of [alone, beside]) {
      expect(code).toBe(2)
      expect(stderr).toContain(`A key is needed for ${foreign.url}`)
    }
    expect(foreign.keys).toEqual([])
    await runCli(temp.path, ['status', '--url', foreign.url, '--key', 'given'], { env })
    expect(new Set(foreign.keys)).toEqual(new Set(['Bearer given']))
  })

  it('open the hub that runs here, also when its address is written out', async () => {
    await using own = await stranger((_request, response) => response.end('{}'))
    await writeHubFile(own.url)
    await runCli(temp.path, ['keys', 'list'], { env: { MANIFOLD_ADMIN_KEY: ADMIN_KEY } })
    await runCli(temp.path, ['keys', 'list', '--url', `${own.url}/`], { env: { MANIFOLD_ADMIN_KEY: ADMIN_KEY } })
    expect(own.keys).toEqual(['Bearer key-of-hub-json', 'Bearer key-of-hub-json'])
  })
})

describe('what is no answer of a hub', () => {
  const lines = [
    ['status'],
    ['deliveries'],
    ['deliveries', 'show', 'dlv_1'],
    ['dead-letters'],
    ['replay', '--since', '2h'],
    ['send', 'contact', 'a=b'],
    ['keys', 'list'],
    ['keys', 'create', '--name', 'x', '--scope', 'admin'],
  ]

  it.each(['{}', '', '<html>', '{"items":[1],"checks":1,"matched":"\\u001b"}'])(
    '%s ends each command with a sentence, not with a stack',
    async (text) => {
      await using foreign = await stranger((_request, response) => response.end(text))
      const env = { MANIFOLD_URL: foreign.url, MANIFOLD_KEY: 'k' }
      const ended = await Promise.all(lines.map((args) => runCli(temp.path, args, { env })))
      for (const { code, stdout, stderr } of ended) {
        expect([code, stdout]).toEqual([1, ''])
        expect(stderr).toContain(`What answers at ${foreign.url} does not speak like a Manifold hub`)
        expect(stderr).not.toMatch(/TypeError|\n\s+at /)
      }
    },
  )

  it('an error of any shape is told by its status', async () => {
    const bodies = ['{"errors":1}', '{"detail":{"a":1}}', '"no"', '[]', '']
    for (const body of bodies) {
      await using foreign = await stranger((_request, response) => response.writeHead(418).end(body))
      const env = { MANIFOLD_URL: foreign.url, MANIFOLD_KEY: 'k' }
      const { code, stderr } = await runCli(temp.path, ['status'], { env })
      expect([code, stderr]).toEqual([1, 'manifold: The hub answered 418.\n'])
    }
  })
})

describe('keys without a hub', () => {
  it('are looked for in the database that is there; a look makes none', async () => {
    for (const args of [
      ['keys', 'list', '--json'],
      ['keys', 'revoke', 'key_1'],
      ['keys', 'create', '--name', 'first', '--scope', 'forms:read'],
      ['db', 'migrate'],
    ]) {
      const { code, stdout, stderr } = await runCli(temp.path, args)
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toContain("There is no hub's database in ")
      expect(stderr).toMatch(/run it where manifold\.yaml is, or name .* with --data/)
      expect(stderr.includes('--new')).toBe(args[1] === 'create' || args[1] === 'migrate')
    }
    expect(await readdir(temp.path)).toEqual([])
    const create = (name: string, ...more: string[]) =>
      runCli(temp.path, ['keys', 'create', '--name', name, '--scope', 'forms:read', ...more])
    await create('first', '--new')
    // Where manifold.yaml is, a hub will be.
    await writeFile(temp.file('manifold.yaml'), 'forms: {}\n')
    expect((await create('second', '--data', 'fresh')).code).toBe(0)
    const { code, stdout } = await runCli(temp.path, ['keys', 'list', '--json'])
    expect(code).toBe(0)
    expect((JSON.parse(stdout) as { items: { name: string }[] }).items.map(({ name }) => name)).toEqual(['first'])
  })
})

describe('keys create --expires', () => {
  const create = (expires: string) =>
    runCli(temp.path, [
      'keys',
      'create',
      '--name',
      'x',
      '--scope',
      'responses:write',
      '--expires',
      expires,
      '--json',
      '--new',
    ])

  it('counts spans from now on', async () => {
    const beforeMs = Date.now()
    const { code, stdout } = await create('2h')
    expect(code).toBe(0)
    const { expires_at: at } = JSON.parse(stdout) as { expires_at: string }
    expect(Date.parse(at)).toBeGreaterThanOrEqual(beforeMs + 7_200_000)
    expect(Date.parse(at)).toBeLessThanOrEqual(Date.now() + 7_200_000)
  })

  it('refuses what is over, and what is no time', async () => {
    for (const expires of ['2020-01-31', '2020-01-31T09:00:00Z', '0s']) {
      const { code, stdout, stderr } = await create(expires)
      expect([code, stdout]).toEqual([2, ''])
      const { detail } = JSON.parse(stderr) as { detail: string }
      expect(detail).toContain(`--expires must lie in the future (got "${expires}")`)
    }
    const { code, stderr } = await create('soon')
    expect(code).toBe(2)
    expect(stderr).toContain('--expires must be a time')
  })
})
