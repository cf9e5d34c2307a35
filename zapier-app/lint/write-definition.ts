/**
 * Writes `definition.json` anew, once the version in `package.json` is the next one: `npm run definition` in `zapier-app/`. Ends with 1,
 * and writes nothing, when something would be dropped without a new major version, or the version is not newer than the file's.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { refusals, snapshotOf, textOfSnapshot } from './compatibility.ts'
import type { Snapshot } from './compatibility.ts'
import type { Definition } from './definition.ts'

const FILE = join(import.meta.dirname, '../definition.json')

async function definition(): Promise<Definition> {
  try {
    return ((await import('../src/index.ts')) as { readonly default: unknown }).default as Definition
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error('The packages of the app are not there: npm ci --ignore-scripts', { cause: error })
  }
}

try {
  const after = snapshotOf(await definition())
  const before = readFileSync(FILE, 'utf8')
  const refused = refusals(JSON.parse(before) as Snapshot, after)
  if (refused.length > 0) throw new Error(`definition.json stays as it is:\n${refused.join('\n')}`)
  const text = textOfSnapshot(after)
  if (text !== before) writeFileSync(FILE, text)
  console.log(
    text === before ? 'definition.json says all of it already.' : `definition.json is that of ${after.version}.`,
  )
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
