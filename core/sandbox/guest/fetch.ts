/** `fetch`: the standard's shape over the same call of the hub as `ctx.http`, with the same grants, limits and counts. */
import type { HttpRequest, HttpResponse } from '../../contract/index.ts'
import { type AbortSignal, deadlineOf } from './abort.ts'
import { addBlob } from './blob.ts'
import { contentIn, take } from './body.ts'
import { addHeaders, sendable } from './headers.ts'
import { addGlobal, nowMs } from './natives.ts'
import { addRequest, Request, type RequestOptions, targetIn } from './request.ts'
import { addResponse, answerContent, answered, type Response } from './response.ts'

/** Sends requests for the run that is going on. */
export interface Sender {
  /** Rejects with the hub's CapabilityError. */
  send(request: HttpRequest): Promise<Omit<HttpResponse, 'json'>>
  /** Nobody waits for the answer any more. */
  giveUp(): void
}

/** The hub gives up this much later than the signal, so that it is the signal's reason the plugin hears. */
const HUB_LATER_MS = 50

async function send(request: Request, sender: Sender): Promise<Response> {
  const { method, headers, signal, redirect, url } = request
  signal.throwIfAborted()
  const content = take(contentIn(request))
  const atMs = deadlineOf(signal)
  const asked: HttpRequest = {
    method,
    url: targetIn(request),
    headers: sendable(headers),
    ...(content === null ? {} : { body: sentText(content.data) }),
    ...(atMs === undefined ? {} : { timeoutMs: Math.max(1, atMs - nowMs()) + HUB_LATER_MS }),
  }
  const answer = await unlessAborted(sender, asked, signal).catch((error: unknown) => {
    throw signal.aborted ? error : networkError(error)
  })
  if (redirect !== 'manual' && answer.status >= 300 && answer.status < 400 && answer.headers['location'] !== undefined)
    throw failure('The hub follows no redirects; fetch with redirect: "manual" answers the redirect itself')
  const body = answerContent(answer.status, answer.body, brokenOf(answer))
  return answered({ status: answer.status, headers: answer.headers, content: body, url: url.replace(/#.*$/s, '') })
}

/** Requests are text underneath; bytes pass where they are text too. */
function sentText(data: string | Uint8Array): string {
  if (typeof data === 'string') return data
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    throw failure('The sandbox sends text only: the body is not UTF-8')
  }
}

function brokenOf({ truncated, headers }: Omit<HttpResponse, 'json'>): string | null {
  if (truncated) return 'The answer is longer than the hub reads (ctx.http gives the part that it read)'
  const encoding = headers['content-encoding']?.toLowerCase()
  if (encoding === undefined || encoding === '' || encoding === 'identity') return null
  return `The answer came with content-encoding ${encoding}, which the hub does not decode`
}

/** The hub's request goes on to its own end; only nobody waits for it any more. */
function unlessAborted(sender: Sender, asked: HttpRequest, signal: AbortSignal): ReturnType<Sender['send']> {
  const answer = sender.send(asked)
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      sender.giveUp()
      reject(signal.reason)
    }
    signal.addEventListener('abort', stop, { once: true })
    const end = (): void => signal.removeEventListener('abort', stop)
    answer.then(resolve, reject).then(end, end)
  })
}

/** The standard's one error, with the hub's code on it: uncaught, that code decides retry or dead as ever. */
function networkError(cause: unknown): Error {
  const { code, message } = (typeof cause === 'object' && cause !== null ? cause : {}) as Partial<NodeJS.ErrnoException>
  const error = new TypeError(`fetch failed: ${message ?? String(cause)}`, { cause })
  return code === undefined ? error : Object.assign(error, { code })
}

const failure = (why: string): TypeError => new TypeError(`fetch failed: ${why}`)

/** `senderNow` answers who sends now, or undefined outside any run. */
export function addFetch(senderNow: () => Sender | undefined): void {
  addBlob()
  addHeaders()
  addRequest()
  addResponse()
  addGlobal('fetch', async function fetch(input: unknown, init: RequestOptions | null = null): Promise<Response> {
    const request = new Request(input, init)
    const sender = senderNow()
    if (sender === undefined) throw failure('it works only while the plugin runs, not while it is being loaded')
    return send(request, sender)
  })
}
