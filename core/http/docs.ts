/** `/openapi.json` and `/docs`: the API explains itself, from its own description, with nothing from elsewhere. */
import { ERRORS } from '../errors.ts'
import { html } from '../html.ts'
import type { Html } from '../html.ts'
import { page } from './html.ts'
import { openApiText } from './openapi.ts'
import { API_HEADERS, problemType } from './problem.ts'
import type { Route } from './route.ts'

/** `routes` is asked when somebody looks: the table is complete by then. */
export function docsRoutes(routes: () => readonly Route[]): Route[] {
  let text: string | undefined
  const description = (): string => (text ??= openApiText(routes()))
  return [
    {
      method: 'GET',
      path: '/openapi.json',
      access: 'open',
      handler: (call) =>
        new Response(description(), {
          headers: {
            ...API_HEADERS,
            'content-type': 'application/json',
            'access-control-allow-origin': '*',
            'x-request-id': call.requestId,
          },
        }),
    },
    {
      method: 'GET',
      path: '/docs',
      access: 'open',
      handler: (call) =>
        page({
          title: 'Manifold API',
          wide: true,
          requestId: call.requestId,
          script: FILTER_SCRIPT,
          body: reference(JSON.parse(description()) as Description),
        }),
    },
  ]
}

interface Description {
  readonly info: { readonly title: string; readonly description: string }
  readonly paths: { readonly [path: string]: { readonly [method: string]: Operation } }
  readonly components: { readonly schemas: { readonly [name: string]: unknown } }
}

interface Operation {
  readonly tags: readonly string[]
  readonly summary: string
  readonly description?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
    readonly schema: unknown
  }[]
  readonly requestBody?: { readonly content: { readonly [type: string]: Content } }
  readonly responses: {
    readonly [status: string]: { readonly description: string; readonly content?: { readonly [type: string]: Content } }
  }
}

interface Content {
  readonly schema: unknown
  readonly example?: unknown
}

/** Narrows the list while you type; the page is complete without it. */
const FILTER_SCRIPT = `
const box = document.getElementById('filter');
box.hidden = false;
box.addEventListener('input', (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const one of document.querySelectorAll('details.operation')) one.hidden = !one.firstElementChild.textContent.toLowerCase().includes(wanted);
});
`

function reference(description: Description): Html {
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const groups = Object.entries(Object.groupBy(operations, ({ operation }) => operation.tags[0] ?? ''))
  return html`<h1>${description.info.title} API</h1>
<p>${description.info.description}</p>
<p>The same as a file: <a href="/openapi.json">openapi.json</a>. A first request:</p>
<pre>curl -sS /api/v2/forms/contact/responses -H 'content-type: application/json' \\
  -d '{"data":{"email":"ada@example.com"}}'</pre>
<p id="filter" hidden><label>Find <input type="search"></label></p>
${groups.map(([tag, entries]) => html`<h2>${tag}</h2>${(entries ?? []).map(operationHtml)}`)}
<h2>Shapes</h2>
${Object.entries(description.components.schemas).map(([name, schema]) => html`<details id="shape-${name}"><summary>${name}</summary><pre>${JSON.stringify(schema, null, 2)}</pre></details>`)}
<h2>Problems</h2>
<table><thead><tr><th>Type</th><th>Status</th><th>Meaning</th><th>Try again</th></tr></thead><tbody>
${Object.entries(ERRORS).map(([code, row]) => html`<tr id="problem-${code}"><td><code class="wrap">${problemType(code as keyof typeof ERRORS)}</code></td><td>${row.status}</td><td>${row.title}</td><td>${row.retryable ? 'yes' : 'no'}</td></tr>`)}
</tbody></table>`
}

function operationHtml({ path, method, operation }: { path: string; method: string; operation: Operation }): Html {
  const { parameters = [], requestBody, responses } = operation
  return html`<details class="operation"><summary><span class="verb">${method.toUpperCase()}</span> <code class="wrap">${path}</code> ${operation.summary}</summary>
${(operation.description ?? '').split('\n\n').map((text) => html`<p>${text}</p>`)}
${parameters.length === 0 ? null : html`<table><thead><tr><th>Parameter</th><th>In</th><th>Shape</th></tr></thead><tbody>${parameters.map((one) => html`<tr><td><code>${one.name}</code>${one.required === true ? ' (required)' : ''}</td><td>${one.in}</td><td class="wrap">${one.description ?? ''} <code>${JSON.stringify(one.schema)}</code></td></tr>`)}</tbody></table>`}
${Object.entries(requestBody?.content ?? {}).map(([type, content]) => html`<p>Body: <code>${type}</code> ${shapeLink(content.schema)}</p>${content.example === undefined ? null : html`<pre>${JSON.stringify(content.example, null, 2)}</pre>`}`)}
<table><thead><tr><th>Answer</th><th>Meaning</th></tr></thead><tbody>${Object.entries(responses).map(([status, one]) => html`<tr><td>${status}</td><td>${one.description} ${Object.values(one.content ?? {}).map(({ schema }) => shapeLink(schema))}</td></tr>`)}</tbody></table>
</details>`
}

/** A link to a named shape, or the shape itself. */
function shapeLink(schema: unknown): Html {
  const reference = typeof schema === 'object' && schema !== null && '$ref' in schema ? String(schema.$ref) : null
  const name = reference?.split('/').at(-1)
  if (name !== undefined) return html`<a href="#shape-${name}">${name}</a>`
  const text = JSON.stringify(schema, null, 2)
  return text.length < 60
    ? html`<code>${text}</code>`
    : html`<details><summary>shape</summary><pre>${text}</pre></details>`
}
