/**
 * Writes what is made from code: the tables of README.md, the JSON Schema of plugin.json, the types of our own plugins.
 * `node_modules/.bin/node test/architecture/write-docs.ts`
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { ROOT } from '../support/hub.ts'
import { TABLES, withTables } from './docs-tables.ts'
import { madeFiles } from './made-files.ts'

const readme = `${ROOT}README.md`
write(readme, withTables(readFileSync(readme, 'utf8')), `wrote ${Object.keys(TABLES).join(', ')}`)
for (const { path, text } of madeFiles()) write(`${ROOT}${path}`, text, 'written')

function write(file: string, text: string, done: string): void {
  let before = ''
  try {
    before = readFileSync(file, 'utf8')
  } catch {
    // It is made now.
  }
  writeFileSync(file, text)
  process.stdout.write(`${file}: ${text === before ? 'was right already' : done}\n`)
}
