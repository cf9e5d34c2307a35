/** `manifold dev` beside an author who edits plugins: what is saved is what runs, however an editor saves it. */
import { spawn } from 'node:child_process'
import { mkdir, readFile, rename, truncate, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startDev, SWAPPED } from '../support/dev.ts'
import type { Dev } from '../support/dev.ts'
import { ROOT, TEST_ADMIN_KEY } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { tempDir } from '../support/temp.ts'
import type { TempDir } from '../support/temp.ts'
import { sleep, until } from '../support/wait.ts'
import { runCli } from './run-cli.ts'

let temp: TempDir
let receiver: Receiver
beforeEach(async () => {
  temp = await tempDir('dev')
  receiver = await startReceiver()
  expect((await runCli(temp.path, ['plugin', 'new', 'fresh'])).code).toBe(0)
})
afterEach(async () => {
  await receiver[Symbol.asyncDispose]()
  await temp[Symbol.asyncDispose]()
})

const MAIN = 'my-plugins/fresh/index.ts'
const configure = (ids: readonly string[] = ['fresh']) =>
  writeFile(
    temp.file('manifold.yaml'),
    JSON.stringify({
      pluginDirs: ['my-plugins'],
      network: { allow: ['127.0.0.1/32'] },
      forms: {
        hello: {
          name: 'Hello',
          fields: [
            { key: 'name', type: 'text' },
            { key: 'email', type: 'email', pii: true },
          ],
        },
      },
      installations: ids.map((id) => ({ id, use: 'fresh', with: { url: `${receiver.url}/${id}` } })),
    }),
  )

async function send({ url }: Dev, name: string, more: object = {}): Promise<string> {
  const answer = await fetch(`${url}/api/v2/forms/hello/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TEST_ADMIN_KEY}` },
    body: JSON.stringify({ data: { name, ...more } }),
  })
  expect(answer.status).toBe(201)
  return ((await answer.json()) as { event_id: string }).event_id
}

it('says that a saved plugin asks for more and how to grant it, since the version before goes on running', async () => {
  await configure()
  await using dev = await startDev(temp.path)
  const file = temp.file('my-plugins/fresh/plugin.json')
  const manifest = JSON.parse(await readFile(file, 'utf8')) as { permissions: object }
  await writeFile(file, JSON.stringify({ ...manifest, permissions: { ...manifest.permissions, kv: true } }))
  await until('dev to tell', () => dev.said(), { accept: (text) => text.includes('manifold plugin approve fresh') })
  expect(dev.said()).toContain('fresh 0.1.0 is not what was granted and waits: + kv')
})

it('a manifold.yaml that is made later is taken over, and what any editor saves is what runs', async () => {
  const code = await readFile(temp.file(MAIN), 'utf8')
  const edition = (n: number) => code.replace('json: item.input', `json: { edition: ${n} }`)
  await using dev = await startDev(temp.path)
  const configured = dev.next({ msg: 'configuration loaded' })
  await configure()
  await configured
  const saves: readonly ((text: string) => Promise<void>)[] = [
    (text: string) => writeFile(temp.file(MAIN), text),
    async (text: string) => {
      await truncate(temp.file(MAIN))
      await writeFile(temp.file(MAIN), text)
    },
    async (text: string) => {
      await writeFile(temp.file(`${MAIN}.swp`), text)
      await rename(temp.file(`${MAIN}.swp`), temp.file(MAIN))
    },
    async (text: string) => {
      await rename(temp.file(MAIN), temp.file(`${MAIN}~`))
      await writeFile(temp.file(MAIN), text)
    },
    async (text: string) => {
      const split = text.replace('export default', "import { edition } from './inner/edition.ts'\n\nexport default")
      await mkdir(temp.file('my-plugins/fresh/inner'))
      await Promise.all([
        writeFile(temp.file(MAIN), split.replace(/edition: \d+/, 'edition')),
        writeFile(temp.file('my-plugins/fresh/inner/edition.ts'), `export const edition = 5\n`),
      ])
    },
    // In a folder that is new, a file that is not the entry.
    () => writeFile(temp.file('my-plugins/fresh/inner/edition.ts'), `export const edition = 6\n`),
  ]
  for (const [index, save] of saves.entries()) {
    const swapped = dev.next({ msg: SWAPPED, installation: 'fresh' })
    await save(edition(index + 1))
    await swapped
    await send(dev, 'Ada')
    const requests = await receiver.received(index + 1)
    expect(requests.at(-1)?.json()).toEqual({ edition: index + 1 })
  }
})

it('what cannot be loaded leaves the code from before running, and is told with its place', async () => {
  const code = await readFile(temp.file(MAIN), 'utf8')
  await configure()
  await using dev = await startDev(temp.path)
  const refused = dev.next({ msg: /^does not compile: .+\. What ran before goes on running$/ })
  await writeFile(temp.file(MAIN), `${code}\nconst half = {]`)
  const lineNumber = code.split('\n').length + 1
  // Seen from the folder in which `dev` was started.
  expect((await refused).line).toMatchObject({
    level: 'error',
    plugin: 'fresh',
    at: `${MAIN}:${lineNumber}:15`,
    source: 'const half = {]',
  })
  await send(dev, 'Ada')
  expect((await receiver.received(1))[0]?.json()).toEqual({ form: 'Hello', answers: { name: 'Ada' } })
})

it('log lines and errors name the file and line of the plugin, the event and the delivery', async () => {
  const code = await readFile(temp.file(MAIN), 'utf8')
  await writeFile(
    temp.file(MAIN),
    code
      .replace(/ {6}ctx\.enqueue/, "      ctx.log.debug('deciding', { name: event.data['name'] ?? null })\n$&")
      .replace(/ {8}const \{ url/, "        console.warn('posting', new Error('no reason'))\n$&")
      .replace(
        'return send(',
        "if (String(item.input.answers['name']) === 'Bob') throw new Error('not Bob')\n        $&",
      ),
  )
  const lineOf = async (text: string) =>
    (await readFile(temp.file(MAIN), 'utf8')).split('\n').findIndex((line) => line.includes(text)) + 1
  await configure()
  await using dev = await startDev(temp.path)
  const deciding = dev.next({ msg: 'deciding' })
  const posting = dev.next({ msg: /^posting/ })
  const failed = dev.next({ msg: 'an action failed' })
  const withheld = dev.next({ msg: /^answers were withheld/ })
  const event = await send(dev, 'Bob', { email: 'bob@example.org' })
  const told = { installation: 'fresh', plugin: 'fresh', event }
  expect((await deciding).line).toMatchObject({
    ...told,
    level: 'debug',
    at: expect.stringMatching(new RegExp(`^index\\.ts:${await lineOf('deciding')}:\\d+$`)) as string,
    fields: { name: 'Bob' },
  })
  const { line } = await posting
  expect(line).toMatchObject({
    ...told,
    level: 'warn',
    at: expect.stringMatching(new RegExp(`^index\\.ts:${await lineOf('posting')}:\\d+$`)) as string,
    delivery: expect.stringMatching(/^dlv_/) as string,
  })
  // The stack that it logs itself is in its own places, too.
  expect(line['msg']).toMatch(new RegExp(`no reason[^]*index\\.ts:${await lineOf('posting')}:`))
  // Once, by the name of the field alone: what was answered is private.
  expect((await withheld).line).toMatchObject({ ...told, name: 'response.submitted', withheld: ['email'] })
  expect((await failed).line).toMatchObject({
    ...told,
    code: 'plugin_threw',
    error: expect.stringMatching(new RegExp(`^not Bob \\(index\\.ts:${await lineOf('not Bob')}:\\d+\\)$`)) as string,
    delivery: line['delivery'],
  })
  expect(JSON.stringify((await withheld).line)).not.toContain('bob@example.org')
})

it('--replay has the last events seen again by what was saved, and by nobody else', async () => {
  const code = await readFile(temp.file(MAIN), 'utf8')
  expect((await runCli(temp.path, ['plugin', 'new', 'other'])).code).toBe(0)
  await configure()
  const yaml = temp.file('manifold.yaml')
  const config = JSON.parse(await readFile(yaml, 'utf8')) as { installations: object[] }
  config.installations.push({ id: 'other', use: 'other', with: { url: `${receiver.url}/other` } })
  await writeFile(yaml, JSON.stringify(config))
  await using dev = await startDev(temp.path, ['--replay', '2'])
  const events = []
  for (const name of ['Ada', 'Bob', 'Cid']) events.push(await send(dev, name))
  await receiver.received(6)
  const ids = new Set(receiver.requests.map(({ headers }) => headers['idempotency-key']))
  receiver.forget()
  await writeFile(temp.file(MAIN), code.replace('answers: event.data', 'answers: { ...event.data, event: event.id }'))
  await receiver.received(2)
  await sleep(300)
  expect(
    receiver.requests.map(({ path, headers, json: _, ...request }) => [
      path,
      ids.has(headers['idempotency-key'] ?? ''),
      JSON.parse(request.body),
    ]),
  ).toEqual([
    ['/fresh', false, { form: 'Hello', answers: { name: 'Bob', event: events[1] } }],
    ['/fresh', false, { form: 'Hello', answers: { name: 'Cid', event: events[2] } }],
  ])
})

it.skipIf(process.platform !== 'linux')(
  'on a terminal the log is made for people, r replays, and Ctrl-C ends it in order',
  async () => {
    await configure()
    // util-linux's: the program gets a terminal, we keep pipes.
    const command = `exec ${ROOT}node_modules/.bin/node ${ROOT}core/cli/main.ts dev --port 0`
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: temp.path,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], MANIFOLD_ADMIN_KEY: TEST_ADMIN_KEY, TERM: 'xterm' },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    let screen = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (screen += text))
    try {
      await until('the keys to be told', () => screen, { accept: (text) => text.includes('keys: r') })
      const url = /"url":"([^"]+)"/.exec(screen)?.[1] ?? ''
      const event = await send({ url } as Dev, 'Ada')
      await receiver.received(1)
      child.stdin.write('r')
      const [, again] = await receiver.received(2)
      expect(again?.json()).toEqual({ form: 'Hello', answers: { name: 'Ada' } })
      await until('it to be told', () => screen, {
        accept: (text) => text.includes(`fresh: ${event} again: ${again?.headers['idempotency-key']}`),
      })
      // What went well is told as well, to somebody who watches.
      await until('the delivery to be told', () => screen, { accept: (text) => text.includes('an action delivered') })
      // oxlint-disable-next-line no-control-regex -- colours
      expect(screen.replaceAll(/\u001b\[\d+m/g, '')).toMatch(/\d\d:\d\d:\d\d\.\d{3} info {2}serving \{"url":/)
      child.stdin.write('\u0003')
      expect(await ended).toBe(0)
      expect(screen).toContain('finishing what runs')
    } finally {
      child.kill('SIGKILL')
      await ended
    }
  },
)
