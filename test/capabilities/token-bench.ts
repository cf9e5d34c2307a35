/** A token endpoint on a real socket, and runs of one installation that ask it, with time in the test's hands. */
import { generateKeyPairSync } from 'node:crypto'
import type { Received, Reply } from '../support/receiver.ts'
import { openRunBench, type Setup } from './run-bench.ts'

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = RSA.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
export const SPKI = RSA.publicKey.export({ type: 'spki', format: 'pem' }).toString()
export const CLIENT_SECRET = 'client-secret-0123456789'
export const REFRESH = 'refresh-canary-0123456789'
export const ID_TOKEN = 'id-canary-0123456789'

/** A token as it reaches the guest. */
export interface Given {
  readonly $secret: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What the endpoint says to the n-th request, from 1. */
export type Answering = (n: number, request: Received) => Reply | Promise<Reply>

/** The n-th token that the endpoint gives. */
export const tokenOf = (n: number): string => `canary-token-${n}-abcdefghij`

/** An answer with the n-th token, and with everything else that must not get out. */
export const granting = (n: number, more: object = {}): Reply => ({
  body: JSON.stringify({
    access_token: tokenOf(n),
    token_type: 'Bearer',
    instance_url: 'https://na1.example',
    refresh_token: REFRESH,
    id_token: ID_TOKEN,
    nested: [{ refresh_token: REFRESH, note: `again ${tokenOf(n)}` }],
    ...more,
  }),
})

/** A field of the form that the hub makes a JWT of. */
export const jwt = (more: object = {}) => ({
  $jwt: {
    key: { $secret: 'key' },
    alg: 'RS256',
    claims: { iss: 'client', aud: 'https://login' },
    lifetimeS: 180,
    ...more,
  },
})

/** `const bench = await openTokenBench()`; close it in `afterAll`, `reset` it before each test. */
export async function openTokenBench() {
  const bench = await openRunBench()
  const { receiver } = bench
  let asked: URLSearchParams[] = []
  let answering: Answering = (n) => granting(n)

  function reset(): void {
    asked = []
    answering = (n) => granting(n)
    receiver.forget()
    receiver.respond((request) => {
      if (request.path !== '/token') return { body: request.headers['authorization'] ?? '' }
      asked.push(new URLSearchParams(request.body))
      return answering(asked.length, request)
    })
  }

  const request = (more: object = {}) => ({
    url: `${receiver.url}/token`,
    form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: jwt() },
    ...more,
  })

  function installed(more: Setup = {}) {
    let nowMs = Date.UTC(2026, 0, 1)
    let monotonicMs = 0
    const clock = { nowMs: () => nowMs, monotonicMs: () => (monotonicMs += 1) }
    const open = bench.serve({ secrets: { key: PEM, client: CLIENT_SECRET }, clock, ...more })
    return {
      open,
      pass: (ms: number) => void (nowMs += ms),
      nowMs: () => nowMs,
      token: async (ask: object = request()) => (await open().call('token', ask)) as unknown as Given,
      /** What the receiver sees of a token. */
      placed: async (token: Given) => {
        await open().call('http', { url: `${receiver.url}/use`, headers: { authorization: ['Bearer ', token] } })
        return receiver.requests.at(-1)?.headers['authorization']
      },
      refused: async (ask: unknown) =>
        await open()
          .call('token', ask)
          .then(
            () => ({ code: 'answered', message: '' }),
            (error: unknown) => error as { code: string; message: string },
          ),
    }
  }

  return {
    ...bench,
    reset,
    request,
    installed,
    /** The forms that came. */
    asked: (): readonly URLSearchParams[] => asked,
    answer: (how: Answering) => void (answering = how),
  }
}
