/**
 * The commands of the image, of compose.yaml and of the units are run as they stand there, on a fresh database: a submission
 * is delivered, the health check says so, and SIGTERM ends each process in order within the time it is given.
 */
import { spawn, execFile } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { expect, test } from 'vitest'
import { compose, dockerfile, jsonForm, pairs, spanMs, unit } from '../support/deploy.ts'
import { ROOT, TEST_ADMIN_KEY } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import { freshDatabase } from '../support/services.ts'
import { tempDir } from '../support/temp.ts'

/** A process as a file of core/deploy describes it. */
interface Described {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly probe: readonly string[] | null
  readonly graceMs: number
}

const instruction = (verb: string): string => {
  const found = dockerfile().findLast((line) => line.verb === verb)
  if (found === undefined) throw new Error(`The Dockerfile has no ${verb}`)
  return found.rest
}

/** `manifold` of the image is a link that the Dockerfile makes. */
function inImage(command: readonly string[]): readonly string[] {
  const link = dockerfile()
    .find(({ rest }) => rest.startsWith('ln -s'))
    ?.rest.split(' ')
  const [file, ...args] = command
  if (link === undefined || !link.at(-1)?.endsWith(`/bin/${file}`)) throw new Error(`The image has no command ${file}`)
  return [link.at(-2) as string, ...args]
}

function ofCompose(role: 'api' | 'worker'): Described {
  const {
    command = [],
    environment = {},
    healthcheck,
    stop_grace_period: grace = '',
  } = compose().services[role] ?? fail(role)
  return {
    command: inImage(command),
    env: { ...pairs(instruction('ENV')), ...environment },
    probe: healthcheck?.test.slice(1) ?? null,
    graceMs: spanMs(grace),
  }
}

function ofUnit(name: string, instance: string): Described {
  const { ExecStart = [], Environment = [], TimeoutStopSec = [] } = unit(name)['Service'] ?? fail(name)
  return {
    command: (ExecStart[0] ?? '').replaceAll('%i', instance).split(' '),
    env: pairs(Environment.join(' ')),
    probe: null,
    graceMs: spanMs(TimeoutStopSec[0] ?? ''),
  }
}

const fail = (name: string): never => {
  throw new Error(`${name} is not described`)
}

const SCENES: Readonly<Record<string, () => Promise<readonly Described[]>>> = {
  'the command of the image': async () => [
    {
      ...ofCompose('api'),
      command: inImage(jsonForm(instruction('CMD'))),
      probe: jsonForm(instruction('HEALTHCHECK')),
    },
  ],
  'the services of compose.yaml': async () => [ofCompose('worker'), ofCompose('api')],
  'the units of systemd': async () => [
    ofUnit('manifold-worker@.service', await freeInstance()),
    ofUnit('manifold-api.service', ''),
  ],
}

test.each(Object.keys(SCENES))('%s, booted', { timeout: 180_000 }, async (name) => {
  await using dir = await tempDir('deploy')
  await using database = await freshDatabase()
  await using receiver = await startReceiver()
  const place = { dir: dir.path, databaseUrl: database.url }
  writeFileSync(`${dir.path}/manifold.yaml`, JSON.stringify(configFor(receiver.url)))
  await using stack = new AsyncDisposableStack()
  const running: Booted[] = []
  for (const described of (await SCENES[name]?.()) ?? []) running.push(stack.use(await boot(described, place)))
  // The last one is the one that takes submissions.
  const api = running.at(-1) as Booted
  const answer = await fetch(`${api.url}/api/v2/forms/hello/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"data":{"name":"Ada"}}',
  })
  expect(answer.status, await answer.text()).toBe(201)
  const [request] = await receiver.received(1)
  expect(request?.body).toContain('Ada')
  for (const process of running) await process.probe()
  for (const process of running.toReversed())
    expect(await process.end(), process.words()).toEqual({ code: 0, signal: null })
})

test('a worker of compose.yaml tells the others an address that leads to it from another container', async () => {
  await using dir = await tempDir('deploy')
  await using database = await freshDatabase()
  writeFileSync(`${dir.path}/manifold.yaml`, JSON.stringify(configFor('http://127.0.0.1:9')))
  await using worker = await boot(ofCompose('worker'), { dir: dir.path, databaseUrl: database.url })
  const client = new Client({ connectionString: database.url })
  await client.connect()
  const { rows } = await client.query<{ url: string }>('SELECT url FROM hub_processes')
  await client.end()
  const [told] = rows.map(({ url }) => new URL(url))
  expect(told?.hostname).not.toMatch(/^(localhost|127\.|0\.0\.0\.0|\[::1?\])/)
  expect(told?.port).toBe(new URL(worker.url).port)
})

const configFor = (receiverUrl: string) => ({
  forms: { hello: { name: 'Hello', fields: [{ key: 'name', type: 'text' }] } },
  network: { allow: ['127.0.0.1/32'] },
  installations: [{ id: 'out', use: 'webhooks', with: { url: receiverUrl, secret: 'a-secret-of-the-test-0123' } }],
})

interface Booted extends AsyncDisposable {
  readonly url: string
  words(): string
  /** Runs the health check, where one is described. */
  probe(): Promise<void>
  /** SIGTERM; SIGKILL when the grace is over. */
  end(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

/** Where a path of the machine or the image is in this test. */
function localPath(text: string, dir: string): string {
  return text
    .replace(/^\/opt\/manifold\//, ROOT)
    .replace(/^\/etc\/manifold\//, `${dir}/`)
    .replace(/^\/(data|var\/lib\/manifold|var\/cache\/manifold)(?=\/|$)/, `${dir}/data`)
}

async function boot(
  { command, env, probe, graceMs }: Described,
  { dir, databaseUrl }: { readonly dir: string; readonly databaseUrl: string },
): Promise<Booted> {
  mkdirSync(`${dir}/data`, { recursive: true })
  const [file, ...args] = command.map((part) => localPath(part, dir)) as [string, ...string[]]
  const child = spawn(file, args, {
    cwd: dir,
    env: {
      PATH: process.env['PATH'],
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, localPath(value, dir)])),
      // Of the env file, and a port that is free: in a container there is nobody else.
      DATABASE_URL: databaseUrl,
      MANIFOLD_ADMIN_KEY: TEST_ADMIN_KEY,
      MANIFOLD_PORT: '0',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  const end = async () => {
    child.kill('SIGTERM')
    const forced = setTimeout(() => child.kill('SIGKILL'), graceMs)
    return await ended.finally(() => clearTimeout(forced))
  }
  const url = await Promise.race([readyUrl(child), ended.then(() => undefined)])
  if (url === undefined) throw new Error(`${command.join(' ')} ended:\n${lines.join('\n')}`)
  return {
    url,
    words: () => lines.slice(-20).join('\n'),
    probe: async () => {
      if (probe === null) return
      const [, script, asked] = probe as readonly [string, string, string]
      const { port } = new URL(url)
      const asks = asked.replace(/:\d+(?=\/)/, `:${port}`)
      await promisify(execFile)(`${ROOT}node_modules/.bin/node`, [`${ROOT}${script}`, asks])
    },
    end,
    [Symbol.asyncDispose]: async () => void (child.exitCode ?? (await end())),
  }
}

const readyUrl = (child: ChildProcess & { readonly stdout: NodeJS.ReadableStream }): Promise<string> =>
  new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{"event":"ready"')) resolve((JSON.parse(line) as { url: string }).url)
    })
  })

/** A worker of systemd listens on a port that its number gives; here others may listen, too. */
async function freeInstance(): Promise<string> {
  for (let instance = 9; instance > 0; instance -= 1) {
    const server = createServer()
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(8430 + instance, '127.0.0.1', () => resolve(true))
    })
    if (!free) continue
    await new Promise((resolve) => server.close(resolve))
    return String(instance)
  }
  throw new Error('All ports of workers are taken')
}
