/** What a browser is shown where there is no page, or where one could not be had: in words, with the way back, and nothing else. */
import { html } from '../html.ts'
import type { Html } from '../html.ts'
import { readCookies } from './cookies.ts'
import { pageAnswer } from './layout.ts'

export interface Stray {
  readonly status: number
  /** What may be said of it; the rest is in the hub's log. */
  readonly title: string
  readonly detail: string
  readonly requestId: string
  readonly cookie: string | undefined
}

export function strayPage({ status, title, detail, requestId, cookie }: Stray): Response {
  const { theme } = readCookies(cookie)
  const view = {
    title: status === 404 ? 'There is no such page' : title,
    status,
    body: bodyOf(status, detail, requestId),
  }
  return pageAnswer({ visit: null, theme, nav: '', requestId, view })
}

const bodyOf = (status: number, detail: string, requestId: string): Html =>
  html`<p>${status === 404 ? 'The address is mistyped, or what stood there is gone.' : detail}</p>
<p class="gap"><a class="button" href="/">Open the dashboard</a></p>
<p class="soft">${status}${status >= 500 ? html` · the hub’s log has the cause under <code>${requestId}</code>` : null}</p>`
