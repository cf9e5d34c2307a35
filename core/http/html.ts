/** Pages without a framework: one stylesheet, and a policy that lets nothing else in. */
import { hash, randomBytes } from 'node:crypto'
import { Html, html } from '../html.ts'

const STYLE = `
:root{color-scheme:light dark;--ink:#1c1f24;--soft:#5b6270;--line:#d5d9e0;--paper:#fff;--tint:#f4f6f9;--accent:#0b57d0;--bad:#b3261e;--good:#146c2e}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8ec;--soft:#a3abb8;--line:#3a404a;--paper:#16181c;--tint:#1f2228;--accent:#8ab4f8;--bad:#f2b8b5;--good:#7fd394}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
main{max-width:42rem;margin:0 auto;padding:2rem 1.25rem 4rem}
main.wide{max-width:64rem}
h1{font-size:1.7rem;line-height:1.2;margin:0 0 1rem}
h2{font-size:1.25rem;margin:2.5rem 0 .5rem}
a{color:var(--accent)}
p{margin:.5rem 0}
.soft{color:var(--soft)}
.field{margin:0 0 1.25rem}
label,legend{display:block;font-weight:600;padding:0}
fieldset{border:0;margin:0;padding:0}
.choice{display:flex;gap:.5rem;align-items:baseline;font-weight:400}
.row{display:flex;gap:1rem;flex-wrap:wrap}
.hint{color:var(--soft);font-size:.9rem;margin:.1rem 0}
.error{color:var(--bad);font-size:.95rem;margin:.1rem 0}
.box{border:1px solid var(--line);border-left:.3rem solid var(--bad);padding:.75rem 1rem;margin:0 0 1.5rem;border-radius:.3rem}
input:not([type=checkbox]):not([type=radio]),select,textarea{width:100%;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:.3rem;padding:.5rem .6rem;margin-top:.25rem}
[aria-invalid=true]{border-color:var(--bad)!important}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
button{font:inherit;font-weight:600;color:var(--paper);background:var(--accent);border:0;border-radius:.3rem;padding:.6rem 1.4rem;cursor:pointer}
.away{position:absolute;left:-9999px;width:1px;height:1px;overflow:hidden}
code,pre{font:.875rem/1.45 ui-monospace,monospace}
pre{background:var(--tint);border:1px solid var(--line);border-radius:.3rem;padding:.75rem;overflow:auto;max-width:100%}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.3rem;margin:.4rem 0;padding:.5rem .8rem}
summary{cursor:pointer}
.verb{display:inline-block;min-width:4.2rem;font:600 .8rem ui-monospace,monospace;color:var(--accent)}
.wrap{overflow-wrap:anywhere}
`

const source = (text: string): string => `'sha256-${hash('sha256', text, 'base64')}'`

export interface PageOptions {
  readonly title: string
  readonly body: Html
  readonly status?: number
  readonly wide?: boolean
  /** A small script of the page; allowed by its hash. */
  readonly script?: string
  /** Beside it the hub's own snippet, told how much of visitors may be known. */
  readonly snippet?: { readonly consent: string } | undefined
  /** Where forms of the page may go beside the hub itself: origins. */
  readonly formOrigins?: readonly string[]
  /** Shown inside a page of the hub, where nothing of it runs or sends. */
  readonly isFramed?: boolean
  readonly requestId: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Where pages load what tells of their visitors. */
export const SNIPPET_PATH = '/m.js'

function scriptPolicy(script: string | undefined, nonce: string | null): readonly string[] {
  const sources = [...(script === undefined ? [] : [source(script)]), ...(nonce === null ? [] : [`'nonce-${nonce}'`])]
  return sources.length === 0
    ? []
    : [`script-src ${sources.join(' ')}`, ...(nonce === null ? [] : ["connect-src 'self'"])]
}

/** A whole page with its headers. Nothing from elsewhere loads, and nothing inline but the hashed style and script. */
export function page(options: PageOptions): Response {
  const { title, body, script, snippet } = options
  const nonce = snippet === undefined ? null : randomBytes(16).toString('base64url')
  const text = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<main${options.wide === true ? new Html(' class="wide"') : null}>
${body}
</main>
${script === undefined ? null : new Html(`<script>${script}</script>`)}
${snippet === undefined ? null : html`<script src="${SNIPPET_PATH}" nonce="${nonce}" data-consent="${snippet.consent}" data-pages="off" defer></script>`}
</body>
</html>
`.text
  const policy = [
    "default-src 'none'",
    `style-src ${source(STYLE)}`,
    ...scriptPolicy(script, nonce),
    `form-action ${["'self'", ...(options.formOrigins ?? [])].join(' ')}`,
    "base-uri 'none'",
    ...(options.isFramed === true ? ["frame-ancestors 'self'", 'sandbox'] : ["frame-ancestors 'none'"]),
  ]
  return new Response(text, {
    status: options.status ?? 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-content-type-options': 'nosniff',
      'x-frame-options': options.isFramed === true ? 'SAMEORIGIN' : 'DENY',
      'referrer-policy': 'strict-origin-when-cross-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
      'x-request-id': options.requestId,
      ...options.headers,
    },
  })
}
