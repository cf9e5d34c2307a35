/** A browser's request before anybody knows who sent it, and the ways to answer it without a page. */
import type { IncomingMessage } from 'node:http'
import { openApi } from './api.ts'
import type { Api, Place } from './api.ts'

/** A browser's request as the hub's door hands it on. */
export interface Knock {
  readonly requestId: string
  readonly incoming: IncomingMessage
  readonly url: string
  /** Of a POST. */
  readonly body: string
  /** Headers with which the API counts for whoever sent this what it would count for the dashboard. */
  readonly behalf: Readonly<Record<string, string>>
  /** Counts what nobody waits for, apart from all else that strangers ask; true: this address sent too much of it. */
  isTooMuch(): boolean
  param(name: string): string
}

/** A path of the dashboard. `counted`: strangers may ask it, only so often. */
export interface DashboardRoute {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly counted: boolean
  readonly answer: (knock: Knock) => Promise<Response>
}

/** The API for whoever sent this request, by the end of the connection it came on. */
export const apiOf = ({ incoming, behalf }: Knock, token: string | null): Api =>
  openApi({ ...placeOf(incoming), behalf }, token)

function placeOf({ socket }: IncomingMessage): Omit<Place, 'behalf'> {
  const { localAddress = '127.0.0.1', localPort = 0 } = socket
  return { host: localAddress.replace(/^::ffff:/, ''), port: localPort }
}

/** 303: whatever was sent, the next page is asked for. */
export function redirect(to: string, cookies: readonly string[] = []): Response {
  const headers = new Headers({ location: to, 'cache-control': 'no-store' })
  for (const cookie of cookies) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}
