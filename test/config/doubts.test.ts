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

const QUIET = `forms:
  contact:
    name: Contact
    fields: [{ key: email, type: email, pii: true }, { key: phone, type: text }, { key: topic, type: text }]
  order: { name: Order, fields: [{ key: topic, type: text, pii: true }, { key: amount, type: number }] }
email: { url: "smtp://mail.example.org", from: "forms@example.org" }
installations:
  - { id: a, use: sources, with: { from: tally, secret: "0123456789abcdef", fields: { whatever: a, email: b } } }
  - id: b
    use: webhooks
    when: { filter: { form.id: made-elsewhere, data.any: 1 } }
    with: { url: https://b.example, secret: "0123456789abcdef0123456789abcdef", template: "{{data.any}}" }
  - id: c
    use: webhooks
    when: { filter: { $and: [{ form.id: { $in: [contact] } }, { data.phone: { $ne: x } }] } }
    with: { url: https://b.example, secret: "0123456789abcdef0123456789abcdef", template: "{{data.topic}} {{data.amount}}" }
  - { id: d0, use: webhooks, when: { form: tally-w7d }, with: { url: https://b.example } }
  - { id: d, use: email, when: { form: contact }, pii: true, with: { respondent: { field: phone } } }
  - { id: e, use: email, when: { form: contact }, pii: true, with: { respondent: {} } }
`

test('what is no slip is not told: forms that a source makes, forms that only a filter names; a field of another type is', async () => {
  await using temp = await tempDir('doubts')
  await writeFile(temp.file('manifold.yaml'), QUIET)
  const { code, stderr } = await runCli(temp.path, ['config', 'check'])
  expect(code).toBe(0)
  expect(
    stderr
      .split('\n')
      .map((line) => line.replace(/^.*?(installations|$)/, '$1'))
      .slice(0, -2),
  ).toEqual([
    'installations[2].with.template the form "contact" has no field "amount"',
    'installations[4].with.respondent.field "phone" is a field of type text in the form "contact", and this wants one of type email → did you mean "email"?',
  ])
})

const SEEN = `forms:
  contact:
    name: Contact
    fields:
      - { key: email, type: email, pii: true }
      - { key: topic, type: select, options: [Sales, Help] }
      - { key: amount, type: number }
network: { allow: ["10.1.0.0/16"] }
installations:
  - { id: a, use: email, with: { to: [a@b.example], subject: Hi, digest: { everyMinutes: 5 } } }
  - { id: b, use: email, with: { respondent: {} } }
  - { id: c, use: email, pii: [emial], with: { respondent: { field: mail, text: "{{data.email}}" } } }
  - { id: d, use: email, pii: [email], with: { respondent: { field: email, text: "{{data.email}}" } } }
  - { id: e, use: webhooks, when: { filter: { data.amount: "5", data.topic: { $in: [Sale, 3, Help] } } }, with: { url: "http://10.0.0.5:9000/x" } }
  - { id: f, use: webhooks, when: { filter: { data.amount: { $gte: 5 } } }, with: { url: "http://localhost/x" } }
  - { id: g, use: webhooks, when: { event: delivery.dead }, with: { url: "http://10.1.2.3/x", template: "{{data.installation}}" } }
  - { id: h, use: sources, with: { from: tally, secret: "0123456789abcdef", form: contcat, fields: { emial: a } } }
  - { id: i, use: sources, with: { from: tally, secret: "0123456789abcdef", form: contact, fields: { emial: a } } }
  - { id: j, use: sources, with: { from: tally, secret: "0123456789abcdef", form: to-be-made, fields: { any: a } } }
  - { id: k, use: webhooks, when: { form: [to-be-made, nobodys] }, with: { url: "https://x.example" } }
  - { id: l, use: zapier }
  - { id: m, use: zapier, workspace: other }
`

test('config check warns of what an installation names and may not see, cannot reach, or never meets', async () => {
  await using temp = await tempDir('doubts-seen')
  await writeFile(temp.file('manifold.yaml'), SEEN)
  const { code, stderr } = await runCli(temp.path, ['config', 'check'])
  const told = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^warning: manifold\.yaml:(\d+):\d+ installations\[\d+\]\.?/, '$1 '))
  const noServer = (line: number): string =>
    `${line} use sends e-mail, and the file names no mail server → add a section: email: { url: smtp://user:password@mail.example.org:587, from: Forms <forms@example.org> }`
  expect([code, told]).toEqual([
    0,
    [
      noServer(10),
      '10 with.subject does nothing beside "digest" → leave it out, or "digest"',
      noServer(11),
      '11 with.respondent.field "email" is marked pii in the form "contact", and this installation may not see it → grant it in the installation: pii: [email]',
      noServer(12),
      '12 pii[0] the form "contact" has no field "emial" → did you mean "email"?',
      '12 with.respondent.field the form "contact" has no field "mail" → did you mean "email"?',
      '12 with.respondent.text "email" is marked pii in the form "contact", and this installation may not see it → grant it in the installation: pii: [emial, email]',
      noServer(13),
      '14 when.filter["data.amount"] answers to "amount" are a number, so none equals "5" → write it without quotes: 5',
      '14 when.filter["data.topic"].$in[0] "topic" has no option "Sale" → did you mean "Sales"?',
      '14 when.filter["data.topic"].$in[1] answers to "topic" are text, so none equals 3 → put it in quotes: "3"',
      '14 with.url the hub does not send there: 10.0.0.5 is a private or special address → if it is meant: network: { allow: ["10.0.0.5/32"] }',
      '15 with.url the hub does not send there: 127.0.0.1 is a private or special address → if it is meant: network: { allow: ["127.0.0.1/32"] }',
      '17 with.form the file has no form "contcat" → did you mean "contact"?',
      '18 with.fields.emial the form "contact" has no field "emial" → did you mean "email"?',
      '20 when.form[1] the file has no form "nobodys"',
      '21 use hooks will be sent blanks for what is marked pii: "email" of the form "contact" → add pii: true to the installation, or pii: false if blanks are meant',
      expect.stringMatching(/manifold\.yaml would run, with 18 warnings: 1 form, 13 installations$/),
    ],
  ])
})

test('a setting that is missing is told by its own name, or as the one it was misspelt as', async () => {
  await using temp = await tempDir('doubts-slack')
  const settings = ['token: x, chanel: C1', 'token: x', 'text: x', 'webhokUrl: "https://hooks.slack.com/x"']
  const lines = settings.map((text, index) => `  - { id: s${index}, use: slack, with: { ${text} } }\n`)
  await writeFile(temp.file('manifold.yaml'), `installations:\n${lines.join('')}`)
  const { stdout } = await runCli(temp.path, ['config', 'check'])
  expect(stdout.trimEnd().split('\n')).toEqual([
    'manifold.yaml:2:45 installations[0].with.chanel unknown setting "chanel" → did you mean "channel"?',
    expect.stringMatching(/^manifold\.yaml:3:27 installations\[1\]\.with "channel" is missing: "token" needs it → /),
    'manifold.yaml:4:27 installations[2].with needs one of "webhookUrl", "token"',
    'manifold.yaml:5:35 installations[3].with.webhokUrl unknown setting "webhokUrl" → did you mean "webhookUrl"?',
  ])
})
