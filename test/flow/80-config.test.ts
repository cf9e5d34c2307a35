/** Eighth stop: the file. It is followed when it is right, kept at arm's length when it is not. */
import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import type { Hub } from '../support/hub.ts'
import { startReceiver } from '../support/receiver.ts'
import type { Receiver } from '../support/receiver.ts'
import { DECK, hook, sceneConfig } from '../support/scene.ts'
import { until } from '../support/wait.ts'

interface ConfigStatus {
  readonly in_step: boolean
  readonly running_checksum: string
  readonly problems: readonly { line: number; path: string; message: string }[]
  readonly warnings: readonly { path: string; hint: string | null }[]
}

let receiver: Receiver
let hub: Hub
beforeAll(async () => {
  receiver = await startReceiver()
  hub = await startHub({ config: configOf(['one']) })
})
afterAll(async () => {
  await hub[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

const configOf = (ids: readonly string[]) =>
  sceneConfig({ installations: ids.map((id) => hook(id, `${receiver.url}/${id}`)) })
const status = async () => (await hub.api<ConfigStatus>('GET', '/api/v2/config')).body
const submit = async (key: string) => {
  expect((await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key } })).status).toBe(201)
  await settled(hub)
}
const seen = (key: string) =>
  receiver.requests
    .filter((request) => request.json()['key'] === key)
    .map(({ path }) => path)
    .toSorted()

test('a change of the file is followed by itself', async () => {
  await submit('before')
  await hub.writeConfig(configOf(['one', 'two']))
  await until('the new installation', async () => (await hub.api('GET', '/api/v2/installations/two')).status === 200)
  await submit('after')
  // Stored is not yet begun: an installation that begins a moment later reads on from its cursor, and is no backlog before.
  await until('both installations to have it', () => seen('after').length > 1)
  await settled(hub)
  expect(seen('before')).toEqual(['/one'])
  expect(seen('after')).toEqual(['/one', '/two'])
  expect(await status()).toMatchObject({ in_step: true, problems: [], warnings: [] })
})

test('what is most likely a slip runs, and is told where it stands', async () => {
  const slip = hook('two', `${receiver.url}/two`, { when: { form: 'dek' } })
  await hub.writeConfig(sceneConfig({ installations: [hook('one', `${receiver.url}/one`), slip] }))
  const { warnings } = await until('the warning', status, { accept: (told) => told.warnings.length > 0 })
  expect(warnings).toMatchObject([{ path: 'installations[1].when.form', hint: 'did you mean "deck"?' }])
  expect((await status()).in_step).toBe(true)
  await hub.writeConfig(configOf(['one', 'two']))
  await until('it to be mended', async () => (await status()).warnings.length === 0)
})

test('a broken file changes nothing and is said loudly, with line and column; mending it is enough', async () => {
  const running = (await status()).running_checksum
  await hub.writeConfig('forms:\n  deck: { name: Deck, fields: [{ key: key, type: text }] }\ninstalations: []\n')
  const told = await until('the mistake to be told', status, { accept: ({ problems }) => problems.length > 0 })
  expect(told).toMatchObject({ in_step: false, running_checksum: running })
  expect(told.problems[0]).toMatchObject({ line: 3, path: 'instalations' })
  await submit('still-running')
  expect(seen('still-running')).toEqual(['/one', '/two'])
  expect(await hub.metric('manifold_config_last_reload_ok')).toBe(0)

  await hub.writeConfig(configOf(['two', 'three']))
  await until('the mended file to run', async () => (await status()).in_step)
  await submit('mended')
  expect(seen('mended')).toEqual(['/three', '/two'])
  expect(await hub.metric('manifold_config_last_reload_ok')).toBe(1)
})

test('what the file does not let out waits, and goes out when it does', async () => {
  const walled = (allow: readonly string[]) => ({
    ...sceneConfig({ installations: [hook('walled', `${receiver.url}/walled`)] }),
    network: { allow },
  })
  interface Row {
    readonly state: string
    readonly reason: string | null
  }
  const rowOf = async (id: string) => (await hub.api<Row>('GET', `/api/v2/installations/${id}`)).body
  await hub.writeConfig(walled([]))
  await until('it to run', async () => (await rowOf('walled')).state === 'ready')
  await hub.api('POST', `/api/v2/forms/${DECK}/responses`, { data: { key: 'walled' } })
  const held = await until('it to stand still', () => rowOf('walled'), { accept: ({ state }) => state === 'disabled' })
  expect(held.reason).toContain('settings: The hub does not send to 127.0.0.1')
  const dead = await hub.api<{ items: object[] }>('GET', '/api/v2/dead-letters')
  expect([seen('walled'), dead.body.items]).toEqual([[], []])
  await hub.writeConfig(walled(['127.0.0.1/32']))
  await until('it to arrive', () => seen('walled'), { accept: (paths) => paths.length > 0 })
  expect(seen('walled')).toEqual(['/walled'])
  await hub.writeConfig(configOf(['two', 'three']))
  await until('the old ones to run', async () => (await rowOf('three')).state === 'ready')
})

test('whose tokens count is in the file, and ends with it', async () => {
  const secret = 'a text that only the two of them know'
  const issuer = { issuer: 'https://id.example.com/', audience: 'hub', scopes: ['forms:read'], secret }
  const key = await new SignJWT({ scope: 'forms:read' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(issuer.issuer)
    .setAudience('hub')
    .setSubject('ada')
    .setExpirationTime('5m')
    .sign(Buffer.from(secret))
  const asAda = async () => (await hub.api('GET', '/api/v2/forms', undefined, { key })).status
  expect(await asAda()).toBe(401)
  await hub.writeConfig({ ...configOf(['two', 'three']), auth: { jwt: [issuer] } })
  await until('the token to count', async () => (await asAda()) === 200)
  await hub.writeConfig(configOf(['two', 'three']))
  await until('the token to count no more', async () => (await asAda()) === 401)
})

test('SIGHUP reads the file again; a bad installation only sets itself aside', async () => {
  const broken = { id: 'broken', use: 'webhooks', with: { url: 17 } }
  const unknown = { id: 'unknown', use: 'no-such-plugin' }
  await hub.writeConfig(sceneConfig({ installations: [hook('two', `${receiver.url}/two`), broken, unknown] }))
  hub.signal('SIGHUP')
  const states = await until(
    'the bad ones to be set aside',
    async () => {
      const { body } = await hub.api<{ items: readonly { id: string; state: string; reason: string | null }[] }>(
        'GET',
        '/api/v2/installations',
      )
      return Object.fromEntries(body.items.map(({ id, state, reason }) => [id, { state, reason }]))
    },
    { accept: (all) => all['broken'] !== undefined && all['unknown'] !== undefined },
  )
  expect(states['two']?.state).toBe('ready')
  expect(states['broken']).toMatchObject({ state: 'invalid', reason: expect.stringContaining('url') })
  expect(states['unknown']).toMatchObject({ state: 'invalid', reason: expect.stringContaining('no-such-plugin') })
  await submit('aside')
  expect(seen('aside')).toEqual(['/two'])
})
