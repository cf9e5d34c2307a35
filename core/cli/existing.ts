/** Verbs that work on a database want one that is there: none is made by the way, least of all in the wrong place. */
import type { Call } from './call.ts'
import { settingsOf } from './call.ts'
import { CliError } from './exit-codes.ts'
import type { NEW } from './verb.ts'

/**
 * The same call; throws where no hub has ever made a database. `asked`: the flag of this verb that makes one. A Postgres is named
 * by whoever means it, and where manifold.yaml is a hub will be: there such a verb may be the first.
 */
export async function existing(call: Call, asked: typeof NEW | null = null): Promise<Call> {
  const settings = settingsOf(call)
  const isMeant = call.options['new'] === true || settings.databaseUrl !== null || settings.configFile !== null
  if (asked !== null && isMeant) return call
  const { storageOf } = await import('../backends.ts')
  const storage = await storageOf(settings)
  if ((await storage.status()).current > 0) return call
  const place = settings.databaseUrl === null ? settings.dataDir : 'the database of DATABASE_URL'
  const wrong = 'run it where manifold.yaml is, or name the data folder with --data, or the database with DATABASE_URL'
  throw new CliError(
    'failed',
    `There is no hub's database in ${place}.`,
    asked === null
      ? `${wrong}; the first start makes it`
      : `${wrong}; for a hub that is to be, before its first start: ${asked}`,
  )
}
