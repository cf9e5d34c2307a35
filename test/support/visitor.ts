/** Somebody with a browser that runs no script and follows no redirect. */
import { expect } from 'vitest'
import type { Hub } from './hub.ts'

export interface Shown {
  readonly status: number
  readonly text: string
  readonly location: string | null
  readonly cookies: readonly string[]
  readonly headers: Headers
}

interface Asked {
  readonly cookie?: string
  readonly form?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Visitor {
  /** With these cookies; forms come from a page of the hub unless said otherwise. */
  ask(path: string, how?: Asked): Promise<Shown>
  /** With a key; answers the cookie that says so. */
  signIn(key: string): Promise<string>
}

/** Of the hub that there is when something is asked. */
export function visitorOf(hub: () => Hub): Visitor {
  const ask = async (path: string, { cookie, form, headers: more }: Asked = {}): Promise<Shown> => {
    const answer = await fetch(hub().url + path, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: {
        ...(cookie === undefined ? {} : { cookie }),
        ...(form === undefined ? {} : { origin: hub().url }),
        ...more,
      },
      ...(form === undefined ? {} : { body: new URLSearchParams(form) }),
    })
    const { status, headers } = answer
    const [location, cookies] = [headers.get('location'), headers.getSetCookie()]
    return { status, headers, text: await answer.text(), location, cookies }
  }
  return {
    ask,
    signIn: async (key) => {
      const { status, cookies } = await ask('/sign-in', { form: { key } })
      expect(status).toBe(303)
      return String(cookies[0]).split(';')[0] as string
    },
  }
}
