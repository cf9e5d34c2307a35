/** Speaks to a running hub over its public API, as an operator of this machine or with a key that was given. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { clientEnvironment } from '../config/settings.ts'
import type { Call } from './call.ts'
import { hubFile, settingsOf, textOption } from './call.ts'
import { CliError } from './exit-codes.ts'

const TIMEOUT_MS = 30_000
const PAGE_ITEMS_MAX = 200

const hubFileSchema = z.object({
  url: z.string(),
  pid: z.number(),
  key: z.string(),
  production: z.boolean().default(false),
  startedAt: z.string(),
})

/** What `hub.json` says; written by the hub when it serves, readable by its user only. */
export type RunningHub = z.infer<typeof hubFileSchema>

export type Query = Readonly<Record<string, string | undefined>>

interface ListPage {
  items: unknown[]
  next_cursor: string | null
}

export interface HubClient {
  readonly url: string
  /** Sends `body` as JSON when there is one; an answer that is not `as` it should be ends the command. */
  request<T>(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    how: { readonly as: z.ZodType<T>; readonly body?: unknown },
  ): Promise<T>
  /** Items of a list, over as many pages as needed for `limit`. */
  list<Page extends ListPage>(
    path: string,
    query: Query,
    how: { readonly as: z.ZodType<Page>; readonly limit: number },
  ): Promise<Page>
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
      `A key is needed for ${found.url}: it is not the hub that runs on ${settingsOf(call).dataDir}.`,
      'give one with --key or MANIFOLD_KEY; `manifold keys create` beside that hub makes one',
    )
  return clientFor(found.url, found.key)
}

/** True when `connect` would find somebody to ask. */
export const hasHub = (call: Call): boolean => target(call) !== null

function target(call: Call): { url: string; key: string | undefined } | null {
  const client = clientEnvironment(call.env)
  const local = runningHub(settingsOf(call).dataDir)
  const url = (textOption(call, 'url') ?? client.url ?? local?.url)?.replace(/\/+$/, '')
  if (url === undefined) return null
  // What opens this machine's hub goes to this machine's hub only; it takes the key of hub.json, so nobody is sent MANIFOLD_ADMIN_KEY.
  const own = local !== null && sameOrigin(local.url, url) ? local.key : undefined
  return { url, key: textOption(call, 'key') ?? client.key ?? own }
}

function sameOrigin(one: string, other: string): boolean {
  const origin = URL.parse(one)?.origin
  return origin !== undefined && origin === URL.parse(other)?.origin
}

/** The hub at this address, with this key. */
export function clientFor(url: string, key: string): HubClient {
  const request: HubClient['request'] = async (method, path, { as, body }) => {
    let status: number
    let ok: boolean
    let text: string
    try {
      const answer = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
      ;({ status, ok } = answer)
      text = await answer.text()
    } catch (error) {
      throw new CliError(
        'unavailable',
        `No hub answers at ${url} (${reasonOf(error)}).`,
        'is it running? manifold doctor looks at this machine',
      )
    }
    if (!ok && !(path === '/readyz' && status === 503)) throw problemOf(status, text)
    const read = as.safeParse(text === '' ? null : parseOr(text))
    if (read.success) return read.data
    const [issue] = read.error.issues
    const place = issue === undefined ? '' : `; ${[path, ...issue.path.map(String)].join(' ')}: ${issue.message}`
    throw new CliError(
      'failed',
      `What answers at ${url} does not speak like a Manifold hub of this version${place}.`,
      'check --url and MANIFOLD_URL; manifold status tells the version of a hub',
    )
  }
  return {
    url,
    request,
    list: async <Page extends ListPage>(
      path: string,
      query: Query,
      { as, limit }: { readonly as: z.ZodType<Page>; readonly limit: number },
    ) => {
      const items: unknown[] = []
      let cursor: string | null = null
      for (;;) {
        const most = String(Math.min(PAGE_ITEMS_MAX, limit - items.length))
        const page: Page = await request(
          'GET',
          withQuery(path, { ...query, limit: most, cursor: cursor ?? undefined }),
          {
            as,
          },
        )
        items.push(...page.items)
        cursor = page.next_cursor
        if (cursor === null || items.length >= limit) return { ...page, items }
      }
    },
  }
}

/** Appends what is set. */
export function withQuery(path: string, query: Query): string {
  const set = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set).toString()}`
}

const reasonOf = (error: unknown): string => {
  const { cause, message, name } = error as Error & { cause?: { code?: string; message?: string } }
  if (name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`
  return cause?.code ?? cause?.message ?? message
}

const problemSchema = z.looseObject({
  title: z.string().optional(),
  detail: z.string().optional(),
  errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).default([]),
})

/** problem+json as a message: what was wrong, where, and what to do. */
function problemOf(status: number, text: string): CliError {
  const hint = status === 401 ? 'give another key with --key or MANIFOLD_KEY' : null
  const read = problemSchema.safeParse(parseOr(text))
  if (!read.success) return new CliError('failed', `The hub answered ${status}.`, hint)
  const { title, detail, errors } = read.data
  const places = errors.map((error) => `\n  ${error.pointer || '/'}: ${error.detail}`).join('')
  const error = new CliError('failed', `${detail ?? title ?? `The hub answered ${status}.`}${places}`, hint)
  return Object.assign(error, { problem: read.data })
}

function parseOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
