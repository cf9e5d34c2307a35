/** Speaks to a running hub over its public API, as an operator of this machine or with a key that was given. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { clientEnvironment } from '../config/settings.ts'
import type { Call } from './call.ts'
import { hubFile, settingsOf, textOption } from './call.ts'
import { CliError } from './exit-codes.ts'

const TIMEOUT_MS = 30_000

const hubFileSchema = z.object({ url: z.string(), pid: z.number(), key: z.string(), startedAt: z.string() })

/** What `hub.json` says; written by the hub when it serves, readable by its user only. */
export type RunningHub = z.infer<typeof hubFileSchema>

export interface HubClient {
  readonly url: string
  request<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>
  /** Items of a list, over as many pages as needed for `limit`. */
  list<T>(
    path: string,
    query: Readonly<Record<string, string | undefined>>,
    limit: number,
  ): Promise<{ items: T[]; next_cursor: string | null }>
}

/** The hub that runs on this data folder, or null. A file left by a killed process does not count. */
export function runningHub(dataDir: string): RunningHub | null {
  try {
    const hub = hubFileSchema.parse(JSON.parse(readFileSync(hubFile(dataDir), 'utf8')))
    process.kill(hub.pid, 0)
    return hub
  } catch {
    return null
  }
}

/** The hub these options and this environment mean; `unavailable` when there is none. */
export function connect(call: Call): HubClient {
  const found = target(call)
  if (found === null) {
    throw new CliError(
      'unavailable',
      `No hub runs on ${settingsOf(call).dataDir}.`,
      'start one with: manifold start    (or name another with --data, or --url and --key)',
    )
  }
  if (found.key === undefined)
    throw new CliError(
      'usage',
      `A key is needed for ${found.url}.`,
      'give one with --key or MANIFOLD_KEY; `manifold keys create` makes one',
    )
  return clientFor(found.url, found.key)
}

/** True when `connect` would find somebody to ask. */
export const hasHub = (call: Call): boolean => target(call) !== null

function target(call: Call): { url: string; key: string | undefined } | null {
  const client = clientEnvironment(call.env)
  const { dataDir, adminKey } = settingsOf(call)
  const local = runningHub(dataDir)
  const url = (textOption(call, 'url') ?? client.url ?? local?.url)?.replace(/\/+$/, '')
  if (url === undefined) return null
  // The operator's key of this machine is for this machine's hub only.
  const own = local !== null && sameOrigin(local.url, url) ? local.key : undefined
  return { url, key: textOption(call, 'key') ?? client.key ?? own ?? adminKey ?? undefined }
}

function sameOrigin(one: string, other: string): boolean {
  const origin = URL.parse(one)?.origin
  return origin !== undefined && origin === URL.parse(other)?.origin
}

function clientFor(url: string, key: string): HubClient {
  const request: HubClient['request'] = async <T>(method: string, path: string, body?: unknown) => {
    let answer: Response
    try {
      answer = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
    } catch (error) {
      throw new CliError(
        'unavailable',
        `No hub answers at ${url} (${reasonOf(error)}).`,
        'is it running? manifold doctor looks at this machine',
      )
    }
    const text = await answer.text()
    if (!answer.ok && !(path === '/readyz' && answer.status === 503)) throw problemOf(answer.status, text)
    return (text === '' ? null : parseOr(text)) as T
  }
  return {
    url,
    request,
    list: async <T>(path: string, query: Readonly<Record<string, string | undefined>>, limit: number) => {
      const items: T[] = []
      let cursor: string | null = null
      let rest = {}
      do {
        const page: { items: T[]; next_cursor: string | null } = await request(
          'GET',
          withQuery(path, {
            ...query,
            limit: String(Math.min(200, limit - items.length)),
            cursor: cursor ?? undefined,
          }),
        )
        items.push(...page.items)
        cursor = page.next_cursor
        rest = page
      } while (cursor !== null && items.length < limit)
      return { ...rest, items, next_cursor: cursor }
    },
  }
}

/** Appends what is set. */
export function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set).toString()}`
}

const reasonOf = (error: unknown): string => {
  const { cause, message, name } = error as Error & { cause?: { code?: string; message?: string } }
  if (name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  return cause?.code ?? cause?.message ?? message
}

/** problem+json as a message: what was wrong, where, and what to do. */
function problemOf(status: number, text: string): CliError {
  const problem = parseOr(text) as
    | { title?: string; detail?: string; errors?: { pointer: string; detail: string }[] }
    | string
  if (typeof problem === 'string' || problem === null) return new CliError('failed', `The hub answered ${status}.`)
  const places = (problem.errors ?? []).map((error) => `\n  ${error.pointer || '/'}: ${error.detail}`).join('')
  const hint = status === 401 ? 'give another key with --key or MANIFOLD_KEY' : null
  return new CliError('failed', `${problem.detail ?? problem.title ?? `The hub answered ${status}.`}${places}`, hint)
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
