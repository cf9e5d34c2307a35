/** All that a hub says and keeps, as texts: what it must not hold can be looked for in it. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Hub } from './hub.ts'
import { allItems } from './pages.ts'

/** Deliveries of each state whose attempts are read, with their requests and answers. */
const SHOWN_MAX = 10

/** By where it was found: logs, answers of the API about an installation, and each file of the data folder. */
export async function leftBehind(hub: Hub, installation: string): Promise<ReadonlyMap<string, string>> {
  const texts = new Map([
    ['logs', JSON.stringify(hub.logs)],
    ['stderr', hub.stderr],
    ['stdout', hub.stdout.join('\n')],
  ])
  const read = async (path: string): Promise<void> => void texts.set(path, (await hub.api('GET', path)).text)
  await read(`/api/v2/installations/${installation}`)
  await read('/api/v2/runs?limit=200')
  const deliveries = await allItems<{ id: string; state: string; attempts: number }>(hub, '/api/v2/deliveries')
  for (const state of new Set(deliveries.map((delivery) => delivery.state))) {
    const most = deliveries.filter((delivery) => delivery.state === state).toSorted((a, b) => b.attempts - a.attempts)
    for (const { id } of most.slice(0, SHOWN_MAX)) await read(`/api/v2/deliveries/${id}`)
  }
  for (const name of readdirSync(hub.dataDir, { recursive: true })) {
    const path = join(hub.dataDir, String(name))
    if (statSync(path).isFile()) texts.set(path, readFileSync(path, 'latin1'))
  }
  return texts
}

/** Where any of these stands. */
export const placesOf = (secrets: readonly string[], texts: ReadonlyMap<string, string>): readonly string[] =>
  [...texts].filter(([, text]) => secrets.some((secret) => text.includes(secret))).map(([place]) => place)
