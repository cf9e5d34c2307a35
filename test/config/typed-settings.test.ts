/** Settings as they were typed: each with its line, and nothing secret in any of them. */
import { expect, test } from 'vitest'
import type { KnownPlugin } from '../../core/config/config.ts'
import { readTyped } from '../../core/config/typed-settings.ts'

const SECRET = 'no-one-may-see-this'
const TEXT = `forms:
  contact:
    fields:
      - { key: email, type: email }
      - key: note
installations:
  - id: crm
    use: hook
    with:
      url: https://user:${SECRET}@example.com/in
      seal: ${SECRET}
      token: \${CRM_TOKEN}
      password: \${CRM_PASSWORD:-${SECRET}}
      tags: []
  - id: crm
    workspace: other
    use: hook
    with: { url: "https://other.example" }
email: { url: "smtp://u:${SECRET}@mail.example", from: a@example.com }
`
const plugins: readonly KnownPlugin[] = [{ id: 'hook', checkWith: () => [], secretPaths: () => [['seal']] }]
const read = (text: string) => readTyped({ file: 'manifold.yaml', text, plugins })

test('each setting goes by ids, with the line it stands on', () => {
  const lines = Object.fromEntries((read(TEXT)?.settings ?? []).map(({ name, line }) => [name, line]))
  expect(lines).toMatchObject({
    'forms.contact.fields.email.type': 4,
    'forms.contact.fields.note.key': 5,
    'installations.crm.with.url': 18,
    'installations.crm.with.tags': 14,
    'email.from': 19,
  })
})

test('variables show by their names; what is secret shows nowhere, also not in a piece of the file', () => {
  const typed = read(TEXT)
  const crm = { kind: 'installation', workspace: 'default', id: 'crm' } as const
  const own = (typed?.settings ?? []).filter(
    ({ owner }) => owner?.kind === 'installation' && owner.workspace === 'default',
  )
  expect(Object.fromEntries(own.map(({ name, value }) => [name.split('.').at(-1), value]))).toEqual({
    id: 'crm',
    use: 'hook',
    url: 'https://***@example.com/in',
    seal: '***',
    token: '${CRM_TOKEN}',
    password: '***',
    tags: [],
  })
  expect(typed?.yamlOf(crm)).toContain('token: ${CRM_TOKEN}')
  expect(typed?.yamlOf({ ...crm, workspace: 'other' })).toContain('url: https://other.example')
  expect(typed?.yamlOf({ ...crm, id: 'nobody' })).toBeNull()
  expect(JSON.stringify([typed?.settings, typed?.yamlOf(crm)])).not.toContain(SECRET)
})

test('what is no YAML has no settings', () => {
  expect(read('forms: [')).toBeNull()
})
