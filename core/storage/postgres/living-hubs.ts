/** Which hub processes use a database right now, by its own clock. */
import type { ClientBase, Pool } from 'pg'

/** A process that has said nothing for so long is gone. */
const BEAT_WITHIN = '15 seconds'

interface HubRow {
  readonly id: string
  readonly role: string
  readonly url: string | null
}

/** Each in words, such as `api at http://10.0.0.7:8420`. None where there is no schema yet. */
export async function livingHubs(db: ClientBase | Pool): Promise<readonly string[]> {
  const { rows: tables } = await db.query<{ found: string | null }>("SELECT to_regclass('hub_processes') AS found")
  if (tables[0]?.found == null) return []
  const { rows } = await db.query<HubRow>(
    `SELECT id, role, url FROM hub_processes WHERE beat_at > now() - interval '${BEAT_WITHIN}' ORDER BY started_at`,
  )
  return rows.map(({ id, role, url }) => `${role} at ${url ?? id}`)
}
