/** Coming in and going out: with an API key, or by a link that works once. The theme is here too, since it needs no key. */
import { html } from '../html.ts'
import type { Html } from '../html.ts'
import { ApiProblem } from './api.ts'
import { noSession, readCookies, sessionCookie, themeCookie } from './cookies.ts'
import { pageAnswer } from './layout.ts'
import { apiOf, redirect } from './knock.ts'
import type { DashboardRoute, Knock } from './knock.ts'
import { cameByHttps, isOwnPage } from './origin.ts'
import { THEMES } from './visit.ts'

/** What `/api/v2/sessions` answers. */
interface Opened {
  readonly token: string
  readonly expires_at: string
}

/** They ask for no session. */
export const signInRoutes = (): readonly DashboardRoute[] => [
  { method: 'GET', path: '/sign-in', counted: false, answer: async (knock) => keyPage(knock, null) },
  { method: 'POST', path: '/sign-in', counted: true, answer: withKey },
  { method: 'GET', path: '/sign-in/{token}', counted: false, answer: async (knock) => linkPage(knock) },
  { method: 'POST', path: '/sign-in/{token}', counted: true, answer: byLink },
  { method: 'POST', path: '/sign-out', counted: false, answer: signOut },
  { method: 'POST', path: '/theme', counted: false, answer: setTheme },
]

async function withKey(knock: Knock): Promise<Response> {
  const key = new URLSearchParams(knock.body).get('key')?.trim() ?? ''
  if (!isOwnPage(knock.incoming.headers)) return keyPage(knock, ELSEWHERE)
  if (!/^[\x21-\x7e]+$/.test(key)) return keyPage(knock, 'Paste an API key: it begins with mfk_.')
  try {
    return entered(knock, await apiOf(knock, key).send<Opened>('POST', '/api/v2/sessions'), nextOf(knock))
  } catch (error) {
    if (error instanceof ApiProblem) return keyPage(knock, error.message, error.status)
    throw error
  }
}

async function byLink(knock: Knock): Promise<Response> {
  if (!isOwnPage(knock.incoming.headers)) return keyPage(knock, ELSEWHERE)
  try {
    const body = { link: knock.param('token') }
    return entered(knock, await apiOf(knock, null).send<Opened>('POST', '/api/v2/sessions/follow', body), '/')
  } catch (error) {
    if (error instanceof ApiProblem) return keyPage(knock, error.message, error.status)
    throw error
  }
}

const ELSEWHERE = 'That was sent from another site. Sign in here.'

const entered = ({ incoming }: Knock, { token, expires_at: end }: Opened, next: string): Response =>
  redirect(next, [sessionCookie(token, end, cameByHttps(incoming.headers))])

async function signOut(knock: Knock): Promise<Response> {
  const { headers } = knock.incoming
  const { session } = readCookies(headers.cookie)
  if (!isOwnPage(headers)) return redirect('/')
  if (session !== null) {
    await apiOf(knock, session)
      .send('DELETE', '/api/v2/sessions/current')
      .catch((error: unknown) => {
        // It had ended already.
        if (!(error instanceof ApiProblem)) throw error
      })
  }
  return redirect('/sign-in', [noSession(cameByHttps(headers))])
}

async function setTheme({ incoming, body }: Knock): Promise<Response> {
  const form = new URLSearchParams(body)
  const theme = THEMES.find((each) => each === form.get('theme'))
  const next = ownPath(form.get('next'))
  return theme === undefined || !isOwnPage(incoming.headers)
    ? redirect(next)
    : redirect(next, [themeCookie(theme, cameByHttps(incoming.headers))])
}

const nextOf = ({ url }: Knock): string => ownPath(new URL(url, 'http://hub').searchParams.get('next'))

/** A path of this hub, or its first page: nobody is sent elsewhere. */
function ownPath(text: string | null): string {
  if (text === null || !text.startsWith('/')) return '/'
  const url = URL.parse(text, 'http://hub')
  // Dots are gone from the path by now, which may have made two slashes of it: the name of another site.
  return url?.origin === 'http://hub' && !url.pathname.startsWith('//') && !text.includes('\\')
    ? url.pathname + url.search
    : '/'
}

function keyPage(knock: Knock, problem: string | null, status = problem === null ? 200 : 400): Response {
  const next = nextOf(knock)
  const action = next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`
  const body = html`<form method="post" action="${action}" class="stack">
<input type="hidden" autocomplete="username" value="API key">
<div class="field">
<label for="key">API key</label>
${problem === null ? null : html`<p class="error" id="key-problem" role="alert">${problem}</p>`}
<input id="key" name="key" type="password" autocomplete="current-password" required autofocus spellcheck="false"${problem === null ? null : html` aria-invalid="true" aria-describedby="key-problem"`}>
</div>
<button>Sign in</button>
</form>
<p class="soft">On the machine of the hub, a link that works once: <code>manifold dashboard link</code>. A session lasts twelve hours and ends with its key.</p>`
  return bare(knock, body, status)
}

/** Looking at a link does not use it up: programs that look at links for people do that. */
const linkPage = (knock: Knock): Response =>
  bare(
    knock,
    html`<p>This link opens a session of twelve hours in this browser. It works once.</p>
<form method="post" action="/sign-in/${encodeURIComponent(knock.param('token'))}"><button autofocus>Sign in</button></form>`,
    200,
  )

function bare(knock: Knock, body: Html, status: number): Response {
  const { theme } = readCookies(knock.incoming.headers.cookie)
  return pageAnswer({
    visit: null,
    theme,
    nav: '',
    requestId: knock.requestId,
    view: { title: 'Sign in', body, status },
  })
}
