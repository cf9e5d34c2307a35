/** The editor's JSON Schema and `config print`: both come from the same file shape and the plugins' own schemas. */
import { Ajv } from 'ajv'
import { parse } from 'yaml'
import { expect, it } from 'vitest'
import { printConfig } from '../../core/config/print.ts'
import { editorSchema } from '../../core/config/schema.ts'
import { compileWithSchema } from '../../core/registry/with-schema.ts'

const hello = {
  id: 'hello',
  name: 'Hello',
  config: {
    type: 'object',
    properties: {
      url: { type: 'string', format: 'uri' },
      n: { type: 'integer' },
      key: { type: 'string', format: 'secret' },
    },
    required: ['url'],
    additionalProperties: false,
  },
}

it("accepts good files, variables included, and knows each plugin's settings", () => {
  const validate = new Ajv({ strict: false, validateFormats: false }).compile(
    editorSchema([hello, { id: 'other', name: 'Other', config: { type: 'object' } }]),
  )
  const fits = (installation: object) => validate({ installations: [{ id: 'a', ...installation }] })
  expect(
    validate(
      parse(
        'version: 1\nforms: { f: { name: F, fields: [ { key: a, type: text } ] } }\nlimits: { deliveryConcurrency: 3 }',
      ),
    ),
  ).toBe(true)
  expect(
    fits({
      use: 'hello',
      with: { url: 'http://a', n: '${N}' },
      concurrency: '${C:-3}',
      retry: { schedule: ['1s'] },
      paused: '${P}',
    }),
  ).toBe(true)
  expect(fits({ use: 'other', with: { anything: 1 } })).toBe(true)
  expect(fits({ use: 'hello' })).toBe(false)
  expect(fits({ use: 'hello', with: { url: 'x', extra: 1 } })).toBe(false)
  expect(fits({ use: 'hello', with: { url: 'x', n: 'three' } })).toBe(false)
  expect(fits({ use: 'unknown' })).toBe(false)
  expect(fits({ use: 'other', concurrency: 'many' })).toBe(false)
  expect(validate({ form: {} })).toBe(false)
})

it('print --redacted leaves nothing secret', () => {
  const schema = compileWithSchema(hello.config)
  const text = `auth: { jwt: [{ issuer: us, audience: hub, scopes: [admin], secret: a-text-of-many-characters-pw6 }] }
installations:
  - id: a
    use: hello
    with: { url: "https://me:pw1@hooks.example/x", key: plain2 }
  - id: b
    use: gone
    with: { headers: { Authorization: "Bearer tok3" }, url: "\${URL}", password: [pw4], note: fine }
email: { url: "smtp://hub:pw7@x@mail.example.org", from: forms@example.org }
`
  const input = {
    file: 'manifold.yaml',
    text,
    env: { URL: 'https://x/tok5' },
    plugins: [
      {
        id: 'hello',
        checkWith: schema.check,
        secretPaths: (value: Readonly<Record<string, unknown>>) => schema.complete(value).secrets,
      },
    ],
  }
  const redacted = printConfig({ ...input, redacted: true })
  for (const secret of ['pw1', 'plain2', 'tok3', 'pw4', 'tok5', 'pw6', 'pw7', 'x@mail'])
    expect(redacted).not.toContain(secret)
  expect(parse(redacted)).toEqual({
    auth: { jwt: [{ issuer: 'us', audience: 'hub', scopes: ['admin'], secret: '***' }] },
    installations: [
      { id: 'a', use: 'hello', with: { url: 'https://***@hooks.example/x', key: '***' } },
      {
        id: 'b',
        use: 'gone',
        with: { headers: { Authorization: '***' }, url: '***', password: ['***'], note: 'fine' },
      },
    ],
    email: { url: '***', from: 'forms@example.org' },
  })
  expect(parse(printConfig({ ...input, redacted: false })).installations[1].with.url).toBe('https://x/tok5')
})
