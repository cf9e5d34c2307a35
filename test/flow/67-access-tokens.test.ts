/** Access tokens in a whole hub: many deliveries share one, a refused one is replaced once, and it stands nowhere but in requests. */
import { readdirSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { settled, startHub } from '../support/hub.ts'
import { childrenOf } from '../support/processes.ts'
import { startReceiver } from '../support/receiver.ts'

const FLOW_PLUGINS = new URL('../fixtures/flow-plugins', import.meta.url).pathname
const KEY = 'canary-client-secret-0123456789'
const tokenOf = (n: number): string => `canary-access-token-${n}-abcdefghijkl`
const RESPONSES = 12
const TIMEOUT_MS = 180_000

/** Which of the texts stand in the memory of a process; none where it has ended. */
async function inMemory(pid: number, texts: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  try {
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
    await using memory = await open(`/proc/${pid}/mem`, 'r')
    for (const [, start = '', end = ''] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw/gm)) {
      const length = Number.parseInt(end, 16) - Number.parseInt(start, 16)
      const buffer = Buffer.alloc(length)
      const position = BigInt(`0x${start}`)
      const read = await memory.read({ buffer, offset: 0, length, position }).catch(() => null)
      for (const text of texts) if (buffer.subarray(0, read?.bytesRead ?? 0).includes(text)) found.add(text)
    }
  } catch (error) {
    if (!/ENOENT|ESRCH/.test(String(error))) throw error
  }
  return [...found]
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`)
}

test(
  'one token for all, replaced once when it is refused, and told to nobody',
  async () => {
    let tokens = 0
    let revoked = 0
    const uses: string[] = []
    await using receiver = await startReceiver((request) => {
      if (request.path === '/token') {
        tokens += 1
        return {
          body: JSON.stringify({ access_token: tokenOf(tokens), refresh_token: `${KEY}-refresh`, scope: 'all' }),
        }
      }
      const sent = request.headers['authorization'] ?? ''
      uses.push(sent)
      const isRevoked = sent === `Bearer ${tokenOf(revoked)}`
      // It says back all that it was told.
      return {
        status: isRevoked ? 401 : 200,
        body: `${sent} ${request.path} ${request.body}`,
        headers: { 'x-echo': sent },
      }
    })
    await using hub = await startHub({
      config: {
        forms: { deck: { name: 'Deck', fields: [{ key: 'key', type: 'text' }] } },
        network: { allow: ['127.0.0.1/32'] },
        pluginDirs: [FLOW_PLUGINS],
        installations: [
          {
            id: 'bearer',
            use: 'bearer',
            with: { url: receiver.url, key: KEY },
            concurrency: 8,
            retry: { schedule: ['50ms'] },
          },
        ],
      },
      env: { MANIFOLD_LOG_LEVEL: 'debug' },
    })
    const send = async (keys: readonly string[]) => {
      const sent = await hub.api(
        'POST',
        '/api/v2/forms/deck/responses/batch',
        keys.map((key) => ({ data: { key } })),
      )
      expect(sent.status, sent.text).toBe(200)
      await settled(hub)
    }
    await send(Array.from({ length: RESPONSES }, (_, n) => `k${n}`))
    expect([tokens, uses.length]).toEqual([1, RESPONSES])
    revoked = 1
    await send([...Array.from({ length: RESPONSES }, (_, n) => `r${n}`), 'throw'])
    expect(tokens).toBe(2)

    const { body: deliveries } = await hub.api<{ items: { id: string; state: string; error: string | null }[] }>(
      'GET',
      '/api/v2/deliveries?limit=200',
    )
    const states = Object.groupBy(deliveries.items, ({ state }) => state)
    expect([states['delivered']?.length, states['dead']?.length]).toEqual([2 * RESPONSES, 1])
    expect(states['dead']?.[0]?.error).toContain('thrown')

    const told = [hub.stderr, ...hub.stdout, JSON.stringify(hub.logs)]
    for (const { id } of deliveries.items) told.push((await hub.api('GET', `/api/v2/deliveries/${id}`)).text)
    const runs = await hub.api<{ items: { id: string }[] }>('GET', '/api/v2/runs?limit=100')
    for (const { id } of runs.body.items) told.push((await hub.api('GET', `/api/v2/runs/${id}`)).text)
    const all = told.join('\n')
    expect(all).toContain('all there is')
    expect(all).toContain('Bearer [secret]')
    const canaries = [tokenOf(1), tokenOf(2), KEY]
    for (const canary of canaries) expect(all.includes(canary), canary).toBe(false)

    const held = 'seen-by-the-plugin-k0'
    const found: string[] = []
    for (const pid of await childrenOf(hub.pid)) found.push(...(await inMemory(pid, [held, ...canaries])))
    expect(found).toEqual([held])

    await hub.kill()
    for (const file of filesBelow(hub.dataDir)) {
      const bytes = readFileSync(file)
      for (const canary of canaries) expect(bytes.includes(canary), `${canary} in ${file}`).toBe(false)
    }
  },
  TIMEOUT_MS,
)
