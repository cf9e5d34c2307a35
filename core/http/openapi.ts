/** The API's description (OpenAPI 3.1), made from the route table; `openapi.json` beside this file is its committed copy. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ERRORS } from '../errors.ts'
import { SCOPES } from '../model.ts'
import { problemType } from './problem.ts'
import type { Access, Route, RouteDoc } from './route.ts'

/** Where the committed copy lies. */
export const OPENAPI_FILE = fileURLToPath(new URL('./openapi.json', import.meta.url))

const API_VERSION = '2.0.0'

const problemSchema = z
  .object({
    type: z.string().openapi({ example: problemType('invalid_response') }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string().openapi({ description: `One of ${Object.keys(ERRORS).join(', ')}.` }),
    instance: z.string().openapi({ description: 'The request id, as in the header X-Request-Id.' }),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .openapi('Problem')

/** The description as text, formatted as the committed copy is. */
export function openApiText(routes: readonly Route[]): string {
  const app = new OpenAPIHono()
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'mfk_…',
    description: `An API key, or a token (JWT) of an issuer that \`auth.jwt\` of manifold.yaml names. Scopes: ${SCOPES.join(', ')}; \`admin\` is all of them.`,
  })
  for (const route of routes)
    if (route.doc !== undefined) app.openAPIRegistry.registerPath(pathConfig(route, route.doc))
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Manifold',
      version: API_VERSION,
      description:
        'A self-hosted integration hub for forms. JSON is snake_case, times are RFC 3339 UTC, errors are RFC 9457 problem details, lists answer `{items, next_cursor}`.',
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: '/' }],
  })
  return `${JSON.stringify(document, null, 2)}\n`
}

/** Brings the committed copy up to date with this text. */
export const writeOpenApi = (text: string, file: string = OPENAPI_FILE): void => writeFileSync(file, text)

type PathConfig = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0]

function pathConfig(route: Route, doc: RouteDoc): PathConfig {
  const params = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string)
  const { description, query, headers, body } = doc
  return {
    method: route.method.toLowerCase() as 'get',
    path: route.path,
    operationId: operationId(route),
    tags: [doc.tag],
    summary: doc.summary,
    description: [description, accessText(route.access)]
      .filter((text) => text !== undefined && text !== '')
      .join('\n\n'),
    security: security(route.access),
    request: {
      ...(params.length === 0
        ? {}
        : { params: z.object(Object.fromEntries(params.map((name) => [name, z.string()]))) }),
      ...(query === undefined ? {} : { query }),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body: { required: body.required ?? true, content: bodyContent(body) } }),
    },
    responses: {
      ...Object.fromEntries(Object.entries(doc.responses).map(([status, one]) => [status, responseConfig(one)])),
      default: { description: 'A problem', content: { 'application/problem+json': { schema: problemSchema } } },
    },
  }
}

function bodyContent(body: NonNullable<RouteDoc['body']>): Record<string, { schema: z.ZodType; example?: unknown }> {
  const main = { schema: body.schema, ...(body.example === undefined ? {} : { example: body.example }) }
  const more = (body.more ?? []).map((type) => [type, { schema: z.string() }] as const)
  return { [body.type ?? 'application/json']: main, ...Object.fromEntries(more) }
}

function responseConfig(one: RouteDoc['responses'][number]): {
  description: string
  content?: Record<string, { schema: z.ZodType; example?: unknown }>
} {
  if (one.schema === undefined && one.type === undefined) return { description: one.description }
  return {
    description: one.description,
    content: {
      [one.type ?? 'application/json']: {
        schema: one.schema ?? z.string(),
        ...(one.example === undefined ? {} : { example: one.example }),
      },
    },
  }
}

/** `listForms`-like names out of method and path: stable as long as the path is. */
function operationId(route: Route): string {
  const words = route.path
    .replace('/api/v2', '')
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '')
  return [route.method.toLowerCase(), ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join('')
}

function security(access: Access): Record<string, string[]>[] {
  if (access === 'open' || access === 'stranger') return []
  if (access === 'submit' || access === 'local') return [{}, { apiKey: [] }]
  return [{ apiKey: [] }]
}

function accessText(access: Access): string {
  if (access === 'submit') return 'No key for public forms; otherwise a key with the scope `responses:write`.'
  if (access === 'any-key') return 'Needs any valid key.'
  if (access === 'open' || access === 'local' || access === 'stranger') return ''
  return `Needs the scope \`${access}\`.`
}
