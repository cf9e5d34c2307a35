/** What is around every page: head, navigation, title, and the policy under which a browser shows it. */
import { randomBytes } from 'node:crypto'
import { Html, html } from '../html.ts'
import { CHART_SCRIPT, ICON, MOVE_SCRIPT, SCRIPT, STYLE, TYPING_SCRIPT } from './assets.ts'
import { REPORT_PATH } from './reports.ts'
import { THEMES, WHOSE, whose } from './visit.ts'
import type { Theme, View, Visit } from './visit.ts'

interface Entry {
  readonly nav: string
  readonly label: string
  readonly href: string
  /** What a key must have for it to be shown; null: any key. */
  readonly scope: string | null
}

/** Groups of the navigation, in order. */
const NAVIGATION: readonly { readonly label: string | null; readonly entries: readonly Entry[] }[] = [
  { label: null, entries: [{ nav: 'overview', label: 'Overview', href: '/', scope: null }] },
  {
    label: 'Coming in',
    entries: [
      { nav: 'forms', label: 'Forms', href: '/forms', scope: 'forms:read' },
      { nav: 'responses', label: 'Responses', href: '/responses', scope: 'responses:read' },
      { nav: 'events', label: 'Events', href: '/events', scope: 'responses:read' },
    ],
  },
  {
    label: 'Going out',
    entries: [
      { nav: 'deliveries', label: 'Deliveries', href: '/deliveries', scope: 'deliveries:write' },
      { nav: 'dead-letters', label: 'Dead letters', href: '/dead-letters', scope: 'deliveries:write' },
      { nav: 'hooks', label: 'Hooks', href: '/hooks', scope: 'hooks:write' },
    ],
  },
  {
    label: 'Running',
    entries: [
      { nav: 'plugins', label: 'Plugins', href: '/installations', scope: 'deliveries:write' },
      { nav: 'runs', label: 'Runs', href: '/runs', scope: 'deliveries:write' },
      { nav: 'keys', label: 'API keys', href: '/keys', scope: 'admin' },
      { nav: 'config', label: 'Config', href: '/config', scope: 'admin' },
      { nav: 'system', label: 'System', href: '/system', scope: 'admin' },
    ],
  },
  {
    label: 'Analytics',
    entries: [
      { nav: 'analytics', label: 'By form', href: '/analytics', scope: 'analytics:read' },
      { nav: 'saved', label: 'Saved', href: '/analytics/saved', scope: 'analytics:read' },
      { nav: 'question', label: 'Questions', href: '/analytics/question', scope: 'analytics:read' },
      { nav: 'funnel', label: 'Funnels', href: '/analytics/funnel', scope: 'analytics:read' },
      { nav: 'retention', label: 'Retention', href: '/analytics/retention', scope: 'analytics:read' },
      { nav: 'journeys', label: 'Journeys', href: '/analytics/journeys', scope: 'analytics:read' },
    ],
  },
]

/** Where a screen stands in the navigation: the way back of a page that has nothing else to show. */
export const placeOf = (nav: string): { readonly label: string; readonly href: string } | undefined =>
  NAVIGATION.flatMap(({ entries }) => entries).find((entry) => entry.nav === nav)

export interface PageInput {
  /** Null: nobody is signed in. */
  readonly visit: Visit | null
  readonly theme: Theme
  readonly nav: string
  readonly view: View
  readonly requestId: string
}

/** The whole answer. */
export function pageAnswer({ visit, theme, nav, view, requestId }: PageInput): Response {
  const nonce = visit?.nonce ?? randomBytes(16).toString('base64url')
  const text = html`<!doctype html>
<html lang="en"${theme === 'auto' ? null : html` data-theme="${theme}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${view.title} · Manifold</title>
<link rel="icon" href="${ICON.path}" type="image/svg+xml">
<link rel="stylesheet" href="${STYLE.path}" nonce="${nonce}">
${
  visit === null
    ? null
    : html`<script src="${SCRIPT.path}" data-charts="${CHART_SCRIPT.path}" data-typing="${TYPING_SCRIPT.path}" nonce="${nonce}" defer></script>
<script src="${MOVE_SCRIPT.path}" nonce="${nonce}" defer></script>`
}
${view.reloads === true && view.refreshMs !== undefined ? html`<noscript><meta http-equiv="refresh" content="${Math.ceil(view.refreshMs / 1_000)}"></noscript>` : null}
</head>
${visit === null ? bareBody(view) : bound(visit, body({ visit, nav, view }))}
</html>
`.text
  return new Response(text, { status: view.status ?? 200, headers: headersOf(nonce, requestId) })
}

const FORM = /<form method="post"[^>]*>/g

/**
 * Cookies belong to all pages of a browser: whoever signs in with another key does so below pages that are open already. Each form
 * says whose page it is on, put in here so that none can forget it. No text of anybody can look like a form: it is escaped.
 */
function bound(visit: Visit, { text }: Html): Html {
  const field = html`<input type="hidden" name="${WHOSE}" value="${whose(visit)}">`.text
  return new Html(text.replaceAll(FORM, (form) => form + field))
}

/** A few words in a frame of another page. The frame is of no origin, so it may not load what this one serves: its style is in it. */
export function framedAnswer({ nonce, requestId, theme }: Visit, { title, body: says }: View): Response {
  const { 'content-security-policy': policy = '', ...headers } = headersOf(nonce, requestId)
  return new Response(
    html`<!doctype html>
<html lang="en"${theme === 'auto' ? null : html` data-theme="${theme}"`}>
<head><meta charset="utf-8"><title>${title}</title><style nonce="${nonce}">${new Html(STYLE.source)}</style></head>
<body class="framed">${says}</body>
</html>
`.text,
    {
      headers: {
        ...headers,
        'content-security-policy': `${policy.replace("frame-ancestors 'none'", "frame-ancestors 'self'")}; sandbox`,
        'x-frame-options': 'SAMEORIGIN',
      },
    },
  )
}

const headersOf = (nonce: string, requestId: string): Record<string, string> => ({
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "img-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
    // Not report-to: with that, browsers gather reports for minutes, and send none over plain http.
    `report-uri ${REPORT_PATH}`,
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'x-robots-tag': 'noindex, nofollow',
  'cache-control': 'no-store',
  'x-request-id': requestId,
})

const BRAND = html`<a class="brand" href="/"><img src="${ICON.path}" alt="" width="22" height="22"> Manifold</a>`

const bareBody = (view: View): Html => html`<body class="bare${view.isWide === true ? ' wide' : ''}">
<main id="main">
<p>${BRAND}</p>
<h1>${view.title}</h1>
${view.body}
</main>
</body>`

const body = ({ visit, nav, view }: { visit: Visit; nav: string; view: View }): Html => html`<body>
<a class="skip" href="#main">Skip to the page</a>
<header class="side"><div class="still">
${BRAND}
<details class="menu"><summary>Menu</summary>
${navigation(visit, nav)}
</details>
<div class="wide-menu">${navigation(visit, nav)}</div>
</div></header>
<main id="main"${view.isList === true ? html` data-list` : null}>
${visit.flash === null ? null : html`<p class="flash" role="status">${visit.flash}</p>`}
${view.refreshMs === undefined && view.live === undefined ? null : html`<div class="currency" data-currency><span role="status"></span></div>`}
<div data-region data-whose="${whose(visit)}"${view.refreshMs === undefined ? null : html` data-refresh="${view.refreshMs}"`}${view.live === undefined ? null : html` data-live="${`${view.live.from}&${WHOSE}=${encodeURIComponent(whose(visit))}`}"`}>
<div class="head">
<div>
${view.trail === undefined ? null : html`<p class="trail">${view.trail.map(({ label, href }) => html`<a href="${href}">${label}</a> <span aria-hidden="true">/</span> `)}</p>`}
<h1>${view.title}</h1>
</div>
${view.actions == null ? null : html`<div class="actions">${view.actions}</div>`}
</div>
${view.body}
</div>
${foot(visit)}
</main>
</body>`

const navigation = (visit: Visit, nav: string): Html => html`<nav aria-label="Main">
${NAVIGATION.map(({ label, entries }) => {
  const open = entries.filter(({ scope }) => scope === null || visit.may(scope))
  if (open.length === 0) return null
  const items = open.map(
    (entry) =>
      html`<li><a href="${entry.href}"${entry.nav === nav ? html` aria-current="page"` : null}>${entry.label}</a></li>`,
  )
  return html`${label === null ? null : html`<p class="group">${label}</p>`}<ul>${items}</ul>`
})}
</nav>
<div class="who">
<p>${visit.me.key.name}<br><span class="soft">${visit.me.workspace}</span></p>
<form method="post" action="/theme" class="theme"><input type="hidden" name="next" value="${visit.url.pathname}${visit.url.search}"><fieldset><legend class="away">Theme</legend>${THEMES.map((theme) => html`<button name="theme" value="${theme}"${theme === visit.theme ? html` aria-pressed="true"` : html` aria-pressed="false"`}>${THEME_LABELS[theme]}</button>`)}</fieldset></form>
<form method="post" action="/sign-out"><button class="plain">Sign out</button></form>
</div>`

const THEME_LABELS: Readonly<Record<Theme, string>> = { auto: 'Auto', light: 'Light', dark: 'Dark' }

/** Every page is made of the API; it says how, so that a script can do the same. */
const foot = (visit: Visit): Html => html`<footer>
<details><summary>This page as API calls</summary>
<ul class="calls">${visit.api.asked.map((line) => html`<li><code>${line}</code></li>`)}</ul>
</details>
<p>Times are UTC · Manifold ${visit.me.version} · <a href="/docs">API</a></p>
</footer>`
