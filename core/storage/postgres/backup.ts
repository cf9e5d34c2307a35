/** Backups of Postgres are made by its own tools; they take a consistent copy while the hub runs. */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import type { Pool } from 'pg'
import { environment } from '../../config/settings.ts'
import { HubError } from '../../errors.ts'

/** Who is alive, and what would link hashes of addresses. */
const STAYING = ['hub_processes', 'event_salts']

/** Writes a file for `pg_restore`, for nobody else to read. */
export async function dumpPostgres(url: string, file: string): Promise<void> {
  // The tool keeps the mode of a file that is there.
  writeFileSync(file, '', { mode: 0o600 })
  await runTool(
    'pg_dump',
    ['--format=custom', '--no-owner', ...STAYING.map((table) => `--exclude-table-data=${table}`), `--file=${file}`],
    url,
  )
}

/**
 * Puts a dump in the place of what the database holds. Tables that the dump does not know, since it was made by an older
 * program, go too: their steps will run again.
 */
export async function restorePostgres(url: string, file: string, pool: Pool): Promise<void> {
  const dumped = tablesOf(await runTool('pg_restore', ['--list', file], url))
  if (dumped.length === 0) throw new HubError('storage_failed', `${file} holds no tables; is it a backup of a hub?`)
  await runTool('pg_restore', ['--clean', '--if-exists', '--no-owner', '--single-transaction', file], url)
  const { rows } = await pool.query<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables
      WHERE schemaname = current_schema() AND NOT schemaname || ' ' || tablename = ANY($1)`,
    [dumped],
  )
  if (rows.length > 0) await pool.query(`DROP TABLE ${rows.map(({ name }) => name).join(', ')}`)
}

/** `schema table` of each, from lines like `215; 1259 16402 TABLE public forms owner`. */
const tablesOf = (list: string): readonly string[] =>
  [...list.matchAll(/^\d+; \d+ \d+ TABLE (\S+ \S+) /gm)].map(([, name = '']) => name)

/** Answers what it printed. The password goes by the environment: arguments are for everybody to see. */
async function runTool(tool: string, args: readonly string[], url: string): Promise<string> {
  const place = new URL(url)
  const password = decodeURIComponent(place.password)
  place.password = ''
  const target = args[0] === '--list' ? [] : [`--dbname=${place.href}`]
  const child = spawn(tool, [...target, ...args], {
    env: { PATH: environment()['PATH'], ...(password === '' ? {} : { PGPASSWORD: password }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const printed: string[] = []
  const said: string[] = []
  child.stdout.setEncoding('utf8').on('data', (text: string) => void printed.push(text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => void said.push(text))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (error) => {
      reject(
        new HubError('unavailable', `${tool} cannot be run (${error.message}); install the PostgreSQL client tools.`),
      )
    })
    child.once('close', resolve)
  })
  if (code !== 0) throw new HubError('storage_failed', `${tool} failed: ${said.join('').trim().slice(-500)}`)
  return printed.join('')
}
