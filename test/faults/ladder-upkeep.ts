/** Program of `34-ladder-kill.test.ts`: upkeep of behaviour events in a data folder or a database, until it is killed or has nothing left to do. */
import { eventSettings } from '../../core/config/event-settings.ts'
import { expireEvents } from '../../core/ingest/events/expire.ts'
import { LIMITS } from '../../core/limits.ts'
import type { Logger } from '../../core/observe/observe.ts'
import { openPostgresStore } from '../../core/storage/postgres/open.ts'
import { openSqliteStore } from '../../core/storage/sqlite/open.ts'

const [place = '', untilMs = ''] = process.argv.slice(2)
const HOUR_MS = 3_600_000
const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => silent }
const settings = eventSettings({ keep: '1h', ladder: { minute: '2h', hour: '1d', day: '30d' } })

const store = place.startsWith('postgres')
  ? await openPostgresStore({ url: place, connectionsMax: 2, limits: LIMITS, logger: silent })
  : await openSqliteStore({ dir: place, limits: LIMITS, logger: silent, onFatal: () => process.exit(1) })
process.stdout.write('ready\n')
const endMs = Number(untilMs)
for (let nowMs = endMs - 288 * HOUR_MS; nowMs <= endMs; nowMs += HOUR_MS)
  await expireEvents({ ...settings, store, published: () => {}, limits: LIMITS, nowMs })
await store.close()
