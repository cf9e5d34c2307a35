/** The hub as one API and one worker process on Postgres, asked like the hub that is alone. The database counts as its own. */
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { Client } from 'pg'
import { privatePostgres } from '../support/services.ts'
import type { FreshDatabase } from '../support/services.ts'
import { startHub } from '../support/hub.ts'
import { BENCH_FORM } from './payload.ts'
import { familyOf } from './processes.ts'
import type { Target, TargetMaker } from './targets.ts'

/** Who works for what, to be charged apart. */
export interface FleetTarget extends Target {
  readonly parts: Readonly<Record<'api' | 'worker' | 'postgres', () => readonly number[]>>
}

/**
 * `await using database = await benchDatabase()`: in a Postgres of its own, which keeps its promises to the disk, and whose
 * log nobody else fills.
 */
export async function benchDatabase(): Promise<FreshDatabase> {
  const server = await privatePostgres()
  const name = `manifold_bench_${randomBytes(4).toString('hex')}`
  const client = new Client({ connectionString: server.url })
  await client.connect()
  await client.query(`CREATE DATABASE ${name}`)
  await client.end()
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return { url: url.href, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** A database, an API process that takes submissions, a worker that delivers them. */
export const fleetTarget: TargetMaker = async (sinkUrl) => {
  const database = await benchDatabase()
  const target = await fleetOn(database.url)(sinkUrl)
  return {
    ...target,
    [Symbol.asyncDispose]: async () => {
      await target[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** The same on a database that is there already, and stays. */
export const fleetOn =
  (databaseUrl: string) =>
  async (sinkUrl: string): Promise<FleetTarget> => {
    const sink = { id: 'sink', use: 'webhooks', with: { url: sinkUrl, secret: 'bench-secret-bench-secret' } }
    const start = (role: 'api' | 'worker') =>
      startHub({
        config: { forms: { bench: BENCH_FORM }, network: { allow: ['127.0.0.1/32'] }, installations: [sink] },
        env: { MANIFOLD_LOG_LEVEL: 'warn', DATABASE_URL: databaseUrl },
        args: ['--role', role],
      })
    const worker = await start('worker')
    const api = await start('api')
    const parts = {
      api: () => familyOf(api.pid),
      worker: () => familyOf(worker.pid),
      postgres: () => postgresPids(databaseUrl),
    }
    return {
      name: 'fleet',
      port: Number(new URL(api.url).port),
      path: '/api/v2/responses',
      headers: { authorization: `Bearer ${api.adminKey}` },
      hub: api,
      parts,
      pids: () => [...parts.api(), ...parts.worker(), ...parts.postgres()],
      [Symbol.asyncDispose]: async () => {
        await api[Symbol.asyncDispose]()
        await worker[Symbol.asyncDispose]()
      },
    }
  }

/** Those that serve this database, and those that write for all: others may use the same server meanwhile. */
export function postgresPids(databaseUrl: string): readonly number[] {
  const name = new URL(databaseUrl).pathname.slice(1)
  const mine = new RegExp(`^postgres: .*(\\b${name}\\b|walwriter|checkpointer|background writer)`)
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => {
      try {
        return mine.test(readFileSync(`/proc/${entry}/cmdline`, 'utf8'))
      } catch {
        return false
      }
    })
    .map(Number)
}
