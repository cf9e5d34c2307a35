/** The corpus of places that must not be reached, through every door by which a plugin can have the hub send something. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createGuardedHttp } from '../../core/capabilities/guarded-http.ts'
import { createRunCapabilities } from '../../core/capabilities/run-capabilities.ts'
import { systemClock } from '../../core/clock.ts'
import { endingsOf } from '../../core/delivery/send-outcome.ts'
import { HubError } from '../../core/errors.ts'
import { LIMITS } from '../../core/limits.ts'
import type { CapabilityHandler } from '../../core/sandbox/sandbox.ts'
import { installation } from '../capabilities/run-bench.ts'
import { HOSTILE, type HostileCase } from '../capabilities/ssrf-corpus.ts'
import { runOf } from '../sandbox/harness.ts'
import { attributedTo, openStage, type Stage } from './stage.ts'

let stage: Stage
let reached: string[] = []
const canaries: Server[] = []
let ports = { port: 0, port6: 0 }

beforeAll(async () => {
  const listen = async (host: string): Promise<number> => {
    const server = createServer((request, response) => {
      reached.push(`${request.method} ${request.url}`)
      response.end('canary')
    })
    canaries.push(server)
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    return (server.address() as AddressInfo).port
  }
  ports = { port: await listen('127.0.0.1'), port6: await listen('::1') }
  stage = await openStage()
  await stage.puppet('puppet', { limits: { hostOpsMax: 50 } })
})
afterAll(async () => {
  for (const canary of canaries) {
    canary.closeAllConnections()
    canary.close()
  }
  await stage[Symbol.asyncDispose]()
})

/** The hub's door for one run, behind a grant that names the very host: only the guard is left to refuse. */
async function through(
  hostile: HostileCase,
  url: string,
  allow: readonly string[],
  use: (handler: CapabilityHandler) => Promise<unknown>,
): Promise<unknown> {
  let asked = 0
  const lists = (
    Array.isArray(hostile.answers?.[0]) ? hostile.answers : [hostile.answers ?? []]
  ) as readonly (readonly string[])[]
  const http = createGuardedHttp({
    allow,
    limits: LIMITS,
    resolve: (name) => {
      // As at an address that was checked when it was saved.
      const answers = lists[Math.min(asked + (lists.length > 1 ? 1 : 0), lists.length - 1)] ?? []
      asked += 1
      if (answers.length === 0) return Promise.reject(Object.assign(new Error(name), { code: 'ENOTFOUND' }))
      return Promise.resolve(answers.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }) as const))
    },
  })
  const none = () => Promise.reject(new Error('nothing is stored'))
  const parsed = URL.parse(url)
  const granted = installation(
    { hosts: parsed === null ? ['example.com'] : [parsed.host], secrets: { u: url } },
    ports.port,
  )
  const run = createRunCapabilities({
    store: { kvGet: none, kvList: none, tallies: none, getResponse: none, listResponses: none },
    http,
    clock: systemClock,
    limits: LIMITS,
    formOf: () => undefined,
  }).open(granted)
  try {
    return await use(run.handler)
  } finally {
    await http.close()
  }
}

const urlOf = ({ url }: HostileCase): string =>
  url.replaceAll('{port}', String(ports.port)).replaceAll('{port6}', String(ports.port6))

/** Code of a handler for each door; `ADDRESS` is it as a literal. */
const DOORS: Readonly<Record<string, string>> = {
  'ctx.http': 'await ctx.http({ url: ADDRESS })',
  'ctx.http with a method and a body': 'await ctx.http({ method: "POST", url: ADDRESS, json: {} })',
  'ctx.http with a secret address': 'await ctx.http({ url: ctx.secret("u") })',
  fetch: 'await fetch(ADDRESS)',
  'fetch of a Request': 'await fetch(new Request(ADDRESS, { method: "POST", body: "x" }))',
  'fetch of a sealed address': 'await fetch([ctx.secret("u")])',
}

test.each(Object.entries(DOORS))(
  '%s: refused before a byte arrives, and the failure has a name',
  async (_door, code) => {
    reached = []
    const wrong: string[] = []
    for (const hostile of HOSTILE) {
      const url = urlOf(hostile)
      const result = await through(hostile, url, [], (handler) =>
        stage.play('puppet', code.replaceAll('ADDRESS', JSON.stringify(url)), handler),
      )
      const { error } = result as Awaited<ReturnType<Stage['play']>>
      // What is no URL the guest's own parser may refuse first.
      const codes = [
        hostile.code,
        ...(hostile.code === 'http_refused_url' ? ['plugin_threw', 'capability_denied', 'secret_missing'] : []),
      ]
      if (error === null || !codes.includes(error.code))
        wrong.push(`${url}: ${error?.code ?? 'answered'} ${error?.message ?? ''}`)
      else expect(error).toMatchObject(attributedTo('puppet'))
    }
    expect(wrong).toEqual([])
    expect(reached).toEqual([])
  },
)

test('the outcome send, which the hub carries out when the code is gone', async () => {
  reached = []
  const wrong: string[] = []
  for (const hostile of HOSTILE) {
    const url = urlOf(hostile)
    const ending = await through(hostile, url, [], async (handler) => {
      const item = JSON.stringify({ input: { code: `return send({ url: ${JSON.stringify(url)}, method: 'POST' })` } })
      const run = runOf({ kind: 'action', name: 'act', itemsJson: [item] }, handler)
      const { value } = await stage.bench.sandbox.runEach('default/puppet', run)
      return (await endingsOf(value, { handler, nowMs: Date.now, startUntilMs: Infinity }))?.[0]
    })
    if (
      !(ending instanceof HubError) ||
      ![hostile.code, ...(hostile.code === 'http_refused_url' ? ['capability_denied'] : [])].includes(ending.code)
    )
      wrong.push(`${url}: ${JSON.stringify(ending)}`)
  }
  expect(wrong).toEqual([])
  expect(reached).toEqual([])
})

test('positive control: with loopback allowed the same doors do lead to the canary', async () => {
  const open = HOSTILE.find(({ url }) => url === 'http://127.0.0.1:{port}/') as HostileCase
  for (const code of Object.values(DOORS)) {
    reached = []
    const url = urlOf(open)
    await through(open, url, ['127.0.0.1'], (handler) =>
      stage.play('puppet', code.replaceAll('ADDRESS', JSON.stringify(url)), handler),
    )
    expect(reached, code).toHaveLength(1)
  }
})
