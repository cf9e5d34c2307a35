/** Slips that only warn: forms and fields that the file does not have, with their places. */
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { runCli } from '../cli/run-cli.ts'
import { tempDir } from '../support/temp.ts'

const FILE = `forms:
  contact: { name: Contact, fields: [{ key: email, type: email }, { key: topic, type: text }] }
  order: { name: Order, fields: [{ key: amount, type: number }] }
installations:
  - id: a
    use: webhooks
    when: { form: contact, filter: { $or: [{ data.topik: Sales }, { data.email: x }, { form.id: ordre }] } }
    with:
      url: https://a.example
      secret: "0123456789abcdef0123456789abcdef"
      template: { who: "{{data.email}} and {{ data.emial }}", n: "{{#data.topic}}x{{/data.topic}}", f: "{{form.name}}" }
  - id: b
    use: webhooks
    when: { form: [contac, order] }
    with: { url: https://b.example, secret: "0123456789abcdef0123456789abcdef", template: "{{data.whatever}}" }
  - id: c
    use: webhooks
    with: { url: https://c.example, secret: "0123456789abcdef0123456789abcdef", template: { a: "{{data.amount}}", b: "{{data.amuont}}" } }
`

/** Line and column of a text that stands there once. */
function at(text: string): string {
  const lines = FILE.slice(0, FILE.indexOf(text)).split('\n')
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`
}

test('config check warns of them, says what was probably meant, and is content all the same', async () => {
  await using temp = await tempDir('doubts')
  await writeFile(temp.file('manifold.yaml'), FILE)
  const { code, stderr, stdout } = await runCli(temp.path, ['config', 'check'])
  expect([code, stdout]).toEqual([0, ''])
  expect(stderr.split('\n').slice(0, -2)).toEqual([
    `warning: manifold.yaml:${at('data.topik')} installations[0].when.filter.$or[0]["data.topik"] the form "contact" has no field "topik" → did you mean "topic"?`,
    `warning: manifold.yaml:${at('ordre }')} installations[0].when.filter.$or[2]["form.id"] the file has no form "ordre" → did you mean "order"?`,
    `warning: manifold.yaml:${at('"{{data.email}} and')} installations[0].with.template.who the form "contact" has no field "emial" → did you mean "email"?`,
    `warning: manifold.yaml:${at('contac,')} installations[1].when.form[0] the file has no form "contac" → did you mean "contact"?`,
    `warning: manifold.yaml:${at('"{{data.amuont')} installations[2].with.template.b none of its forms has a field "amuont" → did you mean "amount"?`,
  ])
  const json = JSON.parse((await runCli(temp.path, ['config', 'check', '--json'])).stdout) as {
    ok: boolean
    problems: object[]
    warnings: { line: number }[]
  }
  expect([json.ok, json.problems, json.warnings.map(({ line }) => line)]).toEqual([true, [], [7, 7, 11, 14, 18]])
})
