/** The demo against the real hub: every answer posted is delivered and verified once, over a restart and a stop. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { demoConfig, startDemo, startDemoReceiver } from '../../core/demo/demo.ts'
import { startHub } from '../support/hub.ts'
import { until } from '../support/wait.ts'

const ANSWERS = 40

test('posts, delivers, verifies; a second start doubles nothing; an abort ends it', async () => {
  const receiver = await startDemoReceiver()
  await using hub = await startHub({ config: demoConfig(receiver.url, receiver.secret) })
  const shown: string[] = []
  const run = async (enough: () => boolean) => {
    const stop = new AbortController()
    const demo = startDemo({
      url: hub.url,
      key: hub.adminKey,
      receiver,
      output: { write: (text) => shown.push(text) },
      signal: stop.signal,
      paceMs: 5,
    })
    await until('the demo to get on', enough)
    stop.abort()
    await demo
  }
  await run(() => receiver.counts.verified >= ANSWERS)
  await until('the rest to arrive', async () => (await stored(hub)) === receiver.counts.verified)
  const before = await stored(hub)
  expect(receiver.counts).toMatchObject({ delivered: before, verified: before })

  await hub.restart()
  await run(() => receiver.counts.verified >= before + ANSWERS)
  await until('the rest to arrive', async () => (await stored(hub)) === receiver.counts.verified)
  expect(receiver.counts.delivered).toBe(receiver.counts.verified)
  const responses = await hub.api<{ items: { client_id: string }[] }>(
    'GET',
    '/api/v2/forms/comma-survey/responses?limit=200',
  )
  const ids = responses.body.items.map((item) => item.client_id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(shown.join('')).toMatch(/posted \d+ · stored \d+ · delivered \d+ · signatures verified \d+/)
  await receiver.close()
})

test('a start that finds every answer there says so, and what to do next', async () => {
  const knows = createServer((_request, response) => response.end('{}')).listen(0, '127.0.0.1')
  await once(knows, 'listening')
  const receiver = await startDemoReceiver()
  const url = `http://127.0.0.1:${(knows.address() as AddressInfo).port}`
  const shown: string[] = []
  const stop = new AbortController()
  const output = { write: (text: string) => shown.push(text) }
  const demo = startDemo({ url, key: 'any', receiver, output, signal: stop.signal })
  const said = () => shown.join('')
  await until('the last words', () => said().includes('manifold status'))
  expect(said()).toMatch(
    /all 2,?187 answers are in from before; answer the survey yourself at http:\S+\/f\/comma-survey/,
  )
  stop.abort()
  await demo
  await receiver.close()
  knows.closeAllConnections()
  knows.close()
})

async function stored(hub: Awaited<ReturnType<typeof startHub>>): Promise<number> {
  const forms = ['comma-survey', 'thanksgiving-2015']
  const pages = await Promise.all(
    forms.map((form) => hub.api<{ items: unknown[] }>('GET', `/api/v2/forms/${form}/responses?limit=200`)),
  )
  return pages.reduce((sum, page) => sum + page.body.items.length, 0)
}
