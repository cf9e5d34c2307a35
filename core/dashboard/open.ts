/** The dashboard: takes a browser's request, finds out who asks, lets a screen answer, and puts the page around it. */
import { randomBytes } from 'node:crypto'
import { html } from '../html.ts'
import type { Logger } from '../observe/observe.ts'
import { ApiProblem } from './api.ts'
import type { Api } from './api.ts'
import { openAssets } from './assets.ts'
import type { Minify } from './assets.ts'
import { flashCookie, noFlash, noSession, readCookies } from './cookies.ts'
import type { Cookies } from './cookies.ts'
import { apiOf, redirect } from './knock.ts'
import type { DashboardRoute, Knock } from './knock.ts'
import { facts } from './parts/facts.ts'
import { pageAnswer, placeOf } from './layout.ts'
import { lighter } from './lighter.ts'
import { cameByHttps, isOwnPage } from './origin.ts'
import { openReports } from './reports.ts'
import { SCREENS } from './screens.ts'
import { signInRoutes } from './sign-in.ts'
import { WHOSE, whose } from './visit.ts'
import type { Answer, Me, Screen, Theme, View, Visit } from './visit.ts'

export interface DashboardDeps {
  readonly logger: Logger
  readonly minify: Minify
}

/** Every path, in the order in which they are tried. */
export function openDashboard({ logger, minify }: DashboardDeps): readonly DashboardRoute[] {
  const reports = openReports(logger)
  const assets = openAssets(minify)
  return [
    ...SCREENS.map((screen) => ({
      method: screen.method,
      path: screen.path,
      counted: false,
      answer: async (knock: Knock) =>
        lighter(await visited(screen, knock, logger), screen.method, knock.incoming.headers),
    })),
    ...signInRoutes(),
    reports.route,
    ...assets.all.map((asset) => ({
      method: 'GET' as const,
      path: asset.path,
      counted: false,
      answer: (knock: Knock) => assets.answer(asset, knock.incoming.headers),
    })),
  ]
}

async function visited(screen: Screen, knock: Knock, logger: Logger): Promise<Response> {
  const cookies = readCookies(knock.incoming.headers.cookie)
  if (screen.method === 'POST' && !isOwnPage(knock.incoming.headers)) return refusedOrigin(knock, cookies.theme)
  if (cookies.session === null) return toSignIn(knock, false)
  const api = apiOf(knock, cookies.session)
  let visit: Visit | null = null
  try {
    visit = visitOf(knock, { cookies, api, me: await api.get<Me>('/api/v2/me') })
    return shown(visit, screen.nav, isOfAnother(visit) ? refusedKey(visit) : await answered(screen, visit))
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) return toSignIn(knock, true)
    if (!(error instanceof ApiProblem))
      logger.error({ err: error, request: knock.requestId, path: screen.path }, 'A page of the dashboard failed')
    const view = failure(error, knock.requestId, screen.nav)
    return pageAnswer({ visit, theme: cookies.theme, nav: screen.nav, view, requestId: knock.requestId })
  }
}

function visitOf(
  knock: Knock,
  { cookies, api, me }: { readonly cookies: Cookies; readonly api: Api; readonly me: Me },
): Visit {
  const url = new URL(knock.url, 'http://hub')
  return {
    api,
    me,
    url,
    theme: cookies.theme,
    nonce: randomBytes(16).toString('base64url'),
    requestId: knock.requestId,
    flash: cookies.flash,
    form: new URLSearchParams(knock.body),
    header: (name) => {
      const value = knock.incoming.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    param: (name) => knock.param(name),
    query: (name) => url.searchParams.get(name) || undefined,
    may: (scope) => me.key.scopes.includes(scope) || me.key.scopes.includes('admin'),
  }
}

function answered({ scope, answer }: Screen, visit: Visit): Promise<Answer> {
  if (scope === undefined || visit.may(scope)) return answer(visit)
  throw new ApiProblem(403, { code: 'forbidden', detail: `This needs a key with the scope "${scope}".` })
}

/** The page that this was sent from was made for another key or workspace than the cookies name by now. */
function isOfAnother(visit: Visit): boolean {
  const said = visit.form.get(WHOSE) ?? visit.query(WHOSE)
  visit.form.delete(WHOSE)
  return said !== undefined && said !== whose(visit)
}

/** What was typed is not lost. */
function refusedKey({ me, form }: Visit): Answer {
  const sent = [...form].filter(([, value]) => value !== '')
  return {
    view: {
      title: 'You are signed in as someone else now',
      status: 409,
      body: html`<p>The page that you sent this from was made for another key or workspace. This browser is signed in with <strong>${me.key.name}</strong> in <strong>${me.workspace}</strong> by now, so nothing was done.</p>
<p>Open the page anew to do it with this key, or sign out and sign in with the other one.</p>
${sent.length === 0 ? null : html`<details><summary>What was sent</summary>${facts(sent.map(([name, value]) => [name, html`<span class="lines">${value}</span>`]))}</details>`}`,
    },
  }
}

function shown(visit: Visit, nav: string, answer: Answer): Response {
  if ('response' in answer) return answer.response
  if ('view' in answer) {
    const page = pageAnswer({ visit, theme: visit.theme, nav, view: answer.view, requestId: visit.requestId })
    if (visit.flash !== null) page.headers.append('set-cookie', noFlash(false))
    return page
  }
  return redirect(answer.redirect, answer.flash === undefined ? [] : [flashCookie(answer.flash, false)])
}

/** Remembers where to go on; only a page that is read can be gone on to. */
function toSignIn({ incoming, url }: Knock, hadSession: boolean): Response {
  const to = incoming.method === 'GET' && url !== '/' ? `/sign-in?next=${encodeURIComponent(url)}` : '/sign-in'
  return redirect(to, hadSession ? [noSession(cameByHttps(incoming.headers))] : [])
}

const refusedOrigin = ({ requestId }: Knock, theme: Theme): Response =>
  pageAnswer({
    visit: null,
    theme,
    nav: '',
    requestId,
    view: {
      title: 'Not sent from this dashboard',
      status: 403,
      body: html`<p>What you sent came from a page of another site, so nothing was done. Open the dashboard and do it there.</p>
<p><a class="button" href="/">Open the dashboard</a></p>`,
    },
  })

function failure(error: unknown, requestId: string, nav: string): View {
  if (!(error instanceof ApiProblem))
    return {
      title: 'This page could not be made',
      status: 500,
      body: html`<p>The hub's log has the cause under <code>${requestId}</code>.</p>`,
    }
  const title =
    error.status === 404
      ? 'There is nothing here'
      : error.status === 403
        ? 'Your key may not do this'
        : 'The hub refused this'
  const place = placeOf(nav)
  return {
    title,
    status: error.status,
    ...(place === undefined || error.status === 403 ? {} : { trail: [place] }),
    body: html`<p>${error.message}</p>
${error.problems.length < 2 ? null : html`<ul>${error.problems.map(({ pointer, detail }) => html`<li><code>${pointer || '/'}</code> ${detail}</li>`)}</ul>`}
<p class="soft"><code>${error.code}</code>${error.requestId === '' ? null : html` · <code>${error.requestId}</code>`}</p>`,
  }
}
